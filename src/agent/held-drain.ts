// What to do about a drain that requests in flight do not let end: they may hold it for ever, and meanwhile no transition of the server moves (TF Serving reference §11.17).

import type { Version } from '../domain/names';
import type { Live } from './live';
import type { Parts } from './parts';

/** wait: only the step's deadline ends it. alert: say it in the log and in heartbeats. restart: end the requests with the server, where somebody can start it again; else alert. */
export interface HeldDrainPolicy {
  readonly afterSeconds: number;
  readonly then: 'wait' | 'alert' | 'restart';
}

/** Clients with deadlines have ended long before. */
export const DEFAULT_HELD_DRAIN: HeldDrainPolicy = { afterSeconds: 30, then: 'alert' };

/** Starts the model server again. Resolves when the old process is gone. */
export type RestartServer = (why: string) => Promise<void>;

/** What a policy asks for now. */
export function escalation(policy: HeldDrainPolicy, heldForMs: number, supervised: boolean): HeldDrainPolicy['then'] {
  if (heldForMs < policy.afterSeconds * 1000) return 'wait';
  return policy.then === 'restart' && !supervised ? 'alert' : policy.then;
}

/** One drain's escalation: each measure is taken once. */
export function heldDrain(parts: Pick<Parts, 'heldDrain' | 'restartServer' | 'log' | 'server'>, what: string, version: Version): { look(heldForMs: number, live: Live): Promise<void> } {
  let taken: HeldDrainPolicy['then'] = 'wait';
  return {
    async look(heldForMs, live) {
      const measure = escalation(parts.heldDrain, heldForMs, parts.restartServer !== undefined);
      const seconds = Math.round(heldForMs / 1000);
      live.report({ step: 'unloadVersion', waiting: 'handles', heldSec: seconds, ...(measure === 'wait' ? {} : { escalated: measure }) });
      if (measure === taken) return;
      taken = measure;
      const why = `${parts.server}: ${what} waits on handles for ${seconds} s: requests in flight, of any model, hold version ${version}, and nothing on this server loads or unloads until they end`;
      parts.log(why, { cause: 'heldHandle', measure, heldForMs: Math.round(heldForMs) });
      if (measure !== 'restart') return;
      live.assert();
      await parts.restartServer?.(why);
    },
  };
}
