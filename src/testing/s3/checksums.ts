// S3's additional checksums, where this server can compute them: base64 of the big-endian value.

import { createHash } from 'node:crypto';
import { crc32c } from '../../savedmodel/crc32c';

/** By header name; nothing for an algorithm that is only kept and handed back. */
export function checksumOf(header: string, bytes: Buffer): string | undefined {
  switch (header) {
    case 'x-amz-checksum-sha256': return createHash('sha256').update(bytes).digest('base64');
    case 'x-amz-checksum-sha1': return createHash('sha1').update(bytes).digest('base64');
    case 'x-amz-checksum-crc32c': {
      const value = Buffer.alloc(4);
      value.writeUInt32BE(crc32c(bytes));
      return value.toString('base64');
    }
    default: return undefined;
  }
}

/** Of an object put in parts: the checksum of its parts' checksums, and how many there are. */
export function checksumOfParts(header: string, bytes: Buffer, partBytes: number): string | undefined {
  const parts = partsOf(bytes, partBytes).map((part) => checksumOf(header, part));
  if (parts.includes(undefined)) return undefined;
  return `${checksumOf(header, Buffer.concat(parts.map((part) => Buffer.from(part ?? '', 'base64')))) ?? ''}-${parts.length}`;
}

export function partsOf(bytes: Buffer, partBytes: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / partBytes) }, (_, i) => bytes.subarray(i * partBytes, (i + 1) * partBytes));
}
