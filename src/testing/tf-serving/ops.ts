// The ops that the sample models are made of. Any other is UNIMPLEMENTED by name: a simulator must not guess.

import type { AttrValue } from '../../proto/gen/tensorflow/core/framework/attr_value_pb';
import { DataType } from '../../proto/gen/tensorflow/core/framework/types_pb';
import { elementwise, matMul } from './arithmetic';
import type { Kernel, Value, VariableRef } from './evaluate';
import type { GraphNode } from './graph';
import { parseExample, parseExampleV2 } from './parse-example';
import { ServingError } from './status';
import { baseType, elementsOf, shapeText, tensorFromProto, typeName } from './tensor';
import type { Tensor } from './tensor';

export function runOp(kernel: Kernel): readonly Value[] {
  const op = Object.hasOwn(OPS, kernel.node.op) ? OPS[kernel.node.op] : undefined;
  if (op === undefined) throw new ServingError('UNIMPLEMENTED', `Op type ${kernel.node.op} is not simulated`);
  return op(kernel);
}

const OPS: Readonly<Record<string, (kernel: Kernel) => readonly Value[]>> = {
  Const: ({ node }) => [constant(node)],
  NoOp: () => [],
  Placeholder: ({ node }) => {
    throw new ServingError('INVALID_ARGUMENT', `You must feed a value for placeholder tensor '${node.name}' with dtype ${typeName(typeAttr(node.attr['dtype']))}${placeholderShape(node)}`);
  },
  PlaceholderWithDefault: (kernel) => [kernel.tensor(0)],
  Identity: (kernel) => [kernel.tensor(0)],
  IdentityN: (kernel) => kernel.inputs.map((_, index) => kernel.tensor(index)),
  Mul: (kernel) => [elementwise('Mul', kernel.tensor(0), kernel.tensor(1))],
  Add: (kernel) => [elementwise('Add', kernel.tensor(0), kernel.tensor(1))],
  AddV2: (kernel) => [elementwise('Add', kernel.tensor(0), kernel.tensor(1))],
  Sub: (kernel) => [elementwise('Sub', kernel.tensor(0), kernel.tensor(1))],
  MatMul: (kernel) => [matMul(kernel.tensor(0), kernel.tensor(1), boolAttr(kernel.node.attr['transpose_a']), boolAttr(kernel.node.attr['transpose_b']))],
  Reshape: (kernel) => [reshape(kernel.tensor(0), kernel.tensor(1))],
  StatefulPartitionedCall: (kernel) => kernel.call(calledFunction(kernel.node)),
  PartitionedCall: (kernel) => kernel.call(calledFunction(kernel.node)),
  RestoreV2: (kernel) => restore(kernel),
  ParseExample: parseExample,
  ParseExampleV2: parseExampleV2,

  // Variables of TensorFlow 1: the output is the variable itself.
  VariableV2: ({ node }) => [{ variable: variableName(node), shape: declaredShape(node) }],
  Variable: ({ node }) => [{ variable: variableName(node), shape: declaredShape(node) }],
  IsVariableInitialized: (kernel) => [bool(kernel.variables.has(refOf(kernel, 0).variable))],
  Assign: (kernel) => assign(kernel, kernel.tensor(1)),
  AssignAdd: (kernel) => assign(kernel, elementwise('Add', kernel.tensor(0), kernel.tensor(1))),
  AssignSub: (kernel) => assign(kernel, elementwise('Sub', kernel.tensor(0), kernel.tensor(1))),

  // Variables of TensorFlow 2: the output is a handle that names it.
  VarHandleOp: ({ node }) => [{ dtype: DataType.DT_RESOURCE, shape: [], values: [Buffer.from(variableName(node))] }],
  VarIsInitializedOp: (kernel) => [bool(kernel.variables.has(handleOf(kernel, 0)))],
  ReadVariableOp: (kernel) => [readVariable(kernel)],
  DisableCopyOnRead: () => [],
  AssignVariableOp: (kernel) => assignHandle(kernel, kernel.tensor(1)),
  AssignAddVariableOp: (kernel) => assignHandle(kernel, elementwise('Add', readVariable(kernel), kernel.tensor(1))),
  AssignSubVariableOp: (kernel) => assignHandle(kernel, elementwise('Sub', readVariable(kernel), kernel.tensor(1))),
};

function constant(node: GraphNode): Tensor {
  const known = constants.get(node);
  if (known !== undefined) return known;
  const value = node.attr['value']?.value;
  const tensor = value?.case === 'tensor' ? tensorFromProto(value.value) : undefined;
  if (tensor === undefined) throw new ServingError('UNIMPLEMENTED', `Const ${node.name} has a value of a dtype or size that is not simulated`);
  constants.set(node, tensor);
  return tensor;
}

/** Decoded once: predictions use them each time. Nothing writes into a tensor after it was made. */
const constants = new WeakMap<GraphNode, Tensor>();

