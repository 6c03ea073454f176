// Models made to be wrong in one thing, and input made to harm whoever reads it.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { AttrValueSchema } from '../../src/proto/gen/tensorflow/core/framework/attr_value_pb';
import type { NodeDefSchema } from '../../src/proto/gen/tensorflow/core/framework/node_def_pb';
import { DataType } from '../../src/proto/gen/tensorflow/core/framework/types_pb';
import { MetaGraphDefSchema } from '../../src/proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { SavedModelSchema } from '../../src/proto/gen/tensorflow/core/protobuf/saved_model_pb';
import { readBundleIndex } from '../../src/savedmodel/bundle';
import { checkSavedModel } from '../../src/savedmodel/check';
import type { CheckOptions } from '../../src/savedmodel/check';
import { crc32c, maskCrc } from '../../src/savedmodel/crc32c';
import { GRAPH_PATH } from '../../src/savedmodel/saved-model';
import { checkShard } from '../../src/savedmodel/shard';
import { WireError, eachField, lastField } from '../../src/savedmodel/wire';
import { entry, floats, index, strings, u32, varint } from './bundle-writer';

const INDEX = 'variables/variables.index';
const SHARD = 'variables/variables.data-00000-of-00001';
const WARMUP = 'assets.extra/tf_serving_warmup_requests';

let root: string;
let made = 0;
beforeAll(() => { root = mkdtempSync(join(tmpdir(), 'segue-check-')); });
afterAll(() => rmSync(root, { recursive: true, force: true }));

function model(files: Readonly<Record<string, Uint8Array>>): string {
  const dir = join(root, String(made++));
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), bytes);
  }
  return dir;
}

/** `check path: message` of each finding, then of each warning with a `~` before it. */
async function report(dir: string, options: CheckOptions = {}): Promise<string[]> {
  const result = await checkSavedModel(dir, options);
  const line = ({ check, path, message }: { check: string; path: string; message: string }) => `${check} ${path}: ${message}`;
  return [...(result.ok ? [] : result.findings.map(line)), ...result.warnings.map((warning) => `~${line(warning)}`)];
}

type Node = MessageInitShape<typeof NodeDefSchema>;
const X: Node = { name: 'x', op: 'Placeholder' };
const SIGNATURE = { serving_default: { inputs: { x: info('x:0') }, outputs: { y: info('x:0') } } };

function info(name: string, dtype = DataType.DT_FLOAT) {
  return { encoding: { case: 'name' as const, value: name }, dtype };
}

function graph(node: Node[], more: MessageInitShape<typeof MetaGraphDefSchema> = {}, schemaVersion = 1n): Uint8Array {
  const metaGraph = create(MetaGraphDefSchema, { metaInfoDef: { tags: ['serve'] }, graphDef: { node }, signatureDef: SIGNATURE, ...(more as object) });
  return toBinary(SavedModelSchema, create(SavedModelSchema, { savedModelSchemaVersion: schemaVersion, metaGraphs: [metaGraph] }));
}

const constStrings = (name: string, values: string[]): Node => ({
  name, op: 'Const',
  attr: { value: { value: { case: 'tensor', value: { dtype: DataType.DT_STRING, tensorShape: { dim: [{ size: BigInt(values.length) }] }, stringVal: values.map((value) => Buffer.from(value)) } } } },
});

/** A TF1 graph that restores these names. */
const restoring = (names: string[], more: Node[] = []) => graph([
  X, { name: 'save/Const', op: 'Const' }, constStrings('save/names', names), { name: 'save/RestoreV2', op: 'RestoreV2', input: ['save/Const', 'save/names'] },
  { name: 'save/restore_all', op: 'NoOp', input: ['^save/RestoreV2'] }, { name: 'a', op: 'VariableV2' }, ...more,
], { saverDef: { filenameTensorName: 'save/Const:0', restoreOpName: 'save/restore_all' } });

