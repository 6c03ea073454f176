// The graph evaluator on graphs written by hand: what no sample model has.

import { create, toBinary } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { FunctionDefSchema } from '../../src/proto/gen/tensorflow/core/framework/function_pb';
import { GraphDefSchema } from '../../src/proto/gen/tensorflow/core/framework/graph_pb';
import type { NodeDefSchema } from '../../src/proto/gen/tensorflow/core/framework/node_def_pb';
import { TensorProtoSchema } from '../../src/proto/gen/tensorflow/core/framework/tensor_pb';
import { DataType } from '../../src/proto/gen/tensorflow/core/framework/types_pb';
import { Session } from '../../src/testing/tf-serving/evaluate';
import { readGraph } from '../../src/testing/tf-serving/graph';
import { CODE_NAMES, ServingError } from '../../src/testing/tf-serving/status';
import { tensorFromProto, tensorToProto } from '../../src/testing/tf-serving/tensor';
import type { Tensor } from '../../src/testing/tf-serving/tensor';

type Node = MessageInitShape<typeof NodeDefSchema>;
type Attr = NonNullable<Node['attr']>;

const node = (name: string, op: string, input: string[] = [], attr: Attr = {}): Node => ({ name, op, input, attr });
const session = (nodes: Node[], functions: Uint8Array[] = []) => {
  const graph = toBinary(GraphDefSchema, create(GraphDefSchema, { node: nodes }));
  const library = Buffer.concat(functions.map((fn) => Buffer.concat([Buffer.from([0x0a, ...length(fn)]), fn])));
  return new Session(readGraph(Buffer.concat([graph, Buffer.from([0x12, ...length(library)]), library])));
};
const length = ({ length: bytes }: Uint8Array) => (bytes < 128 ? [bytes] : [(bytes & 127) + 128, bytes >> 7]);

const floats = (values: number[], shape = [values.length]): Tensor => ({ dtype: DataType.DT_FLOAT, shape, values: Float32Array.from(values) });
const doubles = (values: number[], shape = [values.length]): Tensor => ({ dtype: DataType.DT_DOUBLE, shape, values: Float64Array.from(values) });
const ints = (values: number[], shape = [values.length]): Tensor => ({ dtype: DataType.DT_INT32, shape, values: Int32Array.from(values) });
const longs = (values: bigint[], shape = [values.length]): Tensor => ({ dtype: DataType.DT_INT64, shape, values: BigInt64Array.from(values) });

function failureOf(work: () => unknown): string {
  try {
    return JSON.stringify(work());
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
    return `${CODE_NAMES[error.code]}: ${error.message}`;
  }
}

const AB = [node('a', 'Placeholder'), node('b', 'Placeholder')];
const compute = (op: string, a: Tensor, b: Tensor, attr: Attr = {}) => session([...AB, node('y', op, ['a', 'b:0'], attr)]).run(new Map([['a:0', a], ['b:0', b]]), ['y:0'])[0]!;

