// What a version answers comes from its files, and a load fails as TensorFlow's fails (TF Serving reference §7, §9).

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { TensorProtoSchema } from '../../src/proto/gen/tensorflow/core/framework/tensor_pb';
import type { TensorProto } from '../../src/proto/gen/tensorflow/core/framework/tensor_pb';
import { DataType } from '../../src/proto/gen/tensorflow/core/framework/types_pb';
import { PredictRequestSchema } from '../../src/proto/gen/tensorflow_serving/apis/predict_pb';
import { crc32c, maskCrc } from '../../src/savedmodel/crc32c';
import { loadServable } from '../../src/testing/tf-serving/servable';
import type { LoadedServable } from '../../src/testing/tf-serving/servable';
import { CODE_NAMES, ServingError } from '../../src/testing/tf-serving/status';
import { entry, floats, index, strings, u32 } from '../savedmodel/bundle-writer';

const SAMPLES = join(__dirname, '../data/savedmodels');
const HALF_PLUS_TWO = 'saved_model_half_plus_two_cpu/00000123';
const HALF_PLUS_THREE = 'saved_model_half_plus_three/00000123';
const TF2 = 'saved_model_half_plus_two_tf2_cpu/00000123';
const COUNTER = 'saved_model_counter/00000123';
const INDEX = 'variables/variables.index';
const SHARD = 'variables/variables.data-00000-of-00001';
const WARMUP = 'assets.extra/tf_serving_warmup_requests';

let root: string;
let made = 0;
beforeAll(() => { root = mkdtempSync(join(tmpdir(), 'segue-servable-')); });
afterAll(() => rmSync(root, { recursive: true, force: true }));

function copyOf(sample: string): string {
  const dir = join(root, String(made++));
  cpSync(join(SAMPLES, sample), dir, { recursive: true });
  return dir;
}

const load = (sample: string) => loadServable(join(SAMPLES, sample), ['serve']);

function float(values: number[], shape = [values.length]): TensorProto {
  return create(TensorProtoSchema, { dtype: DataType.DT_FLOAT, tensorShape: { dim: shape.map((size) => ({ size: BigInt(size) })) }, floatVal: values });
}

function predict(servable: LoadedServable, inputs: Record<string, TensorProto>, signature = '', filter: string[] = []) {
  const outputs = servable.predict(signature, inputs, filter);
  return Object.fromEntries(Object.entries(outputs).map(([alias, { floatVal, tensorShape }]) => [alias, { shape: tensorShape?.dim.map(({ size }) => Number(size)), values: floatVal }]));
}

/** `CODE: text` of what was thrown, the temporary directory left out. */
function failure(error: unknown): string {
  if (!(error instanceof ServingError)) throw error;
  return `${CODE_NAMES[error.code]}: ${error.message.replaceAll(root, '')}`;
}
const failureOf = (work: () => unknown) => {
  try {
    return work();
  } catch (error) {
    return failure(error);
  }
};
/** tensorflow.Example on the wire: lengths below 128, so that each is one byte. */
const field = (no: number, ...bytes: (number | Uint8Array)[]): Uint8Array => {
  const value = Buffer.concat(bytes.map((one) => (typeof one === 'number' ? Buffer.of(one) : one)));
  return Buffer.concat([Buffer.of((no << 3) | 2, value.length), value]);
};
const FLOATS = (...values: number[]): Uint8Array => field(2, field(1, new Uint8Array(Float32Array.from(values).buffer)));
const INT64S = (...values: number[]): Uint8Array => field(3, field(1, ...values));
const example = (features: Readonly<Record<string, Uint8Array>>): Uint8Array => field(1, ...Object.entries(features).map(([key, feature]) => field(1, field(1, Buffer.from(key)), field(2, feature))));
const loadFailure = (dir: string) => loadServable(dir, ['serve']).then(() => 'loaded', failure);

