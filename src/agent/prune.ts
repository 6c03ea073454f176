// Removes version directories that nobody needs. What is not known for certain is kept (DESIGN §11, Fail closed).

import type { Attempt } from '../domain/host';
import type { Version } from '../domain/names';
import { nowMs } from './clock';
import type { Live } from './live';
import { lookUntilCertain } from './look';
import type { Parts } from './parts';
import { listedOf } from './view';

/** Kept: what is or may be listed, promoted, retained, the attempt's own, and whatever has not ended. Only what the journal says this agent staged is ever removed. */
export async function prune(parts: Parts, attempt: Attempt, live: Live): Promise<void> {
  const { model } = attempt;
  const unneeded = (): readonly Version[] => {
    const entry = parts.journal.entry(model);
    const needed = new Set<Version | undefined>([...listedOf(entry), ...attempt.retain, attempt.version, entry.promoted]);
    return (Object.keys(entry.staged) as Version[]).filter((version) => !needed.has(version));
  };
  if (unneeded().length === 0) return;
  await lookUntilCertain(parts, model, live.signal);
  for (const version of unneeded()) {
    const state = parts.observer.state(model, version, nowMs());
    if (state !== undefined && state !== 'END') continue;
    await parts.store.remove(model, version, live.assert);
    await parts.journal.update(model, (now) => {
      const { [version]: _staged, ...staged } = now.staged;
      const { [version]: _leaving, ...leaving } = now.leaving;
      return { ...now, staged, leaving, drained: now.drained.filter((one) => one !== version) };
    });
    parts.log(`removed ${model}/${version}, which nothing needs`, { model, version });
  }
}
