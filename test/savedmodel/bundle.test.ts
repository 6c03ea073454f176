import { DataType } from '../../src/proto/gen/tensorflow/core/framework/types_pb';
import { BundleHeaderProto_Endianness } from '../../src/proto/gen/tensorflow/core/protobuf/tensor_bundle_pb';
import { readBundleIndex } from '../../src/savedmodel/bundle';
import { findingOf } from '../../src/savedmodel/finding';
import { block, blockContents, entry, floats, header, index, table, varint } from './bundle-writer';

/** `check: message`, or what was read. */
function read(file: Uint8Array): string {
  try {
    return [...readBundleIndex(file).entries.values()].map(({ name, shape, size }) => `${name}[${shape.join(',')}]=${size}`).join(' ');
  } catch (error) {
    const finding = findingOf(error);
    if (finding === undefined) throw error;
    return `${finding.check}: ${finding.message}`;
  }
}
const scalar = (key: string, offset = 0) => entry(key, { dtype: DataType.DT_FLOAT, offset: BigInt(offset), size: 4n });

test('names, shapes and places come back as written', () => {
  expect(read(floats({ a: [0.5], 'b/kernel': [1, 2, 3] }).index)).toBe('a[]=4 b/kernel[3]=12');
});

test.each([
  ['an empty file', Buffer.alloc(0), 'index: want at least 48 bytes, found 0: cut off or not an index'],
  ['no table', Buffer.alloc(100, 1), 'index: want the table magic 0xdb4775248b80fb57 at the end, found 0x101010101010101: cut off or not an index'],
  ['no entry at all', table(block(blockContents([]))), 'index: has no entries, not even the bundle header'],
  ['no header first', table(block(blockContents([scalar('a')]))), 'index: the first entry is not the bundle header'],
  ['no shards', table(block(blockContents([header({ numShards: 0 })]))), 'index: bundle header says 0 shards'],
  ['a bundle only a newer reader knows', table(block(blockContents([header({ version: { minConsumer: 2 } })]))), "index: bundle wants a reader of version 2, TensorFlow's is 1"],
  ['names out of order', index([scalar('b'), scalar('a')]), 'index: keys are out of order after "b"'],
  ['a name twice', index([scalar('a'), scalar('a')]), 'index: keys are out of order after "a"'],
  ['a shard that is not', index([entry('a', { dtype: DataType.DT_FLOAT, size: 4n, shardId: 1 })]), 'entry: a: lies in shard 1 of 1'],
  ['a place before the file', index([entry('a', { dtype: DataType.DT_FLOAT, size: 4n, offset: -4n })]), 'entry: a: offset -4 and size 4 are no place in a file'],
  ['a size that is not the shape', index([entry('a', { dtype: DataType.DT_FLOAT, shape: { dim: [{ size: 3n }] }, size: 4n })]), 'entry: a: DT_FLOAT of shape [3] takes 12 bytes, the index says 4'],
  ['more elements than there are numbers', index([entry('a', { dtype: DataType.DT_FLOAT, shape: { dim: [{ size: 2n ** 40n }, { size: 2n ** 40n }] }, size: 4n })]), 'entry: a: shape [1099511627776,1099511627776] is no shape of stored bytes'],
  ['a dimension below zero', index([entry('a', { dtype: DataType.DT_FLOAT, shape: { dim: [{ size: -1n }] }, size: 4n })]), 'entry: a: shape [-1] is no shape of stored bytes'],
  ['more strings than bytes', index([entry('a', { dtype: DataType.DT_STRING, shape: { dim: [{ size: 2n ** 40n }] }, size: 4n })]), 'entry: a: 1099511627776 strings cannot be in 4 bytes'],
  ['a dtype that cannot be stored', index([entry('a', { dtype: DataType.DT_RESOURCE, size: 4n })]), 'entry: a: DT_RESOURCE cannot be in a checkpoint'],
  ['an entry that is no message', index([{ key: 'a', value: Uint8Array.of(255) }]), 'index: entry a does not decode: premature EOF'],
  ['a key longer than any name', table(block(Buffer.from([0, ...varint(10_000), 0, 1, 0, 0, 0, 0, 1, 0, 0, 0]))), 'limit: a key has 10000 bytes, at most 8192 are read'],
  ['a key shared with none', table(block(Buffer.from([3, 1, 0, 97, 0, 0, 0, 0, 1, 0, 0, 0]))), 'index: an entry shares 3 bytes with a key of 0'],
  ['more restart points than block', table(block(Buffer.from([0, 0, 0, 0, 255, 0, 0, 0]))), 'index: a block of 8 bytes claims 255 restart points'],
  ['a compression TensorFlow has not', table(block(blockContents([header()]), 2)), 'index: block at 0 has unknown compression 2'],
])('%s is refused by name', (_, file, message) => {
  expect(read(file)).toBe(message);
});

test('one block listed many times is read once: a small file cannot ask for hours of work', () => {
  const data = block(blockContents([header(), scalar('a')]));
  expect(read(table(data, Array.from({ length: 10_000 }, () => [0, data.length - 5] as const)))).toBe(`index: data block at 0 overlaps the one that ends at ${data.length}`);
});

test('a compressed block that would fill the memory is refused before it does', () => {
  expect(read(table(block(Buffer.from([...varint(2 ** 31), 0, 0]), 1)))).toBe('index: block at 0: Snappy claims 2147483648 bytes, at most 16777216 are read');
});

test('a checkpoint of another byte order is known as such', () => {
  expect(readBundleIndex(table(block(blockContents([header({ endianness: BundleHeaderProto_Endianness.BIG })])))).bigEndian).toBe(true);
});
