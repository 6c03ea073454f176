// The LevelDB-style table that variables.index is (TF Serving reference §10.4): footer, index block, data blocks, each with a CRC.

import { crc32c, unmaskCrc } from './crc32c';
import { invalid } from './finding';
import { decodeSnappy } from './snappy';

export interface TableEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** One block at a time is held in memory. TensorFlow begins a new block at 256 KiB; Snappy expands at most about 32 times. */
const MAX_BLOCK_BYTES = 16 * 2 ** 20;
/** A key is a variable's path. Prefix compression lets three bytes stand for a whole key, so without a cap a small file could cost hours. */
const MAX_KEY_BYTES = 8 * 2 ** 10;
const FOOTER_BYTES = 48;
const TRAILER_BYTES = 5;
const MAGIC = 0xdb4775248b80fb57n;

/** Every entry in key order. Throws InvalidSavedModel (`index`) at the first byte that is not as written; all bytes are covered by a check. */
export function* tableEntries(file: Uint8Array, path: string): Generator<TableEntry> {
  const { metaindex, index } = readFooter(file, path);
  for (const _ of blockEntries(readBlock(file, metaindex, path), path)) { /* nothing is kept there; its checksum is what counts */ }
  let end = 0;
  let last: Uint8Array | undefined;
  for (const { value } of blockEntries(readBlock(file, index, path), path)) {
    const cursor = new Cursor(value, path, 'block handle');
    const handle = { offset: cursor.varint(), size: cursor.varint() };
    // In order and apart, as TensorFlow writes them: no block is worth reading twice, and total work is bounded by the file.
    if (handle.offset < end) throw invalid('index', path, `data block at ${handle.offset} overlaps the one that ends at ${end}`);
    end = handle.offset + handle.size + TRAILER_BYTES;
    for (const entry of blockEntries(readBlock(file, handle, path), path)) {
      if (last !== undefined && Buffer.compare(last, entry.key) >= 0) throw invalid('index', path, `keys are out of order after ${show(last)}`);
      last = entry.key;
      yield entry;
    }
  }
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

function readFooter(file: Uint8Array, path: string): { readonly metaindex: Handle; readonly index: Handle } {
  if (file.length < FOOTER_BYTES) throw invalid('index', path, `want at least ${FOOTER_BYTES} bytes, found ${file.length}: cut off or not an index`);
  const footer = file.subarray(file.length - FOOTER_BYTES);
  const magic = view(footer).getBigUint64(FOOTER_BYTES - 8, true);
  if (magic !== MAGIC) throw invalid('index', path, `want the table magic ${hex(MAGIC)} at the end, found ${hex(magic)}: cut off or not an index`);
  const cursor = new Cursor(footer.subarray(0, FOOTER_BYTES - 8), path, 'footer');
  const handles = { metaindex: { offset: cursor.varint(), size: cursor.varint() }, index: { offset: cursor.varint(), size: cursor.varint() } };
  if (cursor.rest().some((byte) => byte !== 0)) throw invalid('index', path, 'footer padding is not zero');
  return handles;
}

function readBlock(file: Uint8Array, { offset, size }: Handle, path: string): Uint8Array {
  const end = offset + size;
  if (end + TRAILER_BYTES > file.length - FOOTER_BYTES) {
    throw invalid('index', path, `a block wants bytes ${offset} to ${end + TRAILER_BYTES}, the file has ${file.length - FOOTER_BYTES} before its footer`);
  }
  if (size > MAX_BLOCK_BYTES) throw invalid('limit', path, `a block has ${size} bytes, at most ${MAX_BLOCK_BYTES} are read`);
  const stored = unmaskCrc(view(file).getUint32(end + 1, true));
  const found = crc32c(file.subarray(offset, end + 1));
  if (stored !== found) throw invalid('index', path, `block at ${offset}: want CRC-32C ${hex(stored)}, found ${hex(found)}`);
  const contents = file.subarray(offset, end);
  const type = file[end]!;
  if (type === 0) return contents;
  if (type !== 1) throw invalid('index', path, `block at ${offset} has unknown compression ${type}`);
  const plain = decodeSnappy(contents, MAX_BLOCK_BYTES);
  if ('why' in plain) throw invalid('index', path, `block at ${offset}: ${plain.why}`);
  return plain.bytes;
}

function* blockEntries(block: Uint8Array, path: string): Generator<TableEntry> {
  const restarts = block.length < 4 ? 0 : view(block).getUint32(block.length - 4, true);
  const end = block.length - 4 - restarts * 4;
  if (restarts < 1 || end < 0) throw invalid('index', path, `a block of ${block.length} bytes claims ${restarts} restart points`);
  const cursor = new Cursor(block.subarray(0, end), path, 'block entry');
  let previous: Uint8Array = new Uint8Array(0);
  while (!cursor.done()) {
    const shared = cursor.varint();
    const unshared = cursor.varint();
    const valueBytes = cursor.varint();
    if (shared > previous.length) throw invalid('index', path, `an entry shares ${shared} bytes with a key of ${previous.length}`);
    if (shared + unshared > MAX_KEY_BYTES) throw invalid('limit', path, `a key has ${shared + unshared} bytes, at most ${MAX_KEY_BYTES} are read`);
    const key = new Uint8Array(shared + unshared);
    key.set(previous.subarray(0, shared));
    key.set(cursor.bytes(unshared), shared);
    previous = key;
    yield { key, value: cursor.bytes(valueBytes) };
  }
}

/** Reads on from where it was; throws InvalidSavedModel where the bytes end too soon. */
class Cursor {
  private at = 0;
  constructor(private readonly from: Uint8Array, private readonly path: string, private readonly what: string) {}
  done(): boolean {
    return this.at >= this.from.length;
  }
  rest(): Uint8Array {
    return this.from.subarray(this.at);
  }
  bytes(count: number): Uint8Array {
    if (count > this.from.length - this.at) throw invalid('index', this.path, `a ${this.what} wants ${count} bytes, ${this.from.length - this.at} are left`);
    this.at += count;
    return this.from.subarray(this.at - count, this.at);
  }
  /** A varint64 as a number: a size or offset beyond 2^53 is no size of any file. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 10; shift++) {
      const byte = this.from[this.at++];
      if (byte === undefined) throw invalid('index', this.path, `a number in a ${this.what} is cut off`);
      value += (byte & 127) * 2 ** (7 * shift);
      if (byte < 128) {
        // TensorFlow writes the shortest form; a longer one is a flipped bit that happens to change nothing.
        if (byte === 0 && shift > 0) throw invalid('index', this.path, `a number in a ${this.what} is padded`);
        if (!Number.isSafeInteger(value)) throw invalid('index', this.path, `a number in a ${this.what} is out of range: ${value}`);
        return value;
      }
    }
    throw invalid('index', this.path, `a number in a ${this.what} has more than 10 bytes`);
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

function show(key: Uint8Array): string {
  return JSON.stringify(Buffer.from(key).toString('utf8').slice(0, 200));
}
