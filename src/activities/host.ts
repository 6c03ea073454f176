// The host's activities, as Temporal calls them: the agent does the work; here is only the heartbeat, the cancellation, and the word to the rollout that a step began.

import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { Attempt, HostActivities, Progress, ShownStep } from '../domain/host';
import type { Version } from '../domain/names';
import { asActivity } from './failing';

/** What the agent is given with each call. */
export interface HostCall {
  /** Aborted when Temporal cancels the activity or ends it by a time-out. */
  readonly signal: AbortSignal;
  /** Replaces what the next heartbeat carries. */
  heartbeat(details: Readonly<Record<string, unknown>>): void;
}

/** The agent's side of each activity. */
export type HostCalls = { readonly [K in keyof HostActivities]: (input: Parameters<HostActivities[K]>[0], call: HostCall) => ReturnType<HostActivities[K]> };

/** What an agent is to its activities. */
export type HostAgent = HostCalls & {
  /** What clients of this server get of this model at this moment: shown with each step. */
  servingVersion(model: Attempt['model']): Version | undefined;
};

type Tell = (to: NonNullable<Attempt['reportTo']>, progress: Progress) => Promise<void>;

/** Twice within the fastest throttle of a worker, so that a cancellation is heard within a second. */
const HEARTBEAT_EVERY_MS = 500;

/** A step that is over sooner is not told: nobody could have read it, and each word costs the control worker a workflow task while a rollout waits for its next one. */
const TOLD_AFTER_MS = 100;

/** `client` carries the `progress` signal to the rollout; what it says is shown, never decided upon, so it may fail. */
export function createHostActivities(agent: HostAgent, { client }: { readonly client: Client }): HostActivities {
  const told = inOrder(({ workflowId, runId }, progress) => client.workflow.getHandle(workflowId, runId).signal('progress', progress));
  const takesLong = (step: ShownStep, { reportTo, server, token, model }: Attempt, sinceMs: number): void => {
    if (reportTo === undefined) return;
    const version = agent.servingVersion(model);
    told(reportTo, { server, token, step, sinceMs, ...(version === undefined ? {} : { version }) });
  };
  const run = <T>(step: ShownStep | 'resolveSource', attempt: Attempt | undefined, effect: (call: HostCall) => Promise<T>): Promise<T> => {
    if (attempt === undefined || step === 'resolveSource') return beating(step, effect);
    const sinceMs = Date.now();
    const soon = setTimeout(() => takesLong(step, attempt, sinceMs), TOLD_AFTER_MS);
    return beating(step, effect).finally(() => clearTimeout(soon));
  };
  return {
    resolveSource: (input) => run('resolveSource', undefined, (call) => agent.resolveSource(input, call)),
    beginAttempt: (attempt) => run('beginAttempt', attempt, (call) => agent.beginAttempt(attempt, call)),
    downloadVersion: (attempt) => run('downloadVersion', attempt, (call) => agent.downloadVersion(attempt, call)),
    verifyVersion: (attempt) => run('verifyVersion', attempt, (call) => agent.verifyVersion(attempt, call)),
    stageVersion: (attempt) => run('stageVersion', attempt, (call) => agent.stageVersion(attempt, call)),
    reloadConfig: (attempt) => run('reloadConfig', attempt, (call) => agent.reloadConfig(attempt, call)),
    awaitAvailable: (input) => run('awaitAvailable', input.attempt, (call) => agent.awaitAvailable(input, call)),
    drainVersion: (input) => run('drainVersion', input.attempt, (call) => agent.drainVersion(input, call)),
    unloadVersion: (input) => run('unloadVersion', input.attempt, (call) => agent.unloadVersion(input, call)),
    abortAttempt: (attempt) => run('abortAttempt', attempt, (call) => agent.abortAttempt(attempt, call)),
  };
}

/** Beats from a ticker, not from the work: a stalled read must still be heard, and must still hear its cancellation. */
function beating<T>(step: string, effect: (call: HostCall) => Promise<T>): Promise<T> {
  const context = Context.current();
  const signal = context.cancellationSignal;
  let details: Readonly<Record<string, unknown>> = { step };
  const beat = (): void => context.heartbeat(details);
  beat();
  const ticker = setInterval(beat, HEARTBEAT_EVERY_MS);
  const call: HostCall = { signal, heartbeat: (news) => { details = { step, ...news }; } };
  return asActivity(() => effect(call), signal).finally(() => clearInterval(ticker));
}

/** One after the other for each rollout, so that a step is never shown after the one that follows it. Nobody waits for it. */
function inOrder(tell: Tell): (to: NonNullable<Attempt['reportTo']>, progress: Progress) => void {
  const last = new Map<string, Promise<void>>();
  return (to, progress) => {
    const key = `${to.workflowId} ${to.runId}`;
    const next = (last.get(key) ?? Promise.resolve()).then(() => tell(to, progress)).catch(() => undefined).finally(() => { if (last.get(key) === next) last.delete(key); });
    last.set(key, next);
  };
}