describe('what the graph says of itself', () => {
  test.each<[string, Uint8Array, string[]]>([
    ['a signature over existing nodes', graph([X]), []],
    ['another schema version', graph([X], {}, 2n), ['decode saved_model.pb: want schema version 1, found 2']],
    ['a signature over a node that is not there', graph([X], { signatureDef: { serving_default: { inputs: { x: info('x:0') }, outputs: { y: info('gone:0') } } } }), ['signature saved_model.pb: signature serving_default, output y, names node "gone", and the graph has none of that name']],
    ['a signature without dtype', graph([X], { signatureDef: { serving_default: { inputs: { x: info('x:0', DataType.DT_INVALID) } } } }), ['signature saved_model.pb: signature serving_default: x has no dtype']],
    ['a signature without tensor', graph([X], { signatureDef: { serving_default: { inputs: { x: { dtype: DataType.DT_FLOAT } } } } }), ['signature saved_model.pb: signature serving_default: x names no tensor']],
    ['a sparse input with one tensor missing', graph([X], { signatureDef: { serving_default: { inputs: { x: { dtype: DataType.DT_FLOAT, encoding: { case: 'cooSparse', value: { valuesTensorName: 'x:0', indicesTensorName: 'i:0', denseShapeTensorName: 'x:0' } } } } } } }), ['signature saved_model.pb: signature serving_default, input x, names node "i", and the graph has none of that name']],
    ['no signature: nobody can ask it anything', graph([X], { signatureDef: {} }), ['~signature saved_model.pb: there is no signature serving_default; found none']],
    ['an init op that is not there', graph([X], { collectionDef: { saved_model_main_op: { kind: { case: 'nodeList', value: { value: ['init'] } } } } }), ['graph saved_model.pb: the init op names node "init", and the graph has none of that name']],
    ['a saver over nodes that are not there', graph([X], { saverDef: { filenameTensorName: 'f:0', restoreOpName: 'r' } }), ['restore saved_model.pb: saver_def.restore_op_name names node "r", and the graph has none of that name', 'restore saved_model.pb: saver_def.filename_tensor_name names node "f", and the graph has none of that name']],
    ['an asset that is not there', graph([X], { assetFileDef: [{ tensorInfo: info('x:0', DataType.DT_STRING), filename: 'vocab.txt' }] }), ['~assets assets/vocab.txt: the graph names this asset, and there is no such file']],
    ['an asset outside of assets', graph([X], { assetFileDef: [{ tensorInfo: info('x:0', DataType.DT_STRING), filename: '../../../etc/passwd' }] }), ['~assets assets/../../../etc/passwd: the graph names an asset outside assets/']],
    ['a variable in a function body, without checkpoint', graph([X], { graphDef: { node: [X], library: { function: [{ signature: { name: 'f' }, nodeDef: [{ name: 'v', op: 'VarHandleOp' }] }] } } }), ['variables variables/variables.index: the graph has variables (v: VarHandleOp), and there is no such file']],
  ])('%s', async (_, bytes, lines) => {
    expect(await report(model({ [GRAPH_PATH]: bytes }))).toEqual(lines);
  });

  test('two meta graphs for one tag set leave open which is meant', async () => {
    const twice = Buffer.concat([graph([X]), graph([X])]);
    expect(await report(model({ [GRAPH_PATH]: twice }))).toEqual(['tags saved_model.pb: 2 meta graphs have the tags { serve }; want one']);
  });

  test('among several meta graphs the one with exactly the tags is meant', async () => {
    const gpu = graph([], { metaInfoDef: { tags: ['serve', 'gpu'] }, signatureDef: {} });
    expect(await report(model({ [GRAPH_PATH]: Buffer.concat([gpu, graph([X])]) }))).toEqual([]);
  });

  const ofOps = (tensorflowVersion: string, ...ops: string[]) => graph(ops.map((op, at) => (at === 0 ? { ...X, op } : { name: `n${at}`, op })), { metaInfoDef: { tags: ['serve'], tensorflowVersion, strippedOpList: { op: [{ name: 'Placeholder' }, { name: 'Add' }] } } });
  test.each<[string, Uint8Array, CheckOptions, string[]]>([
    ['ops as the exporter listed them', ofOps('2.14.0', 'Placeholder', 'Add'), {}, []],
    ['an op the exporter did not list, as after a damaged byte', ofOps('2.14.0', 'Placeholder', 'Aed'), {}, [`~ops saved_model.pb: the exporter's own list of ops does not have "Aed" (node "n1")`]],
    ['a call of Python', graph([X, { name: 'p', op: 'PyFunc' }]), {}, ['~ops saved_model.pb: needs a Python interpreter, which no server has: "PyFunc" (node "p")']],
    ['a call of its own function is no op', graph([X], { metaInfoDef: { tags: ['serve'], strippedOpList: { op: [{ name: 'Placeholder' }] } }, graphDef: { node: [X, { name: 'c', op: 'f' }], library: { function: [{ signature: { name: 'f' } }] } } }), {}, []],
    ['an op this server has not', ofOps('2.14.0', 'Placeholder', 'Add'), { allowedOps: new Set(['Placeholder']) }, ['ops saved_model.pb: the server has no op "Add" (node "n1")']],
    ['a TensorFlow newer than the server', ofOps('2.14.0', 'Placeholder'), { serverVersion: '2.9' }, ["~ops saved_model.pb: was written by TensorFlow 2.14.0, newer than the server's 2.9"]],
    ['a TensorFlow as old as the server, another patch', ofOps('2.14.1', 'Placeholder'), { serverVersion: '2.14.0' }, []],
    ['a signature that a caller must have', graph([X]), { signature: 'predict' }, ['signature saved_model.pb: there is no signature predict; found serving_default']],
    ['a signature that is there', graph([X]), { signature: 'serving_default' }, []],
  ])('%s', async (_, bytes, options, lines) => {
    expect(await report(model({ [GRAPH_PATH]: bytes }), options)).toEqual(lines);
  });

  test('a graph in text form is not looked into, and that is said', async () => {
    expect(await report(model({ 'saved_model.pbtxt': Buffer.from('saved_model_schema_version: 1') }))).toEqual(['~decode saved_model.pbtxt: the graph is in text form and was not looked into']);
  });
});

