// Writes what src/savedmodel reads, right checksums included, so that a test can be wrong in one place only.

import { create, toBinary } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { DataType } from '../../src/proto/gen/tensorflow/core/framework/types_pb';
import { VersionDefSchema } from '../../src/proto/gen/tensorflow/core/framework/versions_pb';
import { BundleEntryProtoSchema, BundleHeaderProtoSchema } from '../../src/proto/gen/tensorflow/core/protobuf/tensor_bundle_pb';
import { crc32c, maskCrc } from '../../src/savedmodel/crc32c';

export interface Entry {
  readonly key: Uint8Array | string;
  readonly value: Uint8Array;
}

export function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

/** A block of entries without prefix compression, with type byte and checksum; `type` says how `contents` are packed. */
export function block(contents: Uint8Array, type = 0): Buffer {
  const typed = Buffer.concat([contents, Uint8Array.of(type)]);
  return Buffer.concat([typed, u32(maskCrc(crc32c(typed)))]);
}

export function blockContents(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ key, value }) => {
    const name = Buffer.from(key as string);
    return [Uint8Array.from([0, ...varint(name.length), ...varint(value.length)]), name, value];
  });
  return Buffer.concat([...parts, u32(0), u32(1)]);
}

/** A whole table: one data block unless `handles` says what the index block shall point to. */
export function table(data: Buffer, handles: readonly (readonly [offset: number, size: number])[] = [[0, data.length - 5]]): Buffer {
  const meta = block(blockContents([]));
  const index = block(blockContents(handles.map(([offset, size], at) => ({ key: `k${at}`, value: Uint8Array.from([...varint(offset), ...varint(size)]) }))));
  const footer = Buffer.alloc(40);
  footer.set([...varint(data.length), ...varint(meta.length - 5), ...varint(data.length + meta.length), ...varint(index.length - 5)]);
  return Buffer.concat([data, meta, index, footer, Buffer.from('57fb808b247547db', 'hex')]);
}

export function header(init: MessageInitShape<typeof BundleHeaderProtoSchema> = {}): Entry {
  return { key: '', value: toBinary(BundleHeaderProtoSchema, create(BundleHeaderProtoSchema, { numShards: 1, version: create(VersionDefSchema, { producer: 1 }), ...init })) };
}

export function entry(key: string, init: MessageInitShape<typeof BundleEntryProtoSchema>): Entry {
  return { key, value: toBinary(BundleEntryProtoSchema, create(BundleEntryProtoSchema, init)) };
}

export function index(entries: readonly Entry[]): Buffer {
  return table(block(blockContents([header(), ...entries])));
}

/** One shard and its index: float tensors by name. */
export function floats(tensors: Readonly<Record<string, readonly number[]>>): { readonly index: Buffer; readonly shard: Buffer } {
  const stored: Buffer[] = [];
  let offset = 0;
  const entries = Object.keys(tensors).sort().map((name) => {
    const bytes = Buffer.from(Float32Array.from(tensors[name]!).buffer);
    const at = offset;
    stored.push(bytes);
    offset += bytes.length;
    const dim = tensors[name]!.length === 1 ? [] : [{ size: BigInt(tensors[name]!.length) }];
    return entry(name, { dtype: DataType.DT_FLOAT, shape: { dim }, offset: BigInt(at), size: BigInt(bytes.length), crc32c: maskCrc(crc32c(bytes)) });
  });
  return { index: index(entries), shard: Buffer.concat(stored) };
}

/** A string tensor's bytes and its (unmasked) checksum. */
export function strings(values: readonly string[]): { readonly bytes: Buffer; readonly crc: number } {
  const data = values.map((value) => Buffer.from(value));
  let crc = crc32c(new Uint8Array(Uint32Array.from(data, ({ length }) => length).buffer));
  const lengthsCrc = u32(maskCrc(crc));
  crc = crc32c(lengthsCrc, crc);
  for (const bytes of data) crc = crc32c(bytes, crc);
  return { bytes: Buffer.concat([Uint8Array.from(data.flatMap(({ length }) => varint(length))), lengthsCrc, ...data]), crc };
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