function restore(kernel: Kernel): readonly Value[] {
  const [prefix, names, slices] = [kernel.tensor(0), kernel.tensor(1), kernel.tensor(2)].map(({ values }) => values as readonly Uint8Array[]);
  const dtypes = kernel.node.attr['dtypes']?.value;
  return names!.map((name, index) => {
    if (slices![index]!.length > 0) throw new ServingError('UNIMPLEMENTED', `RestoreV2 of a slice of ${Buffer.from(name).toString()} is not simulated`);
    if (kernel.restore === undefined) throw new ServingError('UNIMPLEMENTED', 'RestoreV2 is simulated only while a model is loaded');
    const tensor = kernel.restore(Buffer.from(prefix![0]!).toString(), name);
    const want = dtypes?.case === 'list' ? dtypes.value.type[index] : undefined;
    if (want !== undefined && want !== tensor.dtype) {
      throw new ServingError('INVALID_ARGUMENT', `tensor_name = ${Buffer.from(name).toString()}; expected dtype ${typeName(want)} does not equal original dtype ${typeName(tensor.dtype)}`);
    }
    return tensor;
  });
}

function assign(kernel: Kernel, value: Tensor): readonly Value[] {
  const ref = refOf(kernel, 0);
  if (ref.shape !== undefined && boolAttr(kernel.node.attr['validate_shape'], true) && shapeText(ref.shape) !== shapeText(value.shape)) {
    throw new ServingError('INVALID_ARGUMENT', `Assign requires shapes of both tensors to match. lhs shape= ${shapeText(ref.shape)} rhs shape= ${shapeText(value.shape)}`);
  }
  kernel.variables.set(ref.variable, value);
  return [ref];
}

function assignHandle(kernel: Kernel, value: Tensor): readonly Value[] {
  kernel.variables.set(handleOf(kernel, 0), value);
  return [];
}

function readVariable(kernel: Kernel): Tensor {
  const name = handleOf(kernel, 0);
  const value = kernel.variables.get(name);
  if (value === undefined) {
    throw new ServingError('FAILED_PRECONDITION', `Could not find variable ${name}. This could mean that the variable has been deleted. In TF1, it can also mean the variable is uninitialized. `
      + `Debug info: container=localhost, status error message=Resource localhost/${name}/N10tensorflow3VarE does not exist.`);
  }
  return value;
}

function reshape(tensor: Tensor, to: Tensor): Tensor {
  const wanted = Array.from(to.values as Int32Array | BigInt64Array, Number);
  const known = wanted.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const elements = elementsOf(tensor.shape);
  const shape = wanted.map((size) => (size === -1 ? elements / known : size));
  if (elementsOf(shape) !== elements || !shape.every(Number.isInteger)) {
    throw new ServingError('INVALID_ARGUMENT', `Input to reshape is a tensor with ${elements} values, but the requested shape has ${known}`);
  }
  return { ...tensor, shape };
}

function refOf(kernel: Kernel, index: number): VariableRef {
  const input = kernel.inputs[index];
  if (input === undefined || !('variable' in input)) throw new ServingError('INVALID_ARGUMENT', `Input ${index} of node ${kernel.node.name} is not a variable`);
  return input;
}

function handleOf(kernel: Kernel, index: number): string {
  const { dtype, values } = kernel.tensor(index);
  if (dtype !== DataType.DT_RESOURCE) throw new ServingError('INVALID_ARGUMENT', `Input ${index} of node ${kernel.node.name} was passed ${typeName(dtype)} incompatible with expected resource.`);
  return Buffer.from((values as readonly Uint8Array[])[0]!).toString();
}

function variableName(node: GraphNode): string {
  const shared = node.attr['shared_name']?.value;
  return shared?.case === 's' && shared.value.length > 0 ? Buffer.from(shared.value).toString() : node.name;
}

function declaredShape(node: GraphNode): readonly number[] | undefined {
  const shape = node.attr['shape']?.value;
  if (shape?.case !== 'shape' || shape.value.unknownRank || shape.value.dim.some(({ size }) => size < 0n)) return undefined;
  return shape.value.dim.map(({ size }) => Number(size));
}

function calledFunction(node: GraphNode): string {
  const fn = node.attr['f']?.value;
  return fn?.case === 'func' ? fn.value.name : '';
}

function placeholderShape(node: GraphNode): string {
  const shape = node.attr['shape']?.value;
  if (shape?.case !== 'shape' || shape.value.unknownRank) return '';
  return ` and shape [${shape.value.dim.map(({ size }) => (size < 0n ? '?' : size)).join(',')}]`;
}

function typeAttr(attr: AttrValue | undefined): DataType {
  return attr?.value.case === 'type' ? baseType(attr.value.value) : DataType.DT_INVALID;
}

function boolAttr(attr: AttrValue | undefined, otherwise = false): boolean {
  return attr?.value.case === 'b' ? attr.value.value : otherwise;
}

function bool(value: boolean): Tensor {
  return { dtype: DataType.DT_BOOL, shape: [], values: Uint8Array.of(Number(value)) };
}
