// Looks at the model server all the time, with or without Temporal: a server that comes back gets what was promoted, at once (DESIGN §6).

import { nowMs } from './clock';
import type { DriftWatch } from './drift';
import { LOOK_EVERY_MS } from './look';
import { pause } from './live';
import type { Parts } from './parts';
import { RpcFailure } from '../serving/rpc';

export interface Watcher {
  stop(): Promise<void>;
}

/** @param pollMs between looks while all is well. */
export function startWatcher(parts: Parts, drift: DriftWatch, pollMs: number): Watcher {
  const stop = new AbortController();
  let wake = new AbortController();
  parts.list.onDoubt(() => wake.abort(new Error('a doubt came up')));
  let said: string | undefined;
  const say = (message: string | undefined): void => {
    if (message !== undefined && message !== said) parts.log(message);
    if (message === undefined && said !== undefined) parts.log('the model server answers, and its list is certain', { incarnation: parts.journal.incarnation });
    said = message;
  };
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const problem = await look(parts, drift, stop.signal);
      if (stop.signal.aborted) return;
      say(problem?.message);
      wake = new AbortController();
      // A refusal is not cured by haste; a server that starts is waited for by its clients.
      const calm = problem?.refused ?? parts.list.doubt === undefined;
      await pause(calm ? pollMs : LOOK_EVERY_MS, wake.signal).catch(() => undefined); // Waking is no failure.
    }
  };
  const running = run();
  return {
    stop: async () => {
      const reason = new Error('the agent stops');
      stop.abort(reason);
      wake.abort(reason);
      await running;
    },
  };
}

interface Problem {
  readonly message: string;
  readonly refused: boolean;
}

async function look(parts: Parts, drift: DriftWatch, signal: AbortSignal): Promise<Problem | undefined> {
  try {
    await parts.list.settle(signal);
    for (const [model, entry] of parts.journal.models) {
      if (entry.registered === 'yes') parts.observer.record(model, await parts.client.status(model, { signal }), nowMs());
    }
    await drift.look();
    return undefined;
  } catch (error) {
    if (error instanceof RpcFailure && error.unanswered && !signal.aborted) parts.list.doubtful(`the model server does not answer: ${error.code}`, true);
    return { message: (error as Error).message, refused: (error as { code?: unknown }).code !== 'ServerUnreachable' };
  }
}
