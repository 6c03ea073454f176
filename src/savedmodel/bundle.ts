// variables.index as values: which tensor lies where in which shard, with which checksum (TF Serving reference §10.5-6).

import { fromBinary } from '@bufbuild/protobuf';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { DataType } from '../proto/gen/tensorflow/core/framework/types_pb';
import { BundleEntryProtoSchema, BundleHeaderProtoSchema, BundleHeaderProto_Endianness } from '../proto/gen/tensorflow/core/protobuf/tensor_bundle_pb';
import type { BundleEntryProto } from '../proto/gen/tensorflow/core/protobuf/tensor_bundle_pb';
import { bytesPerElement, dtypeName } from './dtype';
import { invalid } from './finding';
import { tableEntries } from './table';

export interface BundleIndex {
  readonly shards: number;
  readonly bigEndian: boolean;
  /** By `bundleKey`, in key order. */
  readonly entries: ReadonlyMap<string, BundleEntry>;
}

export interface BundleEntry {
  readonly name: string;
  readonly dtype: DataType;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly shard: number;
  /** Bytes from the start of the shard. */
  readonly offset: number;
  readonly size: number;
  /** As stored: masked. */
  readonly crc32c: number;
  /** A partitioned tensor: only dtype and shape are here, its bytes are in entries of their own. */
  readonly sliced: boolean;
}

export const INDEX_PATH = 'variables/variables.index';
/** The whole index is held in memory: about 100 bytes a tensor, so this is hundreds of thousands of them. */
export const MAX_INDEX_BYTES = 64 * 2 ** 20;
const MAX_ENTRIES = 1_000_000;
/** Prefix compression can make keys many times longer than the file. */
const MAX_KEY_BYTES_IN_ALL = 256 * 2 ** 20;
/** A partitioned variable lists its slices in its entry; a decoded empty slice is 50 times its two bytes. */
const MAX_VALUE_BYTES = 2 ** 20;
/** TensorFlow's own limit (TensorShape). */
const MAX_DIMENSIONS = 254;
/** Shard names have five digits each for number and count. */
const MAX_SHARDS = 99_999;
/** The bundle format this reads, TensorFlow's only one since 2016. */
const BUNDLE_VERSION = 1;

/** Throws InvalidSavedModel (`index`, `entry`, `limit`) at the first thing that is not as TensorFlow writes it. */
export function readBundleIndex(file: Uint8Array, path = INDEX_PATH): BundleIndex {
  const entries = new Map<string, BundleEntry>();
  let header: { readonly shards: number; readonly bigEndian: boolean } | undefined;
  let keyBytes = 0;
  for (const { key, value } of tableEntries(file, path)) {
    if (header === undefined) {
      if (key.length > 0) throw invalid('index', path, 'the first entry is not the bundle header');
      header = readHeader(value, path);
      continue;
    }
    keyBytes += key.length;
    if (entries.size >= MAX_ENTRIES || keyBytes > MAX_KEY_BYTES_IN_ALL) throw invalid('limit', path, `more than ${MAX_ENTRIES} tensors or ${MAX_KEY_BYTES_IN_ALL} bytes of names`);
    entries.set(bundleKey(key), readEntry(Buffer.from(key).toString('utf8'), value, header.shards, path));
  }
  if (header === undefined) throw invalid('index', path, 'has no entries, not even the bundle header');
  return { ...header, entries };
}

/** A tensor name as a map key. Names of slices are bytes that no UTF-8 decoder leaves alone. */
export function bundleKey(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
}

/** `variables/variables.data-00000-of-00001`. */
export function shardPath(shard: number, shards: number): string {
  return `variables/variables.data-${String(shard).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}`;
}

function readHeader(value: Uint8Array, path: string): { readonly shards: number; readonly bigEndian: boolean } {
  const header = decode(BundleHeaderProtoSchema, value, 'bundle header', path);
  if (header.numShards < 1 || header.numShards > MAX_SHARDS) throw invalid('index', path, `bundle header says ${header.numShards} shards`);
  const minConsumer = header.version?.minConsumer ?? 0;
  if (minConsumer > BUNDLE_VERSION) throw invalid('index', path, `bundle wants a reader of version ${minConsumer}, TensorFlow's is ${BUNDLE_VERSION}`);
  return { shards: header.numShards, bigEndian: header.endianness === BundleHeaderProto_Endianness.BIG };
}

function readEntry(name: string, value: Uint8Array, shards: number, path: string): BundleEntry {
  const proto = decode(BundleEntryProtoSchema, value, `entry ${name}`, path);
  const where = (what: string) => invalid('entry', path, `${name.slice(0, 200)}: ${what}`);
  const { shape, elements } = readShape(proto, where);
  const offset = Number(proto.offset);
  const size = Number(proto.size);
  if (!(offset >= 0 && size >= 0 && Number.isSafeInteger(offset + size))) throw where(`offset ${proto.offset} and size ${proto.size} are no place in a file`);
  if (proto.shardId < 0 || proto.shardId >= shards) throw where(`lies in shard ${proto.shardId} of ${shards}`);
  if (proto.dtype === DataType.DT_INVALID || proto.dtype === DataType.DT_RESOURCE || proto.dtype > 100) throw where(`${dtypeName(proto.dtype)} cannot be in a checkpoint`);
  const sliced = proto.slices.length > 0;
  const each = bytesPerElement(proto.dtype);
  if (!sliced && each !== undefined && size !== elements * each) {
    throw where(`${dtypeName(proto.dtype)} of shape [${shape.join(',')}] takes ${elements * each} bytes, the index says ${size}`);
  }
  // Each string takes at least the byte of its length.
  if (!sliced && proto.dtype === DataType.DT_STRING && elements > size) throw where(`${elements} strings cannot be in ${size} bytes`);
  return { name, dtype: proto.dtype, shape, elements, shard: proto.shardId, offset, size, crc32c: proto.crc32c, sliced };
}

function readShape(proto: BundleEntryProto, where: (what: string) => Error): { readonly shape: readonly number[]; readonly elements: number } {
  const dims = proto.shape?.dim ?? [];
  if (proto.shape?.unknownRank === true || dims.length > MAX_DIMENSIONS) throw where(`shape has ${dims.length} dimensions`);
  let elements = 1;
  const shape = dims.map(({ size }) => Number(size));
  for (const size of shape) {
    elements *= size;
    if (!(size >= 0 && Number.isSafeInteger(elements))) throw where(`shape [${shape.join(',')}] is no shape of stored bytes`);
  }
  return { shape, elements };
}

function decode<Desc extends DescMessage>(schema: Desc, value: Uint8Array, what: string, path: string): MessageShape<Desc> {
  if (value.length > MAX_VALUE_BYTES) throw invalid('limit', path, `${what} has ${value.length} bytes, at most ${MAX_VALUE_BYTES} are read`);
  try {
    return fromBinary(schema, value);
  } catch (error) {
    throw invalid('index', path, `${what.slice(0, 200)} does not decode: ${(error as Error).message}`);
  }
}
