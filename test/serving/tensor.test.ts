// Numbers as people write them in a request, and as TensorFlow carries them.

import { create } from '@bufbuild/protobuf';
import type { TensorValue } from '../../src/domain/request';
import { TensorProtoSchema } from '../../src/proto/gen/tensorflow/core/framework/tensor_pb';
import { DataType } from '../../src/proto/gen/tensorflow/core/framework/types_pb';
import { fromTensorProto, toTensorProto } from '../../src/serving/tensor';

const shaped = (dtype: DataType, shape: number[], over: object) => create(TensorProtoSchema, { dtype, tensorShape: { dim: shape.map((size) => ({ size: BigInt(size) })) }, ...over });

describe('there and back', () => {
  const values: TensorValue[] = [1, [1, 2, 5], [[1, 2], [3, 4], [5, 6]], [], [[], []], [[[7]]]];
  const dtypes = [DataType.DT_FLOAT, DataType.DT_DOUBLE, DataType.DT_INT32, DataType.DT_INT64, DataType.DT_INT16, DataType.DT_UINT8, DataType.DT_UINT32, DataType.DT_UINT64];
  test.each(dtypes.map((dtype) => [DataType[dtype], dtype] as const))('%s keeps shape and values', (_name, dtype) => {
    for (const value of values) expect(fromTensorProto(toTensorProto(value, dtype))).toEqual(value);
  });
});

describe('what a server may answer', () => {
  const rows: [reason: string, tensor: ReturnType<typeof shaped>, value: TensorValue][] = [
    ['one value stands for all of its repetitions', shaped(DataType.DT_FLOAT, [3], { floatVal: [2.5] }), [2.5, 2.5, 2.5]],
    ['no value at all means zeros', shaped(DataType.DT_INT32, [2], {}), [0, 0]],
    ['a scalar has no dimensions', shaped(DataType.DT_DOUBLE, [], { doubleVal: [4] }), 4],
    ['raw bytes, little-endian', shaped(DataType.DT_FLOAT, [2], { tensorContent: new Uint8Array(new Float32Array([1.5, -2]).buffer) }), [1.5, -2]],
    ['raw int64', shaped(DataType.DT_INT64, [1], { tensorContent: new Uint8Array(new BigInt64Array([-3n]).buffer) }), [-3]],
    ['booleans as 0 and 1', shaped(DataType.DT_BOOL, [2], { boolVal: [true, false] }), [1, 0]],
  ];
  test.each(rows)('%s', (_reason, tensor, value) => expect(fromTensorProto(tensor)).toEqual(value));
});

describe('what is refused', () => {
  const rows: [reason: string, act: () => unknown, text: string][] = [
    ['ragged rows', () => toTensorProto([[1, 2], [3]]), 'ragged'],
    ['a number beside an array', () => toTensorProto([[1], 2]), 'ragged'],
    ['an array below a number', () => toTensorProto([1, [2]]), 'ragged'],
    ['halves for a signature of whole numbers', () => toTensorProto([0.5], DataType.DT_INT32), 'whole numbers'],
    ['text', () => toTensorProto([1], DataType.DT_STRING), 'DT_STRING'],
    ['bytes that do not fill the shape', () => fromTensorProto(shaped(DataType.DT_FLOAT, [2], { tensorContent: new Uint8Array(4) })), 'want 8'],
    ['a shape nobody could hold', () => fromTensorProto(shaped(DataType.DT_FLOAT, [1e9, 1e9], {})), 'at most'],
    ['a negative shape', () => fromTensorProto(shaped(DataType.DT_FLOAT, [-1], {})), 'at most'],
    ['more values than places', () => fromTensorProto(shaped(DataType.DT_FLOAT, [1], { floatVal: [1, 2] })), '2 values'],
  ];
  test.each(rows)('%s', (_reason, act, text) => expect(act).toThrow(text));
});
