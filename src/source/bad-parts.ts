// A second look at a file whose sum differs, where it was put in parts: where those really begin and end, and which of them are right as they are. Only the others are fetched again.

import { HeadObjectCommand } from '@aws-sdk/client-s3';
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import type { ListedFile } from '../domain/source';
import { wantedOf, wasPutInParts } from './authority';
import type { Wanted } from './authority';
import { PLACES, startChecksum } from './checksum';
import type { PartFile, Range } from './part-file';
import { withRetries } from './retry';
import type { RetryOptions } from './retry';
import type { S3Handle } from './s3-client';
import { BrokenBodyError } from './trouble';
import { orAbort, watched } from './watchdog';
import type { WatchdogLimits } from './watchdog';

/** S3's own. */
const MAX_PUT_PARTS = 10_000;

export interface SecondLook {
  /** Nothing where the sum was of other parts than we took it for, and is right over the true ones. */
  readonly broken: BrokenBodyError | undefined;
  /** Equal to what the source says of these parts by themselves. Nothing where it says nothing, or that all are: then the whole file is fetched again. */
  readonly good: readonly Range[];
}

export interface LookOptions extends WatchdogLimits, RetryOptions {
  /** Requests at once. */
  readonly lanes: number;
}

interface PutPart extends Range {
  readonly wanted: Wanted;
}

/** Of a file that is whole and open. Rejects as DiskFailed. */
export async function secondLook(s3: S3Handle, file: PartFile, wanted: Wanted, broken: BrokenBodyError, options: LookOptions): Promise<SecondLook> {
  const parts = wasPutInParts(file.listed) ? await putParts(s3, file.listed, options) : [];
  options.signal.throwIfAborted();
  const again = await overTrueParts(file, wanted, parts, broken);
  if (again === undefined) return { broken: again, good: [] };
  const good: Range[] = [];
  for (const { from, to, wanted: { sum, hex } } of file.isWhole ? [] : parts) {
    options.signal.throwIfAborted();
    if (sum !== undefined && await file.sumOf(sum, { from, to }) === hex) good.push({ from, to });
  }
  return { broken: again, good: good.length === parts.length ? [] : good };
}

/** A sum over parts is taken for one over parts of equal length, as nearly all clients put them. Some do not. */
async function overTrueParts(file: PartFile, { sum, hex = '' }: Wanted, parts: readonly PutPart[], broken: BrokenBodyError): Promise<BrokenBodyError | undefined> {
  const { algorithm, partBytes } = sum ?? {};
  if (algorithm === undefined || partBytes === undefined || parts.every(({ from }, i) => from === i * partBytes)) return broken;
  const whole = startChecksum({ algorithm }, PLACES);
  for (const part of parts) whole.update(Buffer.from(await file.sumOf({ algorithm }, part), 'hex'));
  const found = await whole.hex();
  return found === hex ? undefined : new BrokenBodyError(`${algorithm} of ${parts.length} parts`, hex, found);
}

/** In the file's order, all of it; nothing where the source does not say. Why it would not, the next GET will tell. */
async function putParts(s3: S3Handle, listed: ListedFile, options: LookOptions): Promise<readonly PutPart[]> {
  try {
    const first = await headOf(s3, listed, 1, options);
    const count = Math.min(first.PartsCount ?? 0, MAX_PUT_PARTS);
    const heads = [first];
    while (heads.length < count) {
      const next = Array.from({ length: Math.min(options.lanes, count - heads.length) }, (_, i) => heads.length + i + 1);
      heads.push(...await Promise.all(next.map((partNumber) => headOf(s3, listed, partNumber, options))));
    }
    let at = 0;
    const parts = heads.map((head): PutPart => ({ from: at, to: (at += head.ContentLength ?? 0), wanted: wantedOf(sumsOf(head), undefined) }));
    return at === listed.size && parts.every(({ from, to }) => to > from) ? parts : [];
  } catch {
    return [];
  }
}

function headOf(s3: S3Handle, { key, etag, versionId }: ListedFile, partNumber: number, options: LookOptions): Promise<HeadObjectCommandOutput> {
  const command = new HeadObjectCommand({ Bucket: s3.location.bucket, Key: key, PartNumber: partNumber, ChecksumMode: 'ENABLED', ...(etag === undefined ? {} : { IfMatch: etag }), ...(versionId === undefined ? {} : { VersionId: versionId }) });
  return withRetries({ ref: s3.ref, verb: 'get', key }, options, () => watched(options, () => `the head of part ${partNumber}`, (signal, watchdog) => {
    watchdog.wait();
    return orAbort(s3.client.send(command, { abortSignal: signal }), signal);
  }));
}

/** As headers; what ends in `-3` is of the whole object again, and is left out by wantedOf. The ETag is the object's too. */
function sumsOf({ ChecksumSHA256, ChecksumCRC64NVME, ChecksumCRC32C, ChecksumCRC32, ChecksumSHA1 }: HeadObjectCommandOutput): ReadonlyMap<string, string> {
  const sums = { sha256: ChecksumSHA256, crc64nvme: ChecksumCRC64NVME, crc32c: ChecksumCRC32C, crc32: ChecksumCRC32, sha1: ChecksumSHA1 };
  return new Map(Object.entries(sums).flatMap(([name, value]) => (value === undefined ? [] : [[`x-amz-checksum-${name}`, value] as const])));
}
