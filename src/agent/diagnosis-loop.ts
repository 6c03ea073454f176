// Says why nothing moves, while nothing moves: the same facts and the same words as `segue doctor`, in the agent's log and in the failures of steps that gave up.

import { diagnose, type Diagnosis, type ReloadFacts } from '../domain/diagnosis';
import { nowMs } from './clock';
import { lineOf } from './diagnosis-text';
import { gatherFacts } from './facts';
import { pause } from './live';
import type { Parts } from './parts';
import { isReal } from './view';

export interface DiagnosisLoop {
  stop(): Promise<void>;
}

/** A server that is wedged stays so; more looks would only cost it calls. */
const LOOK_AT_MOST_EVERY_MS = 1_000;

export function startDiagnosisLoop(parts: Parts, pollMs: number): DiagnosisLoop {
  const stop = new AbortController();
  const lookingSinceMs = nowMs();
  const run = async (): Promise<void> => {
    for (;;) {
      await pause(Math.max(pollMs, LOOK_AT_MOST_EVERY_MS), stop.signal);
      const found = isAnythingPending(parts) ? await look(parts, pollMs, lookingSinceMs, stop.signal) : [];
      for (const one of found) if (!isSaid(parts, one)) parts.log(lineOf(one), { cause: one.cause, severity: one.severity, evidence: one.evidence, next: one.next });
      parts.diagnoses.current = found;
    }
  };
  const running = run().catch((error: unknown) => {
    if (!stop.signal.aborted) parts.log(`the diagnosis of ${parts.server} ended: ${(error as Error).message}`);
  });
  return { stop: async () => { stop.abort(new Error('the agent stops')); await running; } };
}

function isSaid(parts: Parts, one: Diagnosis): boolean {
  return parts.diagnoses.current.some((said) => said.cause === one.cause);
}

/** With nothing on its way nothing can be stuck, and the server is not asked. */
function isAnythingPending(parts: Parts): boolean {
  if (parts.list.unansweredMs !== undefined || parts.list.doubt !== undefined) return true;
  return [...parts.journal.models].some(([model, entry]) => entry.candidate !== undefined || (entry.open && entry.partial !== undefined)
    || parts.observer.versions(model).some((version) => isReal(version) && isMoving(parts.observer.state(model, version, nowMs()))));
}

function isMoving(state: string | undefined): boolean {
  return state === 'START' || state === 'LOADING' || state === 'UNLOADING';
}

async function look(parts: Parts, pollMs: number, lookingSinceMs: number, signal: AbortSignal): Promise<readonly Diagnosis[]> {
  const { client, observer, journal, store } = parts;
  return diagnose(await gatherFacts({ client, observer, pollMs, models: journal.models, root: store.root, flags: await parts.serverFlags.read(journal.incarnation), reload: reloadFacts(parts), lookingSinceMs, inspectFiles: false, signal }));
}

function reloadFacts({ list }: Parts): ReloadFacts {
  if (list.unansweredMs !== undefined) return { kind: 'held', forMs: list.unansweredMs };
  if (list.refusal !== undefined) return { kind: 'refused', text: list.refusal };
  return { kind: 'free' };
}
