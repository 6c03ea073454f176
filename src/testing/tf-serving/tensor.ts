// A tensor as a typed value, and to and from the TensorProto that clients send (TF Serving reference §7).

import { create } from '@bufbuild/protobuf';
import { TensorProtoSchema } from '../../proto/gen/tensorflow/core/framework/tensor_pb';
import type { TensorProto } from '../../proto/gen/tensorflow/core/framework/tensor_pb';
import { DataType } from '../../proto/gen/tensorflow/core/framework/types_pb';

/** Strings are bytes; bool is 0 or 1 in a Uint8Array; a dtype nothing here computes with keeps its raw bytes. */
export type Values = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | readonly Uint8Array[];

export interface Tensor {
  readonly dtype: DataType;
  readonly shape: readonly number[];
  /** In row-major order. */
  readonly values: Values;
}

/** A few bytes of TensorProto may claim any shape; a simulator need not be as large as a server. */
export const MAX_ELEMENTS = 2 ** 27;

/** The tensor, or undefined where TensorFlow says "tensor parsing error". Missing trailing values repeat the last one given, none at all means zeros. */
export function tensorFromProto(proto: TensorProto): Tensor | undefined {
  const shape = (proto.tensorShape?.dim ?? []).map(({ size }) => Number(size));
  const elements = elementsOf(shape);
  if (proto.tensorShape?.unknownRank === true || shape.some((size) => size < 0) || elements > MAX_ELEMENTS) return undefined;
  const codec = CODECS[proto.dtype];
  if (codec === undefined) return undefined;
  if (proto.tensorContent.length === 0) return { dtype: proto.dtype, shape, values: codec.fromFields(proto, elements) };
  const values = codec.fromContent(proto.tensorContent, elements);
  return values === undefined ? undefined : { dtype: proto.dtype, shape, values };
}

/** With the typed fields filled, as the server answers unless told otherwise. */
export function tensorToProto({ dtype, shape, values }: Tensor): TensorProto {
  const proto = create(TensorProtoSchema, { dtype, tensorShape: { dim: shape.map((size) => ({ size: BigInt(size) })) } });
  CODECS[dtype]?.toFields(proto, values);
  return proto;
}

/** The tensor in a checkpoint's bytes; raw where the dtype is none we compute with. */
export function tensorFromBytes(dtype: DataType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const values = dtype === DataType.DT_STRING ? undefined : CODECS[dtype]?.fromContent(bytes, elementsOf(shape));
  return { dtype, shape, values: values ?? bytes };
}

export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** `float`, as TensorFlow prints DT_FLOAT. */
export function typeName(dtype: DataType): string {
  return (DataType[dtype] ?? `unknown dtype enum (${dtype})`).replace(/^DT_/, '').toLowerCase();
}

/** The value type of a reference: variables of TensorFlow 1 have dtypes above 100. */
export function baseType(dtype: DataType): DataType {
  return dtype > REF_OFFSET ? dtype - REF_OFFSET : dtype;
}

const REF_OFFSET = 100;

/** `[2,3]`, as TensorFlow prints a shape. */
export function shapeText(shape: readonly number[]): string {
  return `[${shape.join(',')}]`;
}

interface Codec {
  fromFields(proto: TensorProto, elements: number): Values;
  fromContent(content: Uint8Array, elements: number): Values | undefined;
  toFields(proto: TensorProto, values: Values): void;
}

type NumberArray = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

function numeric<A extends NumberArray>(make: (elements: number) => A, bytesEach: number, given: (proto: TensorProto) => readonly A[number][], give: (proto: TensorProto, values: A[number][]) => void): Codec {
  return {
    fromFields: (proto, elements) => fill(make(elements), given(proto)),
    fromContent: (content, elements) => {
      if (content.length !== elements * bytesEach) return undefined;
      const values = make(elements);
      new Uint8Array(values.buffer).set(content);
      return values;
    },
    toFields: (proto, values) => give(proto, Array.from(values as unknown as ArrayLike<A[number]>)),
  };
}

function fill<A extends NumberArray>(values: A, given: readonly A[number][]): A {
  const target = values as unknown as A[number][];
  for (let at = 0; at < target.length && given.length > 0; at++) target[at] = given[Math.min(at, given.length - 1)] as A[number];
  return values;
}

const STRINGS: Codec = {
  fromFields: ({ stringVal }, elements) => Array.from({ length: elements }, (_, at) => stringVal[Math.min(at, stringVal.length - 1)] ?? new Uint8Array(0)),
  fromContent: (content, elements) => {
    const lengths: number[] = [];
    let at = 0;
    while (lengths.length < elements) {
      let length = 0;
      for (let shift = 0, byte = 128; byte >= 128; shift++) {
        if (at >= content.length || shift > 4) return undefined;
        byte = content[at++]!;
        length += (byte & 127) * 2 ** (7 * shift);
      }
      lengths.push(length);
    }
    const strings = lengths.map((length) => content.subarray(at, (at += length)));
    return at === content.length ? strings : undefined;
  },
  toFields: (proto, values) => {
    proto.stringVal = [...(values as readonly Uint8Array[])];
  },
};

const CODECS: Partial<Record<DataType, Codec>> = {
  [DataType.DT_FLOAT]: numeric((n) => new Float32Array(n), 4, (proto) => proto.floatVal, (proto, values) => { proto.floatVal = values; }),
  [DataType.DT_DOUBLE]: numeric((n) => new Float64Array(n), 8, (proto) => proto.doubleVal, (proto, values) => { proto.doubleVal = values; }),
  [DataType.DT_INT32]: numeric((n) => new Int32Array(n), 4, (proto) => proto.intVal, (proto, values) => { proto.intVal = values; }),
  [DataType.DT_INT64]: numeric((n) => new BigInt64Array(n), 8, (proto) => proto.int64Val, (proto, values) => { proto.int64Val = values; }),
  [DataType.DT_BOOL]: numeric((n) => new Uint8Array(n), 1, (proto) => proto.boolVal.map(Number), (proto, values) => { proto.boolVal = values.map((value) => value !== 0); }),
  [DataType.DT_STRING]: STRINGS,
};
