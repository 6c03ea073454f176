// Elementwise arithmetic with broadcasting, and matrices: what the sample models compute.

import type { DataType } from '../../proto/gen/tensorflow/core/framework/types_pb';
import { ServingError } from './status';
import { MAX_ELEMENTS, elementsOf, shapeText, typeName } from './tensor';
import type { Tensor } from './tensor';

export type Binary = 'Mul' | 'Add' | 'Sub';

const NUMBERS: Readonly<Record<Binary, (a: number, b: number) => number>> = { Mul: (a, b) => a * b, Add: (a, b) => a + b, Sub: (a, b) => a - b };
const INT32S: Readonly<Record<Binary, (a: number, b: number) => number>> = { ...NUMBERS, Mul: Math.imul };
const BIGINTS: Readonly<Record<Binary, (a: bigint, b: bigint) => bigint>> = { Mul: (a, b) => a * b, Add: (a, b) => a + b, Sub: (a, b) => a - b };

/** NumPy's broadcasting. Throws INVALID_ARGUMENT "Incompatible shapes: [2] vs. [3]". Integers wrap, floats round to their own width. */
export function elementwise(op: Binary, a: Tensor, b: Tensor): Tensor {
  const shape = broadcast(a.shape, b.shape);
  if (shape === undefined) throw new ServingError('INVALID_ARGUMENT', `Incompatible shapes: ${shapeText(a.shape)} vs. ${shapeText(b.shape)}`);
  const elements = elementsOf(shape);
  if (elements > MAX_ELEMENTS) throw tooLarge(shape);
  const of = (tensor: Tensor) => offsets(tensor.shape, shape);
  const [left, right] = [a.values, b.values];
  if (left instanceof BigInt64Array && right instanceof BigInt64Array) return { dtype: a.dtype, shape, values: combine(new BigInt64Array(elements), left, right, of(a), of(b), BIGINTS[op]) };
  if (left instanceof Int32Array && right instanceof Int32Array) return { dtype: a.dtype, shape, values: combine(new Int32Array(elements), left, right, of(a), of(b), INT32S[op]) };
  if (left instanceof Float32Array && right instanceof Float32Array) return { dtype: a.dtype, shape, values: combine(new Float32Array(elements), left, right, of(a), of(b), NUMBERS[op]) };
  if (left instanceof Float64Array && right instanceof Float64Array) return { dtype: a.dtype, shape, values: combine(new Float64Array(elements), left, right, of(a), of(b), NUMBERS[op]) };
  throw unsupported(op, a.dtype, b.dtype);
}

/** Two matrices of float or double. Throws INVALID_ARGUMENT as TensorFlow does where they do not fit. */
export function matMul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor {
  for (const [index, { shape }] of [a, b].entries()) {
    if (shape.length !== 2) throw new ServingError('INVALID_ARGUMENT', `In[${index}] is not a matrix. Instead it has shape ${shapeText(shape)}`);
  }
  const [left, right] = [a.values, b.values];
  const values = left instanceof Float32Array && right instanceof Float32Array ? Float32Array : left instanceof Float64Array && right instanceof Float64Array ? Float64Array : undefined;
  if (values === undefined) throw unsupported('MatMul', a.dtype, b.dtype);
  const [rows, inner] = transposeA ? [a.shape[1]!, a.shape[0]!] : [a.shape[0]!, a.shape[1]!];
  const [innerB, columns] = transposeB ? [b.shape[1]!, b.shape[0]!] : [b.shape[0]!, b.shape[1]!];
  if (inner !== innerB) throw new ServingError('INVALID_ARGUMENT', `Matrix size-incompatible: In[0]: ${shapeText(a.shape)}, In[1]: ${shapeText(b.shape)}`);
  if (rows * columns > MAX_ELEMENTS) throw tooLarge([rows, columns]);
  const product = new values(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) {
        sum += Number(left[transposeA ? k * rows + row : row * inner + k]) * Number(right[transposeB ? column * inner + k : k * columns + column]);
      }
      product[row * columns + column] = sum;
    }
  }
  return { dtype: a.dtype, shape: [rows, columns], values: product };
}

function broadcast(a: readonly number[], b: readonly number[]): readonly number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape = Array.from({ length: rank }, (_, axis) => {
    const left = a[a.length - rank + axis] ?? 1;
    const right = b[b.length - rank + axis] ?? 1;
    return left === right || right === 1 ? left : left === 1 ? right : -1;
  });
  return shape.includes(-1) ? undefined : shape;
}

/** For each element of the result, where its operand lies. */
function offsets(from: readonly number[], to: readonly number[]): (at: number) => number {
  if (elementsOf(from) === 1) return () => 0;
  if (elementsOf(from) === elementsOf(to)) return (at) => at;
  const strides: number[] = [];
  for (let axis = from.length - 1, stride = 1; axis >= 0; axis--) {
    strides[axis + to.length - from.length] = from[axis] === 1 ? 0 : stride;
    stride *= from[axis]!;
  }
  return (at) => {
    let offset = 0;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      offset += (at % to[axis]!) * (strides[axis] ?? 0);
      at = Math.floor(at / to[axis]!);
    }
    return offset;
  };
}

interface Writable<T> {
  [at: number]: T;
  readonly length: number;
}

function combine<T, A extends Writable<T>>(into: A, left: Writable<T>, right: Writable<T>, atLeft: (at: number) => number, atRight: (at: number) => number, op: (a: T, b: T) => T): A {
  const target: Writable<T> = into;
  for (let at = 0; at < target.length; at++) target[at] = op(left[atLeft(at)]!, right[atRight(at)]!);
  return into;
}

function tooLarge(shape: readonly number[]): ServingError {
  return new ServingError('RESOURCE_EXHAUSTED', `OOM when allocating tensor with shape${shapeText(shape)}`);
}

function unsupported(op: string, a: DataType, b: DataType): ServingError {
  return a === b ? new ServingError('UNIMPLEMENTED', `${op} of ${typeName(a)} is not simulated`) : new ServingError('INVALID_ARGUMENT', `${op} of ${typeName(a)} and ${typeName(b)}: types do not match`);
}
