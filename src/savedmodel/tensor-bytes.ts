// One tensor out of the checkpoint, checked on the way: what a server does for each variable it restores.

import { DataType } from '../proto/gen/tensorflow/core/framework/types_pb';
import { shardPath } from './bundle';
import type { BundleEntry, BundleIndex } from './bundle';
import { crc32c, unmaskCrc } from './crc32c';
import { openRegular } from './regular-file';
import { StringsCheck, splitStrings } from './strings-check';

export type TensorBytes =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'strings'; readonly strings: readonly Uint8Array[] }
  | { readonly kind: 'missing'; readonly path: string }
  | { readonly kind: 'short'; readonly path: string; readonly size: number }
  /** CRC-32C, unmasked. */
  | { readonly kind: 'checksum'; readonly path: string; readonly want: number; readonly found: number }
  | { readonly kind: 'layout'; readonly path: string; readonly why: string };

/** Reads in pieces, so that whatever else the process does goes on. `size` of the entry is trusted only as far as the shard is long. */
export async function readTensorBytes(dir: string, index: BundleIndex, entry: BundleEntry): Promise<TensorBytes> {
  const path = shardPath(entry.shard, index.shards);
  const file = await openRegular(dir, path);
  if (file === undefined) return { kind: 'missing', path };
  try {
    if (entry.offset + entry.size > file.size) return { kind: 'short', path, size: file.size };
    const bytes = Buffer.allocUnsafeSlow(entry.size);
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await file.handle.read(bytes, at, Math.min(bytes.length - at, PIECE_BYTES), entry.offset + at);
      if (bytesRead === 0) return { kind: 'short', path, size: entry.offset + at };
      at += bytesRead;
    }
    return entry.dtype === DataType.DT_STRING ? asStrings(entry, bytes, path) : asBytes(entry, bytes, path);
  } finally {
    await file.handle.close();
  }
}

const PIECE_BYTES = 4 * 2 ** 20;

function asBytes(entry: BundleEntry, bytes: Uint8Array, path: string): TensorBytes {
  // A variant's checksum runs over other bytes than these; nothing reads its content here.
  if (entry.dtype === DataType.DT_VARIANT) return { kind: 'bytes', bytes };
  const want = unmaskCrc(entry.crc32c);
  const found = crc32c(bytes);
  return want === found ? { kind: 'bytes', bytes } : { kind: 'checksum', path, want, found };
}

function asStrings(entry: BundleEntry, bytes: Uint8Array, path: string): TensorBytes {
  if (bytes.length === 0) return { kind: 'strings', strings: [] };
  const check = new StringsCheck(entry.elements, bytes.length);
  check.push(bytes);
  const end = check.end();
  if ('why' in end) return { kind: 'layout', path, why: end.why };
  const want = unmaskCrc(entry.crc32c);
  return want === end.crc ? { kind: 'strings', strings: splitStrings(bytes, entry.elements) } : { kind: 'checksum', path, want, found: end.crc };
}
