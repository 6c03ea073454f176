// unloadVersion: out of the list, then END, then directories nobody needs any more are removed.

import { fail, type SegueError } from '../domain/failures';
import type { UnloadInput } from '../domain/host';
import type { Version } from '../domain/names';
import type { ServableState } from '../domain/view';
import { nowMs } from './clock';
import { diagnosisText } from './diagnosis-text';
import { heldDrain } from './held-drain';
import type { ModelEntry } from './journal-format';
import { pause, withDeadline, type Live } from './live';
import { LOOK_EVERY_MS, lookAt, wedged } from './look';
import type { Parts } from './parts';
import { prune } from './prune';
import { listedOf } from './view';

/** A version that no list names any more is only awaited. Fails as DrainTimeout where requests hold it, as ServerWedged where its load does not end. */
export async function unloadVersion(parts: Parts, input: UnloadInput, live: Live): Promise<void> {
  const { attempt, version } = input;
  if (attempt.version === undefined) await forgetPromoted(parts, input, live);
  await parts.drains.run(live.signal, () => live.report({ step: 'unloadVersion', waiting: 'another drain of this server to end' }), async () => {
    await withDeadline(live, input.unloadDeadlineSeconds * 1000, () => late(parts, input), async (inTime) => {
      if (listedOf(parts.journal.entry(attempt.model)).includes(version)) await parts.list.change(attempt.model, inTime, (entry) => without(entry, version));
      await untilEnded(parts, input, inTime);
    });
  });
  live.assert();
  await prune(parts, attempt, live);
}

/** Nothing shall be served any more: a restart in between must not bring it back. */
async function forgetPromoted(parts: Parts, { attempt: { model }, version }: UnloadInput, live: Live): Promise<void> {
  if (parts.journal.entry(model).promoted !== version) return;
  live.assert();
  await parts.journal.update(model, (entry) => ({ ...entry, promoted: undefined }));
  await parts.boot.write();
}

async function untilEnded(parts: Parts, { attempt: { model }, version }: UnloadInput, live: Live): Promise<void> {
  const held = heldDrain(parts, `unload ${model}/${version}`, version);
  for (;;) {
    const state = await lookAt(parts, model, version, live);
    if (state !== 'no answer') {
      // A restart in between asserted it again, as promoted: the caller looks and decides.
      if (listedOf(parts.journal.entry(model)).includes(version)) return;
      if (state === undefined || state === 'END') return;
    }
    if (state === 'UNLOADING') await held.look(nowMs() - (parts.observer.entry(model, version)?.sinceMs ?? nowMs()), live);
    else live.report({ step: 'unloadVersion', waiting: state === 'no answer' ? 'the model server to answer' : `END, found ${state}` });
    await pause(LOOK_EVERY_MS, live.signal);
  }
}

export function without(entry: ModelEntry, version: Version): ModelEntry {
  return {
    ...entry,
    aspired: entry.aspired.filter((one) => one !== version),
    labels: Object.fromEntries(Object.entries(entry.labels).filter(([, to]) => to !== version)),
    candidate: entry.candidate?.version === version ? undefined : entry.candidate,
    leaving: { ...entry.leaving, [version]: { ...entry.leaving[version], unlistedSinceMs: Math.round(nowMs()) } },
  };
}

function late(parts: Parts, { attempt: { model }, version, unloadDeadlineSeconds }: UnloadInput): SegueError {
  if (parts.list.unansweredMs !== undefined) return wedged(parts);
  const what = `unload ${model}/${version} on ${parts.server}`;
  if (parts.list.doubt !== undefined) return fail('ServerUnreachable', `${what}: ${parts.list.doubt}`, { version });
  const found: ServableState | undefined = parts.observer.state(model, version, nowMs());
  const detail = { version, want: 'END', found, seconds: unloadDeadlineSeconds };
  if (found === 'START' || found === 'LOADING') return fail('ServerWedged', `${what}: want END within ${unloadDeadlineSeconds} s, found ${found}: its load cannot be interrupted and does not end${diagnosisText(parts)}`, detail);
  return fail('DrainTimeout', `${what}: want END within ${unloadDeadlineSeconds} s, found ${found ?? 'no state'}: waiting on handles, which requests in flight hold, of any model`, { ...detail, on: 'handles' });
}
