// Nested arrays of numbers, as requests write them, to and from TensorProto.

import { create } from '@bufbuild/protobuf';
import type { TensorValue } from '../domain/request';
import { TensorProtoSchema, type TensorProto } from '../proto/gen/tensorflow/core/framework/tensor_pb';
import { DataType } from '../proto/gen/tensorflow/core/framework/types_pb';

/** Most values a reply may hold before we refuse to spread them out: a probe compares a handful. */
const maxElements = 1_000_000;

/** How a dtype's numbers lie in a TensorProto: the typed field, and the little-endian bytes of `tensor_content`. */
interface Layout {
  write(numbers: readonly number[]): Partial<Pick<TensorProto, 'floatVal' | 'doubleVal' | 'intVal' | 'int64Val' | 'boolVal' | 'uint32Val' | 'uint64Val'>>;
  typed(tensor: TensorProto): readonly number[];
  readonly width: number;
  at(view: DataView, offset: number): number;
}

const ints = (width: number, at: Layout['at']): Layout => ({ write: (numbers) => ({ intVal: numbers.map(whole) }), typed: (tensor) => tensor.intVal, width, at });

const LAYOUTS: Partial<Record<DataType, Layout>> = {
  [DataType.DT_FLOAT]: { write: (numbers) => ({ floatVal: [...numbers] }), typed: (tensor) => tensor.floatVal, width: 4, at: (view, offset) => view.getFloat32(offset, true) },
  [DataType.DT_DOUBLE]: { write: (numbers) => ({ doubleVal: [...numbers] }), typed: (tensor) => tensor.doubleVal, width: 8, at: (view, offset) => view.getFloat64(offset, true) },
  [DataType.DT_INT32]: ints(4, (view, offset) => view.getInt32(offset, true)),
  [DataType.DT_INT16]: ints(2, (view, offset) => view.getInt16(offset, true)),
  [DataType.DT_INT8]: ints(1, (view, offset) => view.getInt8(offset)),
  [DataType.DT_UINT16]: ints(2, (view, offset) => view.getUint16(offset, true)),
  [DataType.DT_UINT8]: ints(1, (view, offset) => view.getUint8(offset)),
  [DataType.DT_INT64]: { write: (numbers) => ({ int64Val: numbers.map((one) => BigInt(whole(one))) }), typed: (tensor) => tensor.int64Val.map(Number), width: 8, at: (view, offset) => Number(view.getBigInt64(offset, true)) },
  [DataType.DT_UINT32]: { write: (numbers) => ({ uint32Val: numbers.map(whole) }), typed: (tensor) => tensor.uint32Val, width: 4, at: (view, offset) => view.getUint32(offset, true) },
  [DataType.DT_UINT64]: { write: (numbers) => ({ uint64Val: numbers.map((one) => BigInt(whole(one))) }), typed: (tensor) => tensor.uint64Val.map(Number), width: 8, at: (view, offset) => Number(view.getBigUint64(offset, true)) },
  [DataType.DT_BOOL]: { write: (numbers) => ({ boolVal: numbers.map((one) => one !== 0) }), typed: (tensor) => tensor.boolVal.map(Number), width: 1, at: (view, offset) => view.getUint8(offset) },
};

/** An input the signature does not name goes as DT_FLOAT: the server says so better than we could. Fails with RangeError for ragged arrays and dtypes that are no numbers. */
export function toTensorProto(value: TensorValue, dtype: DataType = DataType.DT_FLOAT): TensorProto {
  const shape = shapeOf(value);
  const numbers: number[] = [];
  flatten(value, shape, 0, numbers);
  return create(TensorProtoSchema, { dtype, tensorShape: { dim: shape.map((size) => ({ size: BigInt(size) })) }, ...layoutOf(dtype).write(numbers) });
}

/** Fails with RangeError for dtypes that are no numbers, and for a tensor whose values do not fill its shape. */
export function fromTensorProto(tensor: TensorProto): TensorValue {
  const shape = (tensor.tensorShape?.dim ?? []).map((dim) => Number(dim.size));
  const elements = shape.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(elements) || elements < 0 || elements > maxElements) throw new RangeError(`a tensor of shape [${shape.join(', ')}]: want at most ${maxElements} values`);
  return nest(valuesOf(tensor, elements), shape, 0, elements);
}

function valuesOf(tensor: TensorProto, elements: number): readonly number[] {
  const layout = layoutOf(tensor.dtype);
  if (tensor.tensorContent.length > 0) {
    if (tensor.tensorContent.length !== elements * layout.width) throw new RangeError(`tensor_content has ${tensor.tensorContent.length} bytes, want ${elements * layout.width}`);
    const view = new DataView(tensor.tensorContent.buffer, tensor.tensorContent.byteOffset, tensor.tensorContent.byteLength);
    return Array.from({ length: elements }, (_, index) => layout.at(view, index * layout.width));
  }
  const typed = layout.typed(tensor);
  if (typed.length > elements) throw new RangeError(`${typed.length} values for ${elements} places`);
  // TensorFlow leaves out repetitions at the end: the last value fills the rest, and none at all means zeros.
  return Array.from({ length: elements }, (_, index) => typed[index] ?? typed.at(-1) ?? 0);
}

function layoutOf(dtype: DataType): Layout {
  const layout = LAYOUTS[dtype];
  if (layout === undefined) throw new RangeError(`${DataType[dtype] ?? dtype}: a probe can only hold numbers`);
  return layout;
}

function shapeOf(value: TensorValue): number[] {
  const shape: number[] = [];
  for (let inner: TensorValue | undefined = value; typeof inner === 'object'; inner = inner[0]) shape.push(inner.length);
  return shape;
}

function flatten(value: TensorValue, shape: readonly number[], depth: number, into: number[]): void {
  if (typeof value === 'number') {
    if (depth !== shape.length) throw new RangeError('ragged: a number where an array was');
    into.push(value);
    return;
  }
  if (value.length !== shape[depth]) throw new RangeError(`ragged: ${value.length} values where ${shape[depth] ?? 'a number'} was`);
  for (const inner of value) flatten(inner, shape, depth + 1, into);
}

function nest(numbers: readonly number[], shape: readonly number[], from: number, count: number): TensorValue {
  const [size, ...rest] = shape;
  if (size === undefined) return numbers[from] ?? 0;
  const step = size === 0 ? 0 : count / size;
  return Array.from({ length: size }, (_, index) => nest(numbers, rest, from + index * step, step));
}

function whole(value: number): number {
  if (!Number.isInteger(value)) throw new RangeError(`${value}: the signature wants whole numbers`);
  return value;
}
