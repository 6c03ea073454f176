// Who says what the bytes of an object are, from the highest: a signature, manifest.json, the server's own checksum, the MD5 that is the ETag of an object put in one piece, its size.

import { canCompute } from './checksum';
import type { Algorithm } from './checksum';

/** What a file was held against. */
export type Authority = 'signature' | 'manifest' | `checksum ${Algorithm}` | 'etag' | 'size';

export interface Wanted {
  readonly authority: Authority;
  /** Nothing for size, which is always held. */
  readonly algorithm?: Algorithm;
  /** Lower-case hex. */
  readonly hex?: string;
}

/** The strongest first; where an object has several. */
const ALGORITHMS: readonly Algorithm[] = ['sha256', 'crc64nvme', 'crc32c', 'crc32', 'sha1'];

/** @param headers of an answer to HEAD or to GET of the whole object, asked with x-amz-checksum-mode; of a part they say less. */
export function wantedOf(headers: ReadonlyMap<string, string>, manifestSha256: string | undefined): Wanted {
  if (manifestSha256 !== undefined) return { authority: 'manifest', algorithm: 'sha256', hex: manifestSha256 };
  for (const algorithm of ALGORITHMS) {
    const value = headers.get(`x-amz-checksum-${algorithm}`);
    // `…-3` is a checksum of the checksums of three parts, whose borders nobody here knows.
    if (value === undefined || value.includes('-') || !canCompute(algorithm)) continue;
    return { authority: `checksum ${algorithm}`, algorithm, hex: Buffer.from(value, 'base64').toString('hex') };
  }
  const md5 = /^"([0-9a-f]{32})"$/.exec(headers.get('etag') ?? '')?.[1];
  return md5 === undefined || isEncrypted(headers) ? { authority: 'size' } : { authority: 'etag', algorithm: 'md5', hex: md5 };
}

/** Then the ETag is no MD5 of the bytes, whatever it looks like. */
function isEncrypted(headers: ReadonlyMap<string, string>): boolean {
  return (headers.get('x-amz-server-side-encryption') ?? 'AES256') !== 'AES256' || headers.has('x-amz-server-side-encryption-customer-algorithm');
}
