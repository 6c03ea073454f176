// After a doubt (a lost connection, an unanswered or refused list, our own start): what the server's history says about whether it is still the same
// process, and what the list shall say then. No RPC reads the list back, so this is all there is to go by (TF Serving reference §11.8).

import type { ModelName, Version } from '../domain/names';
import type { ModelStatus } from '../serving/client';
import type { ModelEntry } from './journal-format';

/**
 * Some version has a history that a boot file of ours would not give: a sentinel, one that ended, a candidate. Only our own lists can have made it, and those went
 * to the process we knew. Without such a witness the answer is no, which costs nothing: what was promoted is asserted again.
 */
export function isSameIncarnation(models: ReadonlyMap<ModelName, ModelEntry>, statuses: ReadonlyMap<ModelName, ModelStatus>): boolean {
  return [...models].some(([model, entry]) => historyOf(statuses.get(model)).some((version) => version !== entry.promoted));
}

/**
 * What of this model shall be listed now. A candidate without a history is gone with the process that was loading it, and perhaps killed it: never listed again by
 * its token (DESIGN §6). One that the server never confirmed is forgotten; its step lists it again.
 */
export function afterDoubt(entry: ModelEntry, status: ModelStatus, same: boolean): ModelEntry {
  const candidate = entry.candidate;
  const lives = candidate !== undefined && historyOf(status).includes(candidate.version);
  const aspired = same ? entry.aspired.filter((version) => version !== candidate?.version || lives) : entry.promoted === undefined ? [] : [entry.promoted];
  const known = status !== 'unknown model';
  return {
    ...entry,
    aspired,
    unsure: [...new Set([...entry.unsure, ...entry.aspired])].filter((version) => !aspired.includes(version)),
    candidate: lives ? { ...candidate, accepted: true } : undefined,
    ...(candidate?.accepted === true && !lives ? { lost: { version: candidate.version, message: `the model server restarted while it was loading version ${candidate.version}` } } : {}),
    labels: same ? entry.labels : Object.fromEntries(Object.entries(entry.labels).filter(([, version]) => aspired.includes(version))),
    registered: known ? (isOurs(entry) ? 'yes' : 'no') : aspired.length > 0 ? 'asked' : 'no',
  };
}

/** A name the server knows although we neither asked for it nor promoted anything of it was given to it by somebody else. */
function isOurs(entry: ModelEntry): boolean {
  return entry.registered !== 'no' || entry.promoted !== undefined;
}

function historyOf(status: ModelStatus | undefined): readonly Version[] {
  return status === undefined || status === 'unknown model' ? [] : [...status.keys()];
}