describe('what the graph wants of the checkpoint', () => {
  test('all names it restores are there', async () => {
    const { index: file, shard } = floats({ a: [1], b: [2, 3] });
    expect(await report(model({ [GRAPH_PATH]: restoring(['a', 'b']), [INDEX]: file, [SHARD]: shard }))).toEqual([]);
  });

  test('a name it restores is missing', async () => {
    const { index: file, shard } = floats({ a: [1] });
    expect(await report(model({ [GRAPH_PATH]: restoring(['a', 'b']), [INDEX]: file, [SHARD]: shard }))).toEqual(['restore variables/variables.index: the graph restores "b", and the index has no such key']);
  });

  test('a restore of some other checkpoint, left over from training, asks nothing of this one', async () => {
    const { index: file, shard } = floats({ a: [1] });
    const leftover = [{ name: 'warm_start', op: 'Const' }, constStrings('other/names', ['elsewhere']), { name: 'other', op: 'RestoreV2', input: ['warm_start', 'other/names'] }];
    expect(await report(model({ [GRAPH_PATH]: restoring(['a'], leftover), [INDEX]: file, [SHARD]: shard }))).toEqual([]);
  });
});

describe('tensors in their shards', () => {
  const stored = (key: string, bytes: Uint8Array, init: Parameters<typeof entry>[1] = {}) => entry(key, { dtype: DataType.DT_UINT8, shape: { dim: [{ size: BigInt(bytes.length) }] }, size: BigInt(bytes.length), crc32c: maskCrc(crc32c(bytes)), ...(init as object) });

  test('a tensor of several megabytes, at an odd place, is summed as a whole; one flipped bit far inside is found', async () => {
    const bytes = Buffer.alloc(3_500_001);
    for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31) ^ (at >> 8);
    const files = { [GRAPH_PATH]: graph([X]), [INDEX]: index([stored('a', bytes.subarray(0, 7)), stored('big', bytes.subarray(7), { offset: 7n })]), [SHARD]: bytes };
    expect(await report(model(files))).toEqual([]);
    const flipped = Buffer.from(bytes);
    flipped[2_222_222]! ^= 4;
    expect(await report(model({ ...files, [SHARD]: flipped }))).toEqual([expect.stringMatching(/^checksum .*data-00000-of-00001: big: want CRC-32C 0x[0-9a-f]+, found 0x[0-9a-f]+ over 3499994 bytes$/)]);
  });

  test('strings that cross from one read into the next are summed as they are', async () => {
    const { bytes, crc } = strings(['', 'a', 'x'.repeat(2 ** 20 - 3), 'y'.repeat(300_000), '']);
    const file = index([stored('s', bytes, { dtype: DataType.DT_STRING, shape: { dim: [{ size: 5n }] }, crc32c: maskCrc(crc) })]);
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [INDEX]: file, [SHARD]: bytes }))).toEqual([]);
  });

  test('more strings than one read holds lengths of', async () => {
    // All empty: lengths of one zero byte, summed as four; no bytes of strings.
    const lengths = crc32c(Buffer.alloc(4_800_000));
    const bytes = Buffer.concat([Buffer.alloc(1_200_000), u32(maskCrc(lengths))]);
    const crc = crc32c(u32(maskCrc(lengths)), lengths);
    const file = index([stored('s', bytes, { dtype: DataType.DT_STRING, shape: { dim: [{ size: 1_200_000n }] }, crc32c: maskCrc(crc) })]);
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [INDEX]: file, [SHARD]: bytes }))).toEqual([]);
  });

  test('string lengths that promise more than there is', async () => {
    const { bytes, crc } = strings(['abc', 'de']);
    const cut = bytes.subarray(0, -1);
    const file = index([stored('s', cut, { dtype: DataType.DT_STRING, shape: { dim: [{ size: 2n }] }, crc32c: maskCrc(crc) })]);
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [INDEX]: file, [SHARD]: cut }))).toEqual([`checksum ${SHARD}: s: the lengths say 5 bytes of strings, there are 4`]);
  });

  test('string lengths that are not those that were summed', async () => {
    const { bytes, crc } = strings(['abc', 'de']);
    // Swapped lengths: the same number of bytes, cut elsewhere.
    const swapped = Buffer.concat([Buffer.from([2, 3]), bytes.subarray(2)]);
    const file = index([stored('s', swapped, { dtype: DataType.DT_STRING, shape: { dim: [{ size: 2n }] }, crc32c: maskCrc(crc) })]);
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [INDEX]: file, [SHARD]: swapped }))).toEqual([expect.stringMatching(/s: the string lengths want CRC-32C 0x[0-9a-f]+, found 0x[0-9a-f]+$/)]);
  });

  test('tensors over one another: an index cannot make one file be read a million times', async () => {
    const bytes = Buffer.alloc(8);
    const file = index([stored('a', bytes), stored('b', bytes)]);
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [INDEX]: file, [SHARD]: bytes }))).toEqual([`entry ${SHARD}: b at 0 overlaps the tensor that ends at 8`]);
  });

  test('a tensor without elements needs its shard, and nothing in it', async () => {
    const none = stored('a', new Uint8Array(0));
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [INDEX]: index([none]), [SHARD]: new Uint8Array(0) }))).toEqual([]);
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [INDEX]: index([none]) }))).toEqual([`shardMissing ${SHARD}: the index places 1 tensors here, and there is no such file`]);
  });

  test('a partitioned tensor has no bytes of its own', async () => {
    const bytes = Buffer.from('abcd');
    const whole = entry('p', { dtype: DataType.DT_FLOAT, shape: { dim: [{ size: 1000n }] }, slices: [{ extent: [{ start: 0n }] }] });
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [INDEX]: index([whole, stored('q', bytes)]), [SHARD]: bytes }))).toEqual([]);
  });

  test('what cannot be summed here is said, not passed over', async () => {
    const bytes = Buffer.from('abcd');
    const file = index([stored('v', bytes, { dtype: DataType.DT_VARIANT })]);
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [INDEX]: file, [SHARD]: bytes }))).toEqual([`~checksum ${SHARD}: v: DT_VARIANT is not summed here`]);
  });

  test('a thousand broken tensors give a report that can be read', async () => {
    const bytes = Buffer.alloc(4000);
    const entries = Array.from({ length: 1000 }, (_, at) => entry(`t${String(at).padStart(4, '0')}`, { dtype: DataType.DT_FLOAT, offset: BigInt(at * 4), size: 4n, crc32c: 1 }));
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [INDEX]: index(entries), [SHARD]: bytes }))).toHaveLength(20);
  });

  test('an abort is heard between two reads of a shard, and one shard has only so much to say', async () => {
    const bytes = Buffer.alloc(3 * 2 ** 20, 1);
    const entries = Array.from({ length: 6 }, (_, at) => entry(`t${at}`, { dtype: DataType.DT_UINT8, shape: { dim: [{ size: 2n ** 19n }] }, offset: BigInt(at * 2 ** 19), size: 2n ** 19n, crc32c: 1 }));
    const file = index(entries);
    const dir = model({ [GRAPH_PATH]: graph([X]), [INDEX]: file, [SHARD]: bytes });
    const reason = new Error('stop');
    await expect(checkShard(dir, readBundleIndex(file), 0, { limit: 3, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect((await checkShard(dir, readBundleIndex(file), 0, { limit: 3 })).findings).toHaveLength(3);
  });

  test('a function of TensorFlow 2 restores by names too', async () => {
    const dir = model({});
    cpSync(join(__dirname, '../data/savedmodels/saved_model_half_plus_two_tf2_cpu/00000123'), dir, { recursive: true });
    const { index: file, shard } = floats({ 'a/.ATTRIBUTES/VARIABLE_VALUE': [1], 'c/.ATTRIBUTES/VARIABLE_VALUE': [1], _CHECKPOINTABLE_OBJECT_GRAPH: [1] });
    writeFileSync(join(dir, INDEX), file);
    writeFileSync(join(dir, SHARD), shard);
    expect(await report(dir)).toEqual(['restore variables/variables.index: the graph restores "b/.ATTRIBUTES/VARIABLE_VALUE", and the index has no such key']);
  });
});

describe('the warm-up file', () => {
  const frame = (data: Uint8Array) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(data.length));
    return Buffer.concat([length, u32(maskCrc(crc32c(length))), data, u32(maskCrc(crc32c(data)))]);
  };
  const two = Buffer.concat([frame(Buffer.from('one')), frame(Buffer.alloc(100, 7))]);

  test.each<[string, Uint8Array, string[]]>([
    ['whole', two, []],
    ['empty', new Uint8Array(0), []],
    ['a thousand records', Buffer.concat(Array.from({ length: 1000 }, () => frame(Buffer.from('r')))), []],
    ['a thousand and one', Buffer.concat(Array.from({ length: 1001 }, () => frame(Buffer.from('r')))), [`warmup ${WARMUP}: record 1000 at byte 17000: more than 1000 records`]],
    ['no record file at all', Buffer.from('{"instances": [1.0, 2.0]}'), [`warmup ${WARMUP}: record 0 at byte 0: the checksum of its length does not match: not a TFRecord file, or damaged`]],
    ['cut off in a header', two.subarray(0, 25), [`warmup ${WARMUP}: record 1 at byte 19: its header is cut off`]],
    ['cut off in its data', two.subarray(0, 100), [`warmup ${WARMUP}: record 1 at byte 19: wants 100 bytes, the file ends before`]],
    ['damaged in its data', Buffer.concat([two.subarray(0, 60), Buffer.from([8]), two.subarray(61)]), [`warmup ${WARMUP}: record 1 at byte 19: the checksum of its data does not match`]],
  ])('%s', async (_, bytes, lines) => {
    expect(await report(model({ [GRAPH_PATH]: graph([X]), [WARMUP]: bytes }))).toEqual(lines);
  });
});