describe('arithmetic', () => {
  test.each<[string, string, Tensor, Tensor, Tensor]>([
    ['floats round to their own width', 'Add', floats([0.1]), floats([0.2]), floats([Math.fround(Math.fround(0.1) + Math.fround(0.2))])],
    ['doubles keep theirs', 'AddV2', doubles([0.1]), doubles([0.2]), doubles([0.1 + 0.2])],
    ['int32 wraps', 'Mul', ints([2 ** 30, 65537]), ints([4, 65537]), ints([0, 131073])],
    ['int64 wraps, and is exact before', 'Mul', longs([2n ** 62n, 3037000500n]), longs([2n, 3n]), longs([-(2n ** 63n), 9111001500n])],
    ['a scalar goes with anything', 'Sub', floats([10], []), floats([1, 2, 3, 4], [2, 2]), floats([9, 8, 7, 6], [2, 2])],
    ['a column and a row make a matrix', 'Mul', floats([1, 2, 3], [3, 1]), floats([10, 100], [1, 2]), floats([10, 100, 20, 200, 30, 300], [3, 2])],
    ['a vector goes along the last axis', 'Add', floats([1, 2, 3, 4, 5, 6], [2, 3]), floats([10, 20, 30]), floats([11, 22, 33, 14, 25, 36], [2, 3])],
    ['a middle axis is repeated', 'Add', floats([1, 2, 3, 4], [2, 1, 2]), floats([10, 20], [2, 1]), floats([11, 12, 21, 22, 13, 14, 23, 24], [2, 2, 2])],
    ['nothing and nothing is nothing', 'Add', floats([], [0, 2]), floats([1, 2]), floats([], [0, 2])],
  ])('%s', (_, op, a, b, y) => {
    expect(compute(op, a, b)).toEqual(y);
  });

  test('matrices, plain and transposed', () => {
    const [a, b] = [floats([1, 2, 3, 4, 5, 6], [2, 3]), floats([1, 0, 0, 1, 1, 1], [3, 2])];
    const product = floats([4, 5, 10, 11], [2, 2]);
    const transpose = (name: string): Attr => ({ [name]: { value: { case: 'b', value: true } } });
    expect(compute('MatMul', a, b)).toEqual(product);
    expect(compute('MatMul', floats([1, 4, 2, 5, 3, 6], [3, 2]), b, transpose('transpose_a'))).toEqual(product);
    expect(compute('MatMul', a, floats([1, 0, 1, 0, 1, 1], [2, 3]), transpose('transpose_b'))).toEqual(product);
  });

  test.each<[string, string, Tensor, Tensor, string]>([
    ['shapes that do not broadcast', 'Add', floats([1, 2]), floats([1, 2, 3]), 'INVALID_ARGUMENT: Incompatible shapes: [2] vs. [3]'],
    ['shapes too large when broadcast', 'Add', floats(Array.from({ length: 20_000 }, () => 0), [20_000, 1]), floats(Array.from({ length: 20_000 }, () => 0)), 'RESOURCE_EXHAUSTED: OOM when allocating tensor with shape[20000,20000]'],
    ['types that differ', 'Mul', floats([1]), ints([1]), 'INVALID_ARGUMENT: Mul of float and int32: types do not match'],
    ['a vector as a matrix', 'MatMul', floats([1]), floats([1], [1, 1]), 'INVALID_ARGUMENT: In[0] is not a matrix. Instead it has shape [1]'],
    ['matrices that do not fit', 'MatMul', floats([1, 2], [1, 2]), floats([1, 2, 3], [3, 1]), 'INVALID_ARGUMENT: Matrix size-incompatible: In[0]: [1,2], In[1]: [3,1]'],
  ])('%s', (_, op, a, b, text) => {
    expect(failureOf(() => compute(op, a, b))).toBe(`${text}\n\t [[{{node y}}]]`);
  });
});

