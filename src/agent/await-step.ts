// awaitAvailable: until the server serves exactly this version and it answers rightly; only then is it promoted.

import { fail, type SegueError } from '../domain/failures';
import type { AwaitInput, Probed } from '../domain/host';
import { compareVersions, type Digest, type ModelName, type Version } from '../domain/names';
import { nowMs } from './clock';
import { diagnosisText } from './diagnosis-text';
import type { ModelEntry } from './journal-format';
import { pause, withDeadline, type Live } from './live';
import { LOOK_EVERY_MS, lookAt } from './look';
import type { Parts } from './parts';
import { probeVersion } from './probe';

/** Fails as LoadFailed with the server's own text, ProgressDeadlineExceeded, or ProbeMismatch. The deadline runs from the list that named the version. */
export async function awaitAvailable(parts: Parts, input: AwaitInput, live: Live): Promise<Probed> {
  const { attempt: { model }, version } = input;
  const { candidate } = parts.journal.entry(model);
  const sinceMs = candidate?.version === version ? candidate.sinceMs : nowMs();
  const leftMs = sinceMs + input.loadDeadlineSeconds * 1000 - nowMs();
  const probed = await withDeadline(live, leftMs, () => late(parts, input), async (inTime) => {
    await untilAvailable(parts, input, inTime);
    return probeVersion(parts, model, version, input.probe, inTime);
  });
  live.assert();
  await promote(parts, model, version);
  return probed;
}

async function untilAvailable(parts: Parts, input: AwaitInput, live: Live): Promise<void> {
  const { attempt: { model }, version } = input;
  for (;;) {
    const state = await lookAt(parts, model, version, live);
    const entry = parts.journal.entry(model);
    if (entry.lost?.version === version) throw loadFailed(parts, input, entry.lost.message);
    if (state !== 'no answer') {
      if (!entry.aspired.includes(version)) throw new Error(`awaitAvailable of ${model}/${version}, which is not listed`);
      if (state === 'AVAILABLE') return;
      if (state === 'END') throw loadFailed(parts, input, endOf(parts, model, version));
    }
    live.report({ step: 'awaitAvailable', waiting: state === 'no answer' ? 'the model server to answer' : `AVAILABLE, found ${state ?? 'no state yet'}` });
    await pause(LOOK_EVERY_MS, live.signal);
  }
}

/** What was AVAILABLE and probed is what a restart boots, and what its number means for ever. */
async function promote(parts: Parts, model: ModelName, version: Version): Promise<void> {
  await parts.journal.update(model, (entry) => {
    const content = entry.staged[version]?.digest;
    return {
      ...entry, promoted: version, candidate: entry.candidate?.version === version ? undefined : entry.candidate,
      drained: entry.drained.filter((one) => one !== version),
      ...(content === undefined ? {} : { served: remembered(entry.served, version, content) }),
    };
  });
  await parts.boot.write();
}

/** Far more numbers than a server will ever be sent back to; each costs the journal a line at every write. */
const SERVED_REMEMBERED = 1_000;

function remembered(served: ModelEntry['served'], version: Version, content: Digest): ModelEntry['served'] {
  const all = Object.entries({ ...served, [version]: content }) as [Version, Digest][];
  return Object.fromEntries(all.sort(([a], [b]) => compareVersions(b, a)).slice(0, SERVED_REMEMBERED));
}

function endOf(parts: Parts, model: ModelName, version: Version): string {
  const entry = parts.observer.entry(model, version);
  return entry === undefined || entry.code === 'OK' ? 'the server unloaded it although it is listed; is its directory gone?' : `${entry.code}: ${entry.message}`;
}

function loadFailed(parts: Parts, { attempt: { model }, version }: AwaitInput, found: string): SegueError {
  return fail('LoadFailed', `load ${model}/${version} on ${parts.server}: want AVAILABLE, found END: ${found}`, { version, want: 'AVAILABLE', found });
}

function late(parts: Parts, { attempt: { model }, version, loadDeadlineSeconds }: AwaitInput): SegueError {
  const found = parts.list.doubt ?? parts.observer.state(model, version, nowMs()) ?? 'no state yet';
  return fail('ProgressDeadlineExceeded', `load ${model}/${version} on ${parts.server}: want AVAILABLE and probed within ${loadDeadlineSeconds} s, found ${found}${diagnosisText(parts)}`, { version, want: 'AVAILABLE', found, seconds: loadDeadlineSeconds });
}