describe('input made to harm', () => {
  const wrap = (no: number, bytes: Uint8Array) => Buffer.concat([Buffer.from([no * 8 + 2]), Uint8Array.from(varint(bytes.length)), bytes]);
  const empty = (no: number, count: number) => Buffer.alloc(count * 2, Buffer.from([no * 8 + 2, 0]));
  const served = (...parts: Uint8Array[]) => Buffer.concat([Buffer.from([8, 1]), wrap(2, Buffer.concat([wrap(1, wrap(4, Buffer.from('serve'))), ...parts]))]);

  test('a pipe in place of a file does not make the check wait for a writer', async () => {
    const dir = model({ [GRAPH_PATH]: graph([X]), [INDEX]: floats({ a: [1] }).index });
    execFileSync('mkfifo', [join(dir, SHARD)]);
    expect(await report(dir)).toEqual([`layout ${SHARD}: want a regular file, found something else`]);
  });

  test('messages nested without end are refused at the depth where a server refuses them', async () => {
    let value: Uint8Array = new Uint8Array(0);
    // AttrValue.func.attr["k"] holds an AttrValue again.
    for (let depth = 0; depth < 5000; depth++) {
      const attrEntry = Buffer.concat([Buffer.from([0x0a, 1, 107, 0x12]), Uint8Array.from(varint(value.length)), value]);
      const func = Buffer.concat([Buffer.from([0x12]), Uint8Array.from(varint(attrEntry.length)), attrEntry]);
      value = Buffer.concat([Buffer.from([AttrValueSchema.field.func.number * 8 + 2]), Uint8Array.from(varint(func.length)), func]);
    }
    const node = wrap(5, Buffer.concat([wrap(1, Buffer.from('k')), wrap(2, value)]));
    const file = wrap(2, wrap(2, wrap(1, node)));
    expect(await report(model({ [GRAPH_PATH]: file }))).toEqual(['decode saved_model.pb: does not decode as a SavedModel: messages are nested deeper than 100']);
  });

  test.each<[string, () => Uint8Array, string]>([
    ['nodes: they are walked, not built', () => served(wrap(2, empty(1, 200_000))), '~signature saved_model.pb: there is no signature serving_default; found none'],
    ['meta graphs', () => empty(2, 1001), 'limit saved_model.pb: more than 1000 meta graphs'],
    ['pieces of a graph', () => served(empty(2, 1001)), 'limit saved_model.pb: a graph in more than 1000 pieces'],
    ['signatures', () => served(empty(5, 100_001)), 'decode saved_model.pb: does not decode as a SavedModel: more than 100000 messages in what is not the graph'],
    ['assets in a collection', () => served(wrap(4, Buffer.concat([wrap(1, Buffer.from('saved_model_assets')), wrap(2, wrap(5, empty(1, 100_001)))]))), 'decode saved_model.pb: does not decode as a SavedModel: more than 100000 messages in what is not the graph'],
    ['megabytes of what is neither graph nor known', () => served(wrap(3, wrap(1, Buffer.alloc(9 * 2 ** 20, 97)))), 'limit saved_model.pb: signatures and meta info have more than 8388608 bytes'],
  ])('two bytes each, any number of %s', async (_, file, line) => {
    expect(await report(model({ [GRAPH_PATH]: file() }))).toEqual([line]);
  });

  test('a field that reaches out of its message is refused, though the bytes are there', async () => {
    const file = Buffer.from(graph([{ name: 'QQQQ', op: 'NoOp' }, X]));
    file.writeUInt8(12, file.indexOf('QQQQ') - 1);
    expect(await report(model({ [GRAPH_PATH]: file }))).toEqual([expect.stringMatching(/^decode saved_model\.pb: does not decode as a SavedModel: a field at byte \d+ ends beyond its message$/)]);
  });

  test('a field that reaches beyond the bytes is never read as a shorter one', () => {
    const cut = Buffer.from([0x0a, 5, 97, 98]);
    expect(() => lastField(cut, 1)).toThrow('a field at byte 2 wants 5 bytes, 2 are left');
    expect(() => eachField(cut, () => undefined)).toThrow(WireError);
  });

  test('text that is not UTF-8 is refused as the server refuses it', async () => {
    const file = Buffer.from(graph([{ name: 'QQQQ', op: 'NoOp' }, X]));
    file.writeUInt8(0xff, file.indexOf('QQQQ') + 1);
    expect(await report(model({ [GRAPH_PATH]: file }))).toEqual([expect.stringMatching(/^decode saved_model\.pb: does not decode as a SavedModel: text at byte \d+ is not UTF-8$/)]);
  });

  test('any bytes as graph, index and shard end in a report', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    const magic = Buffer.from('57fb808b247547db', 'hex');
    const dir = model({});
    mkdirSync(join(dir, 'variables'), { recursive: true });
    await fc.assert(fc.asyncProperty(bytes, bytes, bytes, fc.boolean(), async (graphBytes, indexBytes, shardBytes, asTable) => {
      writeFileSync(join(dir, GRAPH_PATH), graphBytes);
      writeFileSync(join(dir, INDEX), asTable ? Buffer.concat([indexBytes, magic]) : indexBytes);
      writeFileSync(join(dir, SHARD), shardBytes);
      expect((await checkSavedModel(dir)).ok).toBe(false);
    }), { numRuns: 300 });
  });
});
