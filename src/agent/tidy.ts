// What an attempt that is over may leave in staging: whole files on record, and, where it died instead of being stopped, the parts on log. A later attempt of the same
// listing goes on with them. Nothing else stays.

import type { ModelName } from '../domain/names';
import { PART_LOG_NAME, filesOnPartLog } from '../source/part-log';
import { readPartialRecord } from './partial-record';
import { allEnded, type Live } from './live';
import type { Parts } from './parts';
import { keepOnly } from './tree';

/** Nobody goes on with what is in staging. */
export async function discardPartial(parts: Parts, model: ModelName, live: Live): Promise<void> {
  if (parts.journal.entry(model).partial === undefined) return;
  live.assert();
  await parts.journal.update(model, (entry) => ({ ...entry, partial: undefined }));
  await parts.store.sweep(model, undefined);
}

/** Called while nothing of the model runs. @param halves half-written files: an abort takes them back; whoever only went on after a death keeps what the parts log knows of */
export async function tidyPartial(parts: Parts, model: ModelName, halves: 'kept' | 'gone'): Promise<void> {
  const { partial } = parts.journal.entry(model);
  const path = partial === undefined ? undefined : parts.store.stagingPath(model, partial.version, partial.pin);
  const keep = path === undefined || partial === undefined ? new Set<string>() : new Set((await readPartialRecord(path))?.files.map((file) => file.path));
  const onLog = path === undefined || partial === undefined || halves === 'gone' ? new Set<string>() : await filesOnPartLog(path, partial.pin);
  if (onLog.size > 0) for (const file of [...onLog, PART_LOG_NAME]) keep.add(file);
  // The record outlives its bytes where the agent died between the rename that staged them and the journal's word of it.
  const keeps = path !== undefined && keep.size > 0 && !parts.store.isCondemned(path) && await parts.store.isThere(path);
  if (keeps) {
    await parts.store.sweep(model, path);
    return keepOnly(path, keep);
  }
  // Side by side, because an abort waits for both: a journal that still names what is gone, and bytes that no journal names, are tidied by whoever comes next.
  await allEnded([...partial === undefined ? [] : [parts.journal.update(model, (entry) => ({ ...entry, partial: undefined }))], parts.store.sweep(model, undefined)]);
}
