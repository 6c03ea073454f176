// drainVersion: labels leave the version; it stays listed, and served, until its clients have had their time.

import type { DrainInput } from '../domain/host';
import type { Version } from '../domain/names';
import { nowMs } from './clock';
import type { ModelEntry } from './journal-format';
import { pause, type Live } from './live';
import { LOOK_EVERY_MS } from './look';
import type { Parts } from './parts';

/** Counts from the journalled start: a retry, or an agent that was restarted, waits only for the rest. */
export async function drainVersion(parts: Parts, input: DrainInput, live: Live): Promise<void> {
  const { attempt: { model }, version } = input;
  if (labelsTo(parts.journal.entry(model), version).length > 0) await parts.list.change(model, live, (entry) => ({ ...entry, labels: movedLabels(entry, version) }));
  live.assert();
  await parts.journal.update(model, (entry) => ({ ...entry, leaving: { ...entry.leaving, [version]: { ...entry.leaving[version], drainSinceMs: entry.leaving[version]?.drainSinceMs ?? Math.round(nowMs()) } } }));
  for (;;) {
    // A start in the future was written by another clock: then the whole time is waited, not more.
    const leftMs = Math.min(input.drainSeconds * 1000, (parts.journal.entry(model).leaving[version]?.drainSinceMs ?? nowMs()) + input.drainSeconds * 1000 - nowMs());
    if (leftMs <= 0) break;
    live.report({ step: 'drainVersion', waiting: 'the drain time', leftSec: Math.ceil(leftMs / 1000) });
    await pause(Math.min(leftMs, 5 * LOOK_EVERY_MS), live.signal);
  }
  live.assert();
  await parts.journal.update(model, (entry) => ({ ...entry, drained: [...new Set([...entry.drained, version])] }));
}

function labelsTo(entry: ModelEntry, version: Version): readonly string[] {
  return Object.entries(entry.labels).filter(([, to]) => to === version).map(([label]) => label);
}

/** To what was promoted, which is AVAILABLE; a refused label would apply nothing of the reload (TF Serving reference §15, E7). */
function movedLabels(entry: ModelEntry, from: Version): Readonly<Record<string, Version>> {
  const to = entry.promoted === from ? undefined : entry.promoted;
  return Object.fromEntries(Object.entries(entry.labels).flatMap(([label, version]) => (version !== from ? [[label, version]] : to === undefined ? [] : [[label, to]])));
}
