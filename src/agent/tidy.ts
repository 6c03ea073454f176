// What an attempt that is over may leave in staging: whole files on record, which a later attempt of the same listing goes on with; nothing else.

import type { ModelName } from '../domain/names';
import { readPartialRecord } from './partial-record';
import type { Parts } from './parts';
import { keepOnly } from './tree';

/** Half-written files go, and with the last whole one the directory. Called while nothing of the model runs. */
export async function tidyPartial(parts: Parts, model: ModelName): Promise<void> {
  const { partial } = parts.journal.entry(model);
  const path = partial === undefined ? undefined : parts.store.stagingPath(model, partial.version, partial.pin);
  const record = path === undefined ? undefined : await readPartialRecord(path);
  // The record outlives its bytes where the agent died between the rename that staged them and the journal's word of it.
  const keeps = path !== undefined && record !== undefined && record.files.length > 0 && !parts.store.isCondemned(path) && await parts.store.isThere(path);
  if (!keeps && partial !== undefined) await parts.journal.update(model, (entry) => ({ ...entry, partial: undefined }));
  await parts.store.sweep(model, keeps ? path : undefined);
  if (keeps) await keepOnly(path, new Set(record.files.map((file) => file.path)));
}