describe('predictions', () => {
  test.each([
    [HALF_PLUS_TWO, [2.5, 3, 4.5]],
    ['saved_model_half_plus_two_2_versions/00000124', [2.5, 3, 4.5]],
    ['saved_model_half_plus_two_gpu_trt/00000123', [2.5, 3, 4.5]],
    ['matrix_half_plus_two/1', [2.5, 3, 4.5]],
    [TF2, [2.5, 3, 4.5]],
    [HALF_PLUS_THREE, [3.5, 4, 5.5]],
  ])('%s', async (sample, values) => {
    expect(predict(await load(sample), { x: float([1, 2, 5], [3, 1]) })).toEqual({ y: { shape: [3, 1], values } });
  });

  test('follow the checkpoint, not the graph and not the version number', async () => {
    const dir = copyOf(HALF_PLUS_THREE);
    write(dir, floats({ a: [10], b: [0.25], c: [-1] }));
    expect(predict(await loadServable(dir, ['serve']), { x: float([1, 2]) })).toEqual({ y: { shape: [2], values: [10.25, 20.25] } });
  });

  test('take tensor_content as well as typed fields, and repeat the last value given', async () => {
    const servable = await load(HALF_PLUS_TWO);
    const content = create(TensorProtoSchema, { dtype: DataType.DT_FLOAT, tensorShape: { dim: [{ size: 2n }] }, tensorContent: new Uint8Array(Float32Array.of(1, 2).buffer) });
    expect(predict(servable, { x: content })).toEqual({ y: { shape: [2], values: [2.5, 3] } });
    expect(predict(servable, { x: float([4], [3]) })).toEqual({ y: { shape: [3], values: [4, 4, 4] } });
    expect(predict(servable, { x: float([], [2]) })).toEqual({ y: { shape: [2], values: [2, 2] } });
    expect(predict(servable, { x: float([], [0]) })).toEqual({ y: { shape: [0], values: [] } });
  });

  test('answer by other signatures too, and parse the examples they are given', async () => {
    for (const sample of [HALF_PLUS_TWO, TF2]) {
      const servable = await load(sample);
      expect(predict(servable, { inputs: float([2, 4], [2, 1]) }, 'regress_x2_to_y3')).toEqual({ outputs: { shape: [2, 1], values: [4, 5] } });
      const asked = (...examples: Uint8Array[]) => predict(servable, { inputs: create(TensorProtoSchema, { dtype: DataType.DT_STRING, tensorShape: { dim: [{ size: BigInt(examples.length) }] }, stringVal: examples }) }, 'regress_x_to_y');
      expect(asked(example({ x: FLOATS(2) }), example({ x: FLOATS(10), x2: FLOATS(1) }))).toEqual({ outputs: { shape: [2, 1], values: [3, 7] } });
      expect(failureOf(() => asked(example({})))).toMatch(/^INVALID_ARGUMENT: Name: <unknown>, Feature: x \(data type: float\) is required but could not be found\.\n\t \[\[/);
      expect(failureOf(() => asked(example({ x: INT64S(2) })))).toMatch(/^INVALID_ARGUMENT: Name: <unknown>, Key: x, Index: 0\. {2}Data types don't match\. Data type: int64 but expected type: float\n/);
      expect(failureOf(() => asked(example({ x: FLOATS(1, 2) })))).toMatch(/^INVALID_ARGUMENT: .*Number of float values != expected\. {2}Values size: 2 but output shape: \[1\]\n/);
      expect(failureOf(() => asked(Buffer.from([0x0a, 0x09, 0x01])))).toMatch(/^INVALID_ARGUMENT: Could not parse example input, value: /);
    }
  });

  test('a stateful model keeps its state between predictions, and each loaded copy has its own', async () => {
    const [counter, other] = [await load(COUNTER), await load(COUNTER)];
    const value = (servable: LoadedServable, signature: string, inputs = {}) => predict(servable, inputs, signature)['output']?.values;
    expect(value(counter, 'incr_counter')).toEqual([1]);
    expect(value(counter, 'incr_counter_by', { delta: float([3], []) })).toEqual([4]);
    expect(value(counter, 'get_counter')).toEqual([4]);
    expect(value(other, 'get_counter')).toEqual([0]);
    expect(value(counter, 'reset_counter')).toEqual([0]);
  });

  test('an input left out takes its default where the signature has one', async () => {
    const servable = await load(TF2);
    const signature = servable.signatures['serving_default']!;
    signature.defaults['x'] = float([6], [1]);
    expect(predict(servable, {})).toEqual({ y: { shape: [1], values: [5] } });
  });

  test('signatures are those of the meta graph, the size is what was read', async () => {
    const servable = await load(TF2);
    expect(Object.keys(servable.signatures).sort()).toEqual(['__saved_model_init_op', 'classify_x2_to_y3', 'classify_x_to_y', 'regress_x2_to_y3', 'regress_x_to_y', 'regress_x_to_y2', 'serving_default']);
    expect(servable.bytes).toBe(37987 + 239 + 631);
  });
});

describe('a prediction that cannot be made', () => {
  const x = float([1]);
  const int = create(TensorProtoSchema, { dtype: DataType.DT_INT32, tensorShape: { dim: [{ size: 1n }] }, intVal: [1] });
  const huge = create(TensorProtoSchema, { dtype: DataType.DT_FLOAT, tensorShape: { dim: [{ size: 2n ** 50n }] }, floatVal: [1] });
  const short = create(TensorProtoSchema, { dtype: DataType.DT_FLOAT, tensorShape: { dim: [{ size: 3n }] }, tensorContent: new Uint8Array(8) });

  test.each<[string, Record<string, TensorProto>, string, string[], string]>([
    ['an unknown signature', { x }, 'nope', [], 'FAILED_PRECONDITION: Serving signature key "nope" not found.'],
    ['a signature every object has', { x }, 'constructor', [], 'FAILED_PRECONDITION: Serving signature key "constructor" not found.'],
    ['no input', {}, '', [], 'INVALID_ARGUMENT: input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.'],
    ['one input too many', { x, z: x, a: x }, '', [], 'INVALID_ARGUMENT: input size does not match signature: 3!=1 len({a,x,z}) != len({x}). Sent extra: {a,z}. Missing but required: {}.'],
    ['an input of another name', { z: x }, '', [], 'INVALID_ARGUMENT: Signature input alias: x(feed name: x:0) not found in request and no default value provided. Inputs expected to be in the request {z}, or default input alias set: '],
    ['an output of another name', { x }, '', ['z'], 'INVALID_ARGUMENT: output tensor alias not found in signature: z Outputs expected to be in the set {y}.'],
    ['an output twice', { x }, '', ['y', 'y'], 'INVALID_ARGUMENT: duplicate output tensor alias: y'],
    ['another dtype', { x: int }, '', [], 'INVALID_ARGUMENT: Expects arg[0] to be float but int32 is provided'],
    ['a tensor without dtype', { x: create(TensorProtoSchema, {}) }, '', [], 'INVALID_ARGUMENT: tensor parsing error: x'],
    ['content shorter than its shape', { x: short }, '', [], 'INVALID_ARGUMENT: tensor parsing error: x'],
    ['a shape of petabytes', { x: huge }, '', [], 'INVALID_ARGUMENT: tensor parsing error: x'],
  ])('%s', async (_, inputs, signature, filter, text) => {
    const servable = await load(HALF_PLUS_TWO);
    expect(failureOf(() => servable.predict(signature, inputs, filter))).toBe(text);
  });

  test('shapes that do not fit name the node', async () => {
    const vectors = copyOf(TF2);
    const numbers = Buffer.from(Float32Array.of(1, 2, 1, 1).buffer);
    const graph = strings(['']);
    const value = (key: string, from: number, to: number) => entry(`${key}/.ATTRIBUTES/VARIABLE_VALUE`, {
      dtype: DataType.DT_FLOAT, shape: { dim: to - from === 1 ? [] : [{ size: BigInt(to - from) }] }, offset: BigInt(from * 4), size: BigInt((to - from) * 4), crc32c: maskCrc(crc32c(numbers.subarray(from * 4, to * 4))),
    });
    const object = entry('_CHECKPOINTABLE_OBJECT_GRAPH', { dtype: DataType.DT_STRING, offset: 16n, size: BigInt(graph.bytes.length), crc32c: maskCrc(graph.crc) });
    write(vectors, { index: index([object, value('a', 0, 2), value('b', 2, 3), value('c', 3, 4)]), shard: Buffer.concat([numbers, graph.bytes]) });
    const wide = await loadServable(vectors, ['serve']);
    expect(failureOf(() => predict(wide, { x: float([1, 2, 3]) }))).toMatch(/^INVALID_ARGUMENT: Incompatible shapes: \[2\] vs\. \[3\]\n\t \[\[\{\{function_node __inference_predict_\d+\}\}\{\{node Mul\}\}\]\]$/);
    expect(predict(wide, { x: float([1, 2, 3], [3, 1]) })).toEqual({ y: { shape: [3, 2], values: [2, 3, 3, 5, 4, 7] } });
  });
});

describe('a load that fails', () => {
  test.each<[string, string, (dir: string) => void, string | RegExp]>([
    ['a legacy bundle', HALF_PLUS_TWO, (dir) => writeFileSync(join(dir, 'export.meta'), ''), 'UNIMPLEMENTED: Session Bundle is deprecated and removed.'],
    ['no graph', HALF_PLUS_TWO, (dir) => rmSync(join(dir, 'saved_model.pb')), /^NOT_FOUND: Specified file path does not appear to contain a SavedModel bundle \(should have a file called `saved_model\.pb`\)\nSpecified file path: \/\d+$/],
    ['no directory', HALF_PLUS_TWO, (dir) => rmSync(dir, { recursive: true }), /^NOT_FOUND: Specified file path/],
    ['a graph cut off', HALF_PLUS_TWO, (dir) => truncateSync(join(dir, 'saved_model.pb'), 5000), /^DATA_LOSS: Can't parse \/\d+\/saved_model\.pb as binary proto$/],
    ['an index cut off', HALF_PLUS_TWO, (dir) => truncateSync(join(dir, INDEX), 100), /^DATA_LOSS: Unable to read file \(\/\d+\/variables\/variables\.index\)\. Perhaps the file is corrupt/],
    ['no shard', HALF_PLUS_TWO, (dir) => rmSync(join(dir, SHARD)), /^NOT_FOUND: \/\d+\/variables\/variables\.data-00000-of-00001; No such file or directory\n\t \[\[\{\{node save\/RestoreV2\}\}\]\]$/],
    ['a shard cut off', HALF_PLUS_TWO, (dir) => truncateSync(join(dir, SHARD), 19), 'OUT_OF_RANGE: Read less bytes than requested\n\t [[{{node save/RestoreV2}}]]'],
    ['a shard with a wrong byte', HALF_PLUS_TWO, (dir) => flip(join(dir, SHARD), 3), /^DATA_LOSS: TensorBundle at \/\d+\/variables\/variables shard 0 \(4 bytes\): Checksum does not match: stored \d{8,10} vs\. calculated on the restored bytes \d+\n\t \[\[\{\{node save\/RestoreV2\}\}\]\]$/],
    ['a shard with a wrong byte, restored by a function', TF2, (dir) => flip(join(dir, SHARD), 3), /^DATA_LOSS: TensorBundle .*\n\t \[\[\{\{function_node __inference__traced_restore_\d+\}\}\{\{node RestoreV2\}\}\]\]$/],
    ['a string tensor with a wrong length', TF2, (dir) => flip(join(dir, SHARD), 12), /^DATA_LOSS: /],
    ['a name that the checkpoint has not', COUNTER, (dir) => write(dir, floats({ other: [1] })), 'NOT_FOUND: Key counter not found in checkpoint\n\t [[{{node save/RestoreV2}}]]'],
    ['a tensor of another shape', COUNTER, (dir) => write(dir, floats({ counter: [1, 2] })), 'INVALID_ARGUMENT: Assign requires shapes of both tensors to match. lhs shape= [] rhs shape= [2]\n\t [[{{node save/Assign}}]]'],
    ['a tensor of another type', COUNTER, (dir) => write(dir, { index: index([entry('counter', { dtype: DataType.DT_INT32, size: 4n, crc32c: maskCrc(crc32c(Buffer.alloc(4))) })]), shard: Buffer.alloc(4) }), 'INVALID_ARGUMENT: tensor_name = counter; expected dtype float does not equal original dtype int32\n\t [[{{node save/RestoreV2}}]]'],
    ['a warm-up file that is none', HALF_PLUS_TWO, (dir) => warmup(dir, Buffer.from('{"instances": [1.0, 2.0, 5.0]}')), 'DATA_LOSS: corrupted record at 0. Please verify your warmup data is in TFRecord format.'],
    ['a warm-up file cut off', HALF_PLUS_TWO, (dir) => warmup(dir, warm({ x: float([1]) }).subarray(0, 30)), "DATA_LOSS: truncated record at 12' failed with Read less bytes than requested. Please verify your warmup data is in TFRecord format."],
    ['a warm-up record that is no message', HALF_PLUS_TWO, (dir) => warmup(dir, frame(Buffer.from([0x32, 50]))), /^INVALID_ARGUMENT: Failed to parse warmup record: 2+2? from \/\d+\/assets\.extra\/tf_serving_warmup_requests$/],
    ['a warm-up request that fails', HALF_PLUS_TWO, (dir) => warmup(dir, warm({})), /^INVALID_ARGUMENT: input size does not match signature/],
    ['too many warm-up requests', HALF_PLUS_TWO, (dir) => warmup(dir, Buffer.concat(Array.from({ length: 1001 }, () => warm({ x: float([1]) })))), /^INVALID_ARGUMENT: Number of warmup records exceeds the maximum \(1000\) at \/\d+\/assets/],
  ])('%s', async (_, sample, damage, text) => {
    const dir = copyOf(sample);
    expect(await loadFailure(dir)).toBe('loaded');
    damage(dir);
    const found = await loadFailure(dir);
    if (typeof text === 'string') expect(found).toBe(text);
    else expect(found).toMatch(text);
  });

  test('a tag set no meta graph has', async () => {
    await expect(loadServable(join(SAMPLES, HALF_PLUS_TWO), ['gpu']).then(() => 'loaded', failure)).resolves
      .toBe('NOT_FOUND: Could not find meta graph def matching supplied tags: { gpu }. To inspect available tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`');
  });

  test('an op that is not simulated is named, never guessed', async () => {
    expect(await loadFailure(join(SAMPLES, 'saved_model_half_plus_two_mkl/00000123'))).toMatch(/^UNIMPLEMENTED: Op type \w+ is not simulated\n\t \[\[\{\{node /);
  });
});

describe('no variables index: TensorFlow loads it all the same, and only predictions fail', () => {
  test.each([
    [HALF_PLUS_TWO, 'FAILED_PRECONDITION: Attempting to use uninitialized value a\n\t [[{{node a/read}}]]'],
    [TF2, /^FAILED_PRECONDITION: Could not find variable a\. This could mean that the variable has been deleted\. In TF1, it can also mean the variable is uninitialized\. Debug info: container=localhost, status error message=Resource localhost\/a\/N10tensorflow3VarE does not exist\.\n\t \[\[\{\{function_node __inference_predict_\d+\}\}\{\{node Mul\/ReadVariableOp\}\}\]\]$/],
  ])('%s', async (sample, text) => {
    const dir = copyOf(sample);
    rmSync(join(dir, INDEX));
    const servable = await loadServable(dir, ['serve']);
    const found = failureOf(() => servable.predict('', { x: float([1]) }, []));
    if (typeof text === 'string') expect(found).toBe(text);
    else expect(found).toMatch(text);
  });
});

test('warm-up requests run within the load, on the model itself', async () => {
  const dir = copyOf(COUNTER);
  warmup(dir, Buffer.concat([warm({}, 'incr_counter'), warm({ delta: float([5], []) }, 'incr_counter_by')]));
  expect(predict(await loadServable(dir, ['serve']), {}, 'get_counter')['output']?.values).toEqual([6]);
});

function write(dir: string, files: { readonly index: Uint8Array; readonly shard: Uint8Array }): void {
  writeFileSync(join(dir, INDEX), files.index);
  writeFileSync(join(dir, SHARD), files.shard);
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

function warmup(dir: string, bytes: Uint8Array): void {
  mkdirSync(join(dir, 'assets.extra'), { recursive: true });
  writeFileSync(join(dir, WARMUP), bytes);
}

/** A PredictionLog {predict_log 6 {request 1}} in its frame. */
function warm(inputs: Record<string, TensorProto>, signatureName = ''): Buffer {
  const request = toBinary(PredictRequestSchema, create(PredictRequestSchema, { modelSpec: { name: 'm', signatureName }, inputs }));
  const log = Buffer.concat([Buffer.from([0x0a, request.length]), request]);
  return frame(Buffer.concat([Buffer.from([0x32, log.length]), log]));
}

function frame(data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, u32(maskCrc(crc32c(length))), data, u32(maskCrc(crc32c(data)))]);
}
