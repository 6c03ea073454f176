// What a rollout gives one server's transition, and what it gets back.

import type { Failure } from './failures';
import type { Step } from './host';
import type { Digest, FleetName, ModelName, Pin, ServerName, Token, Version } from './names';
import type { Mode, Probe } from './request';
import type { StartGoal } from './rollout';
import type { RolloutState, ServerReport, TransitionEnd } from './rollout-facts';
import { tokenOf } from './rollout-state';
import type { SourceRef } from './source';

export interface TransitionInput {
  readonly fleet: FleetName;
  readonly server: ServerName;
  readonly model: ModelName;
  readonly token: Token;
  /** Absent: nothing of this model shall be served. */
  readonly version?: Version;
  readonly source?: SourceRef;
  readonly pin?: Pin;
  readonly digest?: Digest;
  readonly bytes?: number;
  readonly knownBad?: readonly Digest[];
  readonly allowReuse?: true;
  /** Its directory stays too, until another version has taken over. */
  readonly retained?: Version;
  readonly mode: Mode;
  /** Stay at the gate, the version before still loaded, until released. */
  readonly bake: boolean;
  /** Its first call is the download, which begins the attempt as well. Without a pin it fetches by its host's own listing, and goes no further before it is told one by the `pin` signal. */
  readonly overtakes?: true;
  /** What the server served before this rollout, once somebody saw it. */
  readonly before?: { readonly version?: Version };
  readonly probe?: Probe;
  readonly drainSeconds: number;
  readonly loadDeadlineSeconds: number;
  readonly unloadDeadlineSeconds: number;
  readonly reportTo?: { readonly workflowId: string; readonly runId: string };
}

export interface TransitionResult {
  readonly end: TransitionEnd;
  /** Absent when the agent was never seen. */
  readonly report?: ServerReport;
}

export function transitionInput(state: RolloutState, server: ServerName, attempt: number, goal: StartGoal, reportTo: TransitionInput['reportTo']): TransitionInput {
  const { fleet, model, source, strategy, probe, retire, allowKnownBad, allowReuse } = state.request;
  const before = state.servers[server]?.before;
  const forward = goal.direction === 'forward' && !retire;
  const knownBad = allowKnownBad ? [] : (state.claim?.knownBad ?? []).map((one) => one.digest);
  return {
    fleet, server, model, token: tokenOf(state, attempt), mode: strategy.mode, bake: goal.bake,
    drainSeconds: strategy.drainSeconds, loadDeadlineSeconds: strategy.loadDeadlineSeconds, unloadDeadlineSeconds: strategy.unloadDeadlineSeconds,
    ...(goal.version === undefined ? {} : { version: goal.version }),
    ...(goal.overtakes === undefined ? {} : { overtakes: goal.overtakes }),
    ...(before === undefined ? {} : { before }),
    ...(state.claim?.retained === undefined ? {} : { retained: state.claim.retained }),
    ...(reportTo === undefined ? {} : { reportTo }),
    // Going back needs no source and must not be probed with the candidate's answers.
    ...(forward && source !== undefined ? { source } : {}),
    ...(forward && knownBad.length > 0 ? { knownBad } : {}),
    ...(forward && allowReuse ? { allowReuse } : {}),
    ...(forward && probe !== undefined ? { probe } : {}),
    ...(forward && state.resolved !== undefined ? { pin: state.resolved.pin, bytes: state.resolved.bytes } : {}),
    ...(forward && state.digest !== undefined ? { digest: state.digest } : {}),
  };
}

/** A step that Temporal ended for us: what its time-out means. */
export function failureOfTimeout(step: Step | 'beginAttempt', server: ServerName, what: string): Failure {
  const message = `${server}: ${step} was ended by its ${what} time-out`;
  switch (step) {
    case 'downloadVersion': return { code: 'SourceUnreachable', message };
    case 'awaitAvailable': return { code: 'ProgressDeadlineExceeded', message };
    case 'unloadVersion': return { code: 'DrainTimeout', message };
    case 'reloadConfig': return { code: 'ServerWedged', message };
    default: return { code: 'ServerUnreachable', message };
  }
}