describe('running a graph', () => {
  test('a chain deeper than any call stack', () => {
    const chain = Array.from({ length: 30_000 }, (_, at) => node(`n${at + 1}`, 'Identity', [`n${at}`]));
    expect(session([node('n0', 'Placeholder'), ...chain]).run(new Map([['n0:0', floats([7])]]), ['n30000'])).toEqual([floats([7])]);
  });

  test('a fed tensor hides whatever would compute it', () => {
    expect(session([node('never', 'NotSimulated'), node('y', 'Identity', ['never'])]).run(new Map([['never:0', floats([1])]]), ['y:0'])).toEqual([floats([1])]);
  });

  test('a control input is done before, and gives nothing', () => {
    const variable = node('v', 'VarHandleOp');
    const nodes = [node('one', 'Placeholder'), variable, node('set', 'AssignVariableOp', ['v', 'one']), node('get', 'ReadVariableOp', ['v', '^set'])];
    expect(session(nodes).run(new Map([['one:0', floats([1], [])]]), ['get:0'])).toEqual([floats([1], [])]);
  });

  test.each<[string, () => unknown, string]>([
    ['a cycle', () => session([node('a', 'Identity', ['b']), node('b', 'Identity', ['a'])]).run(new Map(), ['a']), 'INVALID_ARGUMENT: Graph is invalid, contains a cycle through node a'],
    ['a name used twice', () => session([node('a', 'NoOp'), node('a', 'NoOp')]), "INVALID_ARGUMENT: Node 'a' is not unique"],
    ['an input from nowhere', () => session([node('y', 'Identity', ['gone:1'])]), "INVALID_ARGUMENT: Node 'y': Unknown input node 'gone'"],
    ['a constant without value', () => session([node('c', 'Const')]), 'FAILED_PRECONDITION: Saved model contains node "c" which is a constant tensor but no value has been provided'],
    ['an op nobody knows', () => session([node('y', 'constructor')]).run(new Map(), ['y']), 'UNIMPLEMENTED: Op type constructor is not simulated\n\t [[{{node y}}]]'],
    ['a placeholder nobody fed', () => session([node('x', 'Placeholder', [], { dtype: { value: { case: 'type', value: DataType.DT_FLOAT } }, shape: { value: { case: 'shape', value: { dim: [{ size: -1n }, { size: 3n }] } } } })]).run(new Map(), ['x:0']), "INVALID_ARGUMENT: You must feed a value for placeholder tensor 'x' with dtype float and shape [?,3]\n\t [[{{node x}}]]"],
    ['an output that the node has not', () => session([node('n', 'NoOp')]).run(new Map(), ['n:0']), 'INVALID_ARGUMENT: Tensor n:0 was not found: n has 0 outputs'],
    ['a fetch from nowhere', () => session([]).run(new Map(), ['gone:0']), 'INVALID_ARGUMENT: Tensor gone:0, specified in either feed_devices or fetch_devices was not found in the Graph'],
    ['a target from nowhere', () => session([]).run(new Map(), [], ['init']), 'NOT_FOUND: PruneForTargets: Some target nodes not found: init'],
    ['a function from nowhere', () => session([node('y', 'PartitionedCall', [], { f: { value: { case: 'func', value: { name: 'gone' } } } })]).run(new Map(), ['y']), 'NOT_FOUND: Function gone is not defined.\n\t [[{{node y}}]]'],
    ['too few inputs', () => session([node('x', 'Placeholder'), node('y', 'Add', ['x'])]).run(new Map([['x:0', floats([1])]]), ['y']), "INVALID_ARGUMENT: Node 'y' has 1 inputs, Add wants more\n\t [[{{node y}}]]"],
  ])('%s is refused by name', (_, work, text) => {
    expect(failureOf(work)).toBe(text);
  });
});

