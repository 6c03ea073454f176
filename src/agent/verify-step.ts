// verifyVersion: what is on the disk is what arrived, is what was wanted, and is a SavedModel.

import { fail, type SegueError } from '../domain/failures';
import type { Attempt } from '../domain/host';
import type { ManifestFile } from '../domain/source';
import { checkSavedModel } from '../savedmodel/check';
import { digestOf } from '../source/manifest';
import { onDiskUntil } from './disk-failure';
import type { Live } from './live';
import { bytesOf, writePartialRecord, type PartialRecord } from './partial-record';
import type { Parts } from './parts';
import { ownPartial } from './own-partial';
import { rateMeter } from './rate';
import { hashTree } from './tree';

/** Nothing to do where nothing is fetched; the view says so. What fails is removed: it would fail again. */
export async function verifyVersion(parts: Parts, attempt: Attempt, live: Live): Promise<void> {
  const own = await ownPartial(parts, attempt);
  if (own?.record.phase !== 'fetched') return;
  const { path, record } = own;
  const found = await hashTree(path, live.signal, meter(bytesOf(record.files), live));
  const digest = digestOf(found);
  const failure = difference(attempt, record, found) ?? wrongDigest(attempt, digest) ?? await notServable(attempt, path, live);
  live.assert();
  if (failure !== undefined) {
    await parts.journal.update(attempt.model, (entry) => ({ ...entry, partial: undefined }));
    await parts.store.discard(path);
    throw failure;
  }
  await writePartialRecord(path, { ...record, phase: 'verified', digest });
}

function meter(of: number, live: Live): (bytes: number) => void {
  const rate = rateMeter('verifyVersion', of, live);
  let sum = 0;
  return (bytes) => rate(sum += bytes);
}

/** Both ways: each file as it arrived, and nothing else. */
function difference(attempt: Attempt, record: PartialRecord, found: readonly ManifestFile[]): SegueError | undefined {
  const onDisk = new Map(found.map((file) => [file.path, file]));
  for (const want of record.files) {
    const file = onDisk.get(want.path);
    if (file?.size !== want.size || file.sha256 !== want.sha256) return mismatch(attempt, want.path, `${want.size} bytes sha256:${want.sha256}`, file === undefined ? 'no file' : `${file.size} bytes sha256:${file.sha256}`);
    onDisk.delete(want.path);
  }
  const [extra] = onDisk.keys();
  return extra === undefined ? undefined : mismatch(attempt, extra, 'no such file', 'one that nobody fetched');
}

function wrongDigest(attempt: Attempt, found: string): SegueError | undefined {
  return attempt.digest === undefined || attempt.digest === found ? undefined : mismatch(attempt, 'the whole', attempt.digest, found);
}

function mismatch(attempt: Attempt, file: string, want: string, found: string): SegueError {
  return fail('IntegrityMismatch', `verify ${attempt.model}/${attempt.version} on ${attempt.server}: ${file}: want ${want}, found ${found}`, { file, want, found });
}

async function notServable(attempt: Attempt, path: string, live: Live): Promise<SegueError | undefined> {
  const report = await onDiskUntil(live.signal, `check ${path}`, () => checkSavedModel(path, { signal: live.signal }));
  if (report.ok) return undefined;
  const [first] = report.findings;
  const more = report.findings.length > 1 ? ` (and ${report.findings.length - 1} more)` : '';
  return fail('InvalidSavedModel', `verify ${attempt.model}/${attempt.version} on ${attempt.server}: ${first?.path}: ${first?.message}${more}`, { findings: report.findings });
}
