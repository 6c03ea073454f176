// ParseExample and ParseExampleV2 for dense features: what the regress and classify signatures of the sample models are fed. Texts as TensorFlow's fast parser says them.

import { DataType } from '../../proto/gen/tensorflow/core/framework/types_pb';
import { eachField, fieldsNumbered, lastField, text, WireError } from '../../savedmodel/wire';
import type { Kernel } from './evaluate';
import { ServingError } from './status';
import { elementsOf, shapeText, typeName } from './tensor';
import type { Tensor } from './tensor';

/** One feature to be read from every example: its key, the shape one example has of it, and what stands in where it is missing (no elements: it must be there). */
interface Dense {
  readonly key: string;
  readonly dtype: DataType;
  readonly shape: readonly number[];
  readonly byDefault: Tensor;
}

/** Inputs: serialized, names, one key for each sparse and dense feature, one default for each dense one. */
export function parseExample(kernel: Kernel): readonly Tensor[] {
  const [sparse, dense] = [intAttr(kernel, 'Nsparse'), intAttr(kernel, 'Ndense')];
  if (sparse > 0) throw sparseOnes();
  const keys = Array.from({ length: dense }, (_, index) => bytesOf(kernel.tensor(2 + index))[0]!);
  return parse(kernel, keys, 2 + dense);
}

/** Inputs: serialized, names, three vectors of keys (sparse, dense, ragged), one default for each dense feature. */
export function parseExampleV2(kernel: Kernel): readonly Tensor[] {
  if (bytesOf(kernel.tensor(2)).length > 0 || bytesOf(kernel.tensor(4)).length > 0) throw sparseOnes();
  return parse(kernel, bytesOf(kernel.tensor(3)), 5);
}

function parse(kernel: Kernel, keys: readonly Uint8Array[], firstDefault: number): readonly Tensor[] {
  const serialized = kernel.tensor(0);
  const shapes = kernel.node.attr['dense_shapes']?.value;
  const dense = keys.map((key, index): Dense => {
    const byDefault = kernel.tensor(firstDefault + index);
    const dims = shapes?.case === 'list' ? shapes.value.shape[index]?.dim ?? [] : [];
    const shape = dims.map(({ size }) => Number(size));
    if (shape.some((size) => size < 0)) throw new ServingError('UNIMPLEMENTED', `a dense feature of variable length (${text(key)}) is not simulated`);
    return { key: text(key), dtype: byDefault.dtype, shape, byDefault };
  });
  const examples = bytesOf(serialized).map(featuresOf);
  return dense.map((one) => {
    const parts = examples.map((features) => valuesOf(features.get(one.key), one));
    return { dtype: one.dtype, shape: [...serialized.shape, ...one.shape], values: joined(one.dtype, parts) };
  });
}

/** tensorflow.Example: features = 1; Features: a map, feature = 1 (key = 1, value = 2). The last of several entries of a key counts. */
function featuresOf(example: Uint8Array): ReadonlyMap<string, Uint8Array> {
  try {
    const features = new Map<string, Uint8Array>();
    for (const all of fieldsNumbered(example, 1)) {
      for (const entry of fieldsNumbered(all, 1)) features.set(text(lastField(entry, 1)), lastField(entry, 2) ?? new Uint8Array());
    }
    return features;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new ServingError('INVALID_ARGUMENT', `Could not parse example input, value: '${Buffer.from(example).toString('latin1')}'`);
  }
}

/** tensorflow.Feature: bytes_list = 1, float_list = 2, int64_list = 3; each has its values in field 1, numbers packed, as every writer since 2015 does. */
const KINDS: Readonly<Record<number, DataType>> = { 1: DataType.DT_STRING, 2: DataType.DT_FLOAT, 3: DataType.DT_INT64 };

function valuesOf(feature: Uint8Array | undefined, { key, dtype, shape, byDefault }: Dense): Tensor['values'] {
  let found: { readonly dtype: DataType; readonly list: Uint8Array } | undefined;
  if (feature !== undefined) eachField(feature, (no, list) => { const kind = KINDS[no]; if (kind !== undefined) found = { dtype: kind, list }; });
  if (found === undefined) {
    if (elementsOf(byDefault.shape) === elementsOf(shape)) return byDefault.values;
    throw new ServingError('INVALID_ARGUMENT', `Name: <unknown>, Feature: ${key} (data type: ${typeName(dtype)}) is required but could not be found.`);
  }
  const said = `Name: <unknown>, Key: ${key}, Index: 0.  `;
  if (found.dtype !== dtype) throw new ServingError('INVALID_ARGUMENT', `${said}Data types don't match. Data type: ${typeName(found.dtype)} but expected type: ${typeName(dtype)}`);
  const values = listed(found.dtype, found.list);
  if (values.length !== elementsOf(shape)) throw new ServingError('INVALID_ARGUMENT', `${said}Number of ${typeName(dtype)} values != expected.  Values size: ${values.length} but output shape: ${shapeText(shape)}`);
  return values;
}

function listed(dtype: DataType, list: Uint8Array): Tensor['values'] {
  const fields = [...fieldsNumbered(list, 1)];
  switch (dtype) {
    case DataType.DT_STRING: return fields;
    case DataType.DT_FLOAT: return Float32Array.from(fields.flatMap(floatsOf));
    default: return BigInt64Array.from(fields.flatMap(varintsOf));
  }
}

function floatsOf(packed: Uint8Array): readonly number[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  return Array.from({ length: Math.floor(packed.byteLength / 4) }, (_, index) => view.getFloat32(index * 4, true));
}

function varintsOf(packed: Uint8Array): readonly bigint[] {
  const values: bigint[] = [];
  let [value, shift] = [0n, 0n];
  for (const byte of packed) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte >= 128) continue;
    values.push(BigInt.asIntN(64, value));
    [value, shift] = [0n, 0n];
  }
  return values;
}

function joined(dtype: DataType, parts: readonly Tensor['values'][]): Tensor['values'] {
  switch (dtype) {
    case DataType.DT_STRING: return parts.flatMap((part) => [...part as readonly Uint8Array[]]);
    case DataType.DT_FLOAT: return Float32Array.from(parts.flatMap((part) => [...part as Float32Array]));
    default: return BigInt64Array.from(parts.flatMap((part) => [...part as BigInt64Array]));
  }
}

function bytesOf({ values }: Tensor): readonly Uint8Array[] {
  return values as readonly Uint8Array[];
}

function intAttr({ node }: Kernel, name: string): number {
  const attr = node.attr[name]?.value;
  return attr?.case === 'i' ? Number(attr.value) : 0;
}

function sparseOnes(): ServingError {
  return new ServingError('UNIMPLEMENTED', 'ParseExample with sparse or ragged features is not simulated');
}
