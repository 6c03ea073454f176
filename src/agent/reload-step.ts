// reloadConfig: the version beside what is listed. OK means accepted, not loaded (TF Serving reference §11.1).

import { fail } from '../domain/failures';
import type { Attempt } from '../domain/host';
import { formatToken, type ModelName, type Version } from '../domain/names';
import { nowMs } from './clock';
import type { ModelEntry } from './journal-format';
import { pause, withDeadline, type Live } from './live';
import { lookUntilCertain, wedged } from './look';
import type { Parts } from './parts';
import { isReal, listedOf } from './view';

/** Shorter than the activity's own bound, so that the step ends with its own failure. A known name is answered in milliseconds, a new one within a poll. */
const reloadDeadlineMs = 100_000;

/** Lists the version, again where it is listed already: the answer to "is it?" is a reload. The journalled candidate is what an abort takes off again. */
export async function reloadConfig(parts: Parts, attempt: Attempt, live: Live): Promise<void> {
  const { model, version } = attempt;
  if (version === undefined) throw new Error('reloadConfig without a version');
  const { lost, staged } = parts.journal.entry(model);
  if (lost?.version === version) throw fail('LoadFailed', `load ${model}/${version} on ${parts.server}: ${lost.message}; a new attempt may try again`, { version, found: lost.message });
  if (staged[version] === undefined || !await parts.store.has(model, version)) throw new Error(`reloadConfig of ${model}/${version}, which is not staged`);
  await refuseBesideStale(parts, model, version, live);
  // A restart since the last look brought back what was promoted: it leaves again first.
  if (attempt.alone === true && listedOf(parts.journal.entry(model)).some((other) => other !== version)) return;
  await untilNoticedGone(parts, model, version, live);
  await withDeadline(live, reloadDeadlineMs, () => wedged(parts), async (inTime) => {
    const list = (): Promise<void> => parts.list.change(model, inTime, (entry) => withCandidate(entry, attempt, version));
    if (parts.journal.entry(model).registered === 'yes') return list();
    // The sentinel of a new name cannot fail, and so cannot answer, while a drain freezes the server (TF Serving reference §15, E6).
    return parts.drains.run(inTime.signal, () => live.report({ step: 'reloadConfig', waiting: 'a drain of this server to end' }), list);
  });
}

/** One candidate: the next is listed only when the last has ended (DESIGN §11). */
async function refuseBesideStale(parts: Parts, model: ModelName, version: Version, live: Live): Promise<void> {
  await lookUntilCertain(parts, model, live.signal);
  const entry = parts.journal.entry(model);
  for (const other of parts.observer.versions(model)) {
    if (!isReal(other) || listedOf(entry).includes(other)) continue;
    const state = parts.observer.state(model, other, nowMs());
    if (state !== undefined && state !== 'END') throw fail('StoreBusy', `list ${model}/${version} on ${parts.server}: ${model}/${other} is not listed any more and has not ended: want END, found ${state}`, { version, other, want: 'END', found: state });
  }
  const { candidate } = entry;
  if (candidate !== undefined && candidate.version !== version) throw new Error(`${model}/${version} at ${formatToken(entry.token)}: ${model}/${candidate.version} is still a candidate`);
}

/** The same number again: the server must first have seen the list without it, or it keeps the load that failed. */
async function untilNoticedGone(parts: Parts, model: ModelName, version: Version, live: Live): Promise<void> {
  const { aspired, leaving } = parts.journal.entry(model);
  const unlistedMs = leaving[version]?.unlistedSinceMs;
  if (aspired.includes(version) || unlistedMs === undefined) return;
  const leftMs = unlistedMs + parts.observer.noticedAfterMs - nowMs();
  if (leftMs <= 0) return;
  live.report({ step: 'reloadConfig', waiting: `the server to notice the list without ${version}` });
  await pause(leftMs, live.signal);
}

function withCandidate(entry: ModelEntry, attempt: Attempt, version: Version): ModelEntry {
  const { [version]: _gone, ...leaving } = entry.leaving;
  return {
    ...entry,
    aspired: [...new Set([...entry.aspired, version])],
    candidate: entry.promoted === version ? entry.candidate : { version, token: attempt.token, sinceMs: entry.candidate?.sinceMs ?? Math.round(nowMs()), accepted: entry.candidate?.accepted ?? false },
    drained: entry.drained.filter((one) => one !== version),
    leaving,
  };
}
