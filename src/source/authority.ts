// Who says what the bytes of an object are, from the highest: a signature, manifest.json, the server's own checksum, the MD5 that is its ETag, its size.

import type { ListedFile } from '../domain/source';
import { canCompute } from './checksum';
import type { Algorithm, Sum } from './checksum';

/** What a file was held against. */
export type Authority = 'signature' | 'manifest' | `checksum ${Algorithm}` | 'etag' | 'size';

export interface Wanted {
  readonly authority: Authority;
  /** Nothing for size, which is always held. */
  readonly sum?: Sum;
  /** Lower-case hex. */
  readonly hex?: string;
}

/** The parts an object was put in: so many, of so many bytes each but the last. */
export interface PutParts {
  readonly count: number;
  readonly bytes: number;
}

/** The strongest first; where an object has several. */
const ALGORITHMS: readonly Algorithm[] = ['sha256', 'crc64nvme', 'crc32c', 'crc32', 'sha1'];

/**
 * @param headers of an answer to HEAD or to GET of the whole object, asked with x-amz-checksum-mode; of a part they say less.
 * @param parts where they are known: then also the checksum of its parts' checksums (`…-3`) can be computed.
 */
export function wantedOf(headers: ReadonlyMap<string, string>, manifestSha256: string | undefined, parts?: PutParts): Wanted {
  if (manifestSha256 !== undefined) return { authority: 'manifest', sum: { algorithm: 'sha256' }, hex: manifestSha256 };
  for (const algorithm of ALGORITHMS) {
    const [, value, count] = /^([A-Za-z0-9+/=]+)(?:-(\d+))?$/.exec(headers.get(`x-amz-checksum-${algorithm}`) ?? '') ?? [];
    const sum = value === undefined || !canCompute(algorithm) ? undefined : sumOver(algorithm, count, parts);
    if (value !== undefined && sum !== undefined) return { authority: `checksum ${algorithm}`, sum, hex: Buffer.from(value, 'base64').toString('hex') };
  }
  const [, md5, count] = /^"([0-9a-f]{32})(?:-(\d+))?"$/.exec(headers.get('etag') ?? '') ?? [];
  const sum = md5 === undefined || isEncrypted(headers) ? undefined : sumOver('md5', count, parts);
  return md5 === undefined || sum === undefined ? { authority: 'size' } : { authority: 'etag', sum, hex: md5 };
}

/** Nothing where it is a sum over parts whose borders are not known. */
function sumOver(algorithm: Algorithm, count: string | undefined, parts: PutParts | undefined): Sum | undefined {
  if (count === undefined) return { algorithm };
  return parts !== undefined && parts.count === Number(count) ? { algorithm, partBytes: parts.bytes } : undefined;
}

/** Its ETag says so, in the listing already. */
export function wasPutInParts({ etag }: Pick<ListedFile, 'etag'>): boolean {
  return /-\d+"$/.test(etag ?? '');
}

/** @param firstPart headers of an answer to HEAD of part 1: how long it is, and of how many. Nothing where parts of that length do not make up the object. */
export function partsOf(firstPart: ReadonlyMap<string, string> | undefined, size: number): PutParts | undefined {
  const [count, bytes] = [Number(firstPart?.get('x-amz-mp-parts-count') ?? 0), Number(firstPart?.get('content-length') ?? 0)];
  return Number.isSafeInteger(count) && Number.isSafeInteger(bytes) && count >= 1 && bytes >= 1 && Math.ceil(size / bytes) === count ? { count, bytes } : undefined;
}

/** Then the ETag is no MD5 of the bytes, whatever it looks like. */
function isEncrypted(headers: ReadonlyMap<string, string>): boolean {
  return (headers.get('x-amz-server-side-encryption') ?? 'AES256') !== 'AES256' || headers.has('x-amz-server-side-encryption-customer-algorithm');
}