describe('functions', () => {
  const call = (fn: string): Attr => ({ f: { value: { case: 'func', value: { name: fn } } } });
  const arg = (no: number, name: string) => Buffer.from([no * 8 + 2, name.length + 2, 0x0a, name.length, ...Buffer.from(name)]);
  /** With the argument lists that OpDef has and our subset of it leaves out. */
  const fn = (name: string, args: string[], ret: Record<string, string>, nodeDef: Node[]) => {
    const signature = Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name), ...args.map((each) => arg(2, each)), ...Object.keys(ret).map((each) => arg(3, each))]);
    return Buffer.concat([Buffer.from([0x0a, ...length(signature)]), signature, toBinary(FunctionDefSchema, create(FunctionDefSchema, { nodeDef, ret }))]);
  };

  test('arguments by name, results by node, output and index, in the order of the signature', () => {
    const swap = fn('swap', ['p', 'q'], { first: 'q', second: 'sum:z:0' }, [node('sum', 'Add', ['p', 'q'])]);
    const run = session([...AB, node('f', 'StatefulPartitionedCall', ['a', 'b'], call('swap')), node('y', 'Sub', ['f:1', 'f'])], [swap]);
    expect(run.run(new Map([['a:0', floats([1])], ['b:0', floats([10])]]), ['f:0', 'f:1', 'y:0'])).toEqual([floats([10]), floats([11]), floats([1])]);
  });

  test('a function within a function, and the error within names the inner one', () => {
    const inner = fn('inner', ['p', 'q'], { r: 'mul:z:0' }, [node('mul', 'Mul', ['p', 'q'])]);
    const outer = fn('outer', ['s', 't'], { r: 'go:output:0' }, [node('go', 'PartitionedCall', ['s', 't'], call('inner'))]);
    const run = session([...AB, node('f', 'PartitionedCall', ['a', 'b'], call('outer'))], [inner, outer]);
    expect(run.run(new Map([['a:0', floats([3])], ['b:0', floats([4])]]), ['f:0'])).toEqual([floats([12])]);
    expect(failureOf(() => run.run(new Map([['a:0', floats([1, 2])], ['b:0', floats([1, 2, 3])]]), ['f:0']))).toBe('INVALID_ARGUMENT: Incompatible shapes: [2] vs. [3]\n\t [[{{function_node inner}}{{node mul}}]]');
  });

  test('a function that calls itself ends as an error', () => {
    const loop = fn('loop', [], { r: 'again:output:0' }, [node('again', 'PartitionedCall', [], call('loop'))]);
    expect(failureOf(() => session([node('f', 'PartitionedCall', [], call('loop'))], [loop]).run(new Map(), ['f:0']))).toMatch(/^INTERNAL: functions call each other deeper than 100 times, at loop/);
  });
});

describe('tensors as clients send them', () => {
  test.each<[string, Tensor]>([
    ['float', floats([1.5, -2], [2, 1])],
    ['double', doubles([0.1], [])],
    ['int32', ints([-1, 2 ** 31 - 1])],
    ['int64', longs([-(2n ** 63n), 2n ** 63n - 1n])],
    ['bool', { dtype: DataType.DT_BOOL, shape: [2], values: Uint8Array.of(1, 0) }],
    ['string', { dtype: DataType.DT_STRING, shape: [2], values: [Buffer.from('a'), Buffer.from('')] }],
  ])('%s survives both ways', (_, tensor) => {
    expect(tensorFromProto(tensorToProto(tensor))).toEqual(tensor);
  });

  test.each<[string, MessageInitShape<typeof TensorProtoSchema>, unknown]>([
    ['int64 as bytes', { dtype: DataType.DT_INT64, tensorContent: new Uint8Array(BigInt64Array.of(-5n).buffer) }, [-5n]],
    ['strings as bytes', { dtype: DataType.DT_STRING, tensorShape: { dim: [{ size: 2n }] }, tensorContent: Buffer.from([1, 2, 97, 98, 99]) }, [Buffer.from('a'), Buffer.from('bc')]],
    ['strings as bytes, cut off', { dtype: DataType.DT_STRING, tensorShape: { dim: [{ size: 2n }] }, tensorContent: Buffer.from([1, 2, 97, 98]) }, undefined],
    ['one string for all', { dtype: DataType.DT_STRING, tensorShape: { dim: [{ size: 2n }] }, stringVal: [Buffer.from('x')] }, [Buffer.from('x'), Buffer.from('x')]],
    ['more values than elements', { dtype: DataType.DT_INT32, tensorShape: { dim: [{ size: 1n }] }, intVal: [1, 2] }, [1]],
    ['a dimension below zero', { dtype: DataType.DT_INT32, tensorShape: { dim: [{ size: -1n }] }, intVal: [1, 2] }, undefined],
    ['an unknown rank', { dtype: DataType.DT_INT32, tensorShape: { unknownRank: true }, intVal: [1] }, undefined],
    ['a dtype not simulated', { dtype: DataType.DT_HALF, halfVal: [1] }, undefined],
  ])('%s', (_, init, values) => {
    const tensor = tensorFromProto(create(TensorProtoSchema, init));
    expect(tensor === undefined ? undefined : Array.from(tensor.values as ArrayLike<unknown>)).toEqual(values);
  });
});
