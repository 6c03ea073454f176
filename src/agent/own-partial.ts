// The bytes on their way that this attempt may go on with.

import type { Attempt } from '../domain/host';
import type { Pin, Version } from '../domain/names';
import { readPartialRecord, type PartialRecord } from './partial-record';
import type { Parts } from './parts';

export interface OwnPartial {
  readonly path: string;
  readonly version: Version;
  readonly pin: Pin;
  readonly record: PartialRecord;
}

/** Of this version and listing, and seen by this process: what another one believed is fetched, that is checked, again first. */
export async function ownPartial(parts: Parts, attempt: Attempt): Promise<OwnPartial | undefined> {
  const { partial } = parts.journal.entry(attempt.model);
  if (partial === undefined || partial.version !== attempt.version || (attempt.pin !== undefined && partial.pin !== attempt.pin)) return undefined;
  const path = parts.store.stagingPath(attempt.model, partial.version, partial.pin);
  const record = await readPartialRecord(path);
  return record?.writer === parts.processId ? { path, ...partial, record } : undefined;
}
