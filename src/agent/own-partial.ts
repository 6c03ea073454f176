// The bytes on their way: those that this attempt may go on with, and the place for its own.

import type { Attempt } from '../domain/host';
import type { ModelName, Pin, Version } from '../domain/names';
import { onDisk } from './disk-failure';
import { makeDirectory } from './durable-file';
import { allEnded } from './live';
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

/** One staging directory per model: others belong to attempts that are over. Journalled and swept side by side, because the next load waits for both; no byte comes before either. */
export async function takePartial({ journal, store }: Parts, model: ModelName, partial: { readonly version: Version; readonly pin: Pin }): Promise<void> {
  const path = store.stagingPath(model, partial.version, partial.pin);
  await allEnded([journal.update(model, (entry) => ({ ...entry, partial })), store.sweep(model, path)]);
  await onDisk('make the staging directory', () => makeDirectory(path));
}
