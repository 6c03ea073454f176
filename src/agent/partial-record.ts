// What is known of a version on its way, beside its bytes: so that a retry, or the agent after a crash, goes on instead of beginning anew.

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Digest, Pin, Version } from '../domain/names';
import type { ManifestFile } from '../domain/source';
import type { DownloadedFile } from '../source/download';
import type { PartialVersion } from '../domain/view';
import { diskFailure, isMissing } from './disk-failure';
import { replaceDurably } from './durable-file';

export interface PartialRecord {
  readonly version: Version;
  readonly pin: Pin;
  /** Bytes wanted. */
  readonly of: number;
  /** Whole on the disk, with the checksum seen while they arrived. */
  readonly files: readonly DownloadedFile[];
  readonly phase: PartialVersion['phase'];
  /** Once verified. */
  readonly digest?: Digest | undefined;
  /** The agent process that saw the bytes arrive: another one hashes them again before it believes them (a power cut keeps names and loses bytes). */
  readonly writer: string;
}

const schema = z.strictObject({
  version: z.string(), pin: z.string(), of: z.number().nonnegative(), phase: z.enum(['fetching', 'fetched', 'verified']), digest: z.string().optional(), writer: z.string(),
  files: z.array(z.strictObject({ path: z.string(), size: z.number().nonnegative(), sha256: z.string().length(64), authority: z.string().optional() })),
});

/** @param stagingPath the directory of the bytes; the record lies beside it. */
export async function writePartialRecord(stagingPath: string, record: PartialRecord): Promise<void> {
  await replaceDurably(`${stagingPath}.json`, `${JSON.stringify(record)}\n`);
}

/** Nothing where there is none, or none that can be read: then the bytes are fetched again, which is safe. */
export async function readPartialRecord(stagingPath: string): Promise<PartialRecord | undefined> {
  let text: string;
  try {
    text = await readFile(`${stagingPath}.json`, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw diskFailure(error, `read ${stagingPath}.json`);
  }
  try {
    return schema.parse(JSON.parse(text)) as unknown as PartialRecord;
  } catch {
    return undefined;
  }
}

export function bytesOf(files: readonly ManifestFile[]): number {
  return files.reduce((sum, file) => sum + file.size, 0);
}
