// What people, and the fleet, may say to a rollout: each verb records what is wanted and returns; the plan does the rest.

import { ApplicationFailure, CancellationScope, condition, setHandler } from '@temporalio/workflow';
import type { Failure } from '../domain/failures';
import * as happened from '../domain/rollout-state';
import type { Pause, RolloutState, Wish } from '../domain/rollout-facts';
import type { Status } from '../domain/status';
import type { Verdict } from '../domain/verdict';
import { parseUpdate } from './control-calls';
import {
  abortSignal, abortUpdate, pauseSignal, pauseUpdate, resumeSignal, resumeUpdate, rollbackSignal, rollbackUpdate, supersedeSignal, updateSignal, updateUpdate, type Accepted,
} from './messages';
import { isRecordOf, senseless } from './payload';
import { messageOf, refusal, whoAndWhy } from './rollout-ends';

/** The rollout as its verbs see it. Until its request is parsed there is no state, and `apply` changes nothing. */
export interface Steered {
  readonly state: () => RolloutState | undefined;
  readonly verdict: () => Verdict | undefined;
  readonly status: () => Status;
  readonly apply: (change: (current: RolloutState) => RolloutState) => void;
  /** Kept for then, where there is no state yet. */
  readonly wish: (wanted: Wish) => void;
}

/** What was said before the rollout could take it. */
export interface Early {
  readonly pause: () => Pause | undefined;
  /** Who replaced the claim of this epoch. */
  readonly replacedBy: (epoch: number) => string | undefined;
}

export function handleVerbs({ state, verdict, status, apply, wish }: Steered): Early {
  let earlyPause: Pause | undefined;
  const replaced: Record<number, string> = {};
  const accepted = (message: string): Accepted => ({ accepted: true, generation: status().generation, message });

  const abort = (payload: unknown): Accepted => {
    const last = verdict();
    if (last !== undefined) return accepted(`already done: ${last.outcome}`);
    wish({ kind: 'abort', ...whoAndWhy(payload) });
    return accepted('stopping; the verdict will carry the proof');
  };
  const rollback = (payload: unknown): Accepted => {
    if (verdict() !== undefined) throw refusal('this rollout is over; go back by its fleet: segue rollout rollback ID');
    if (state()?.request.retire) throw refusal('a retirement has no version to go back from; abort it');
    wish({ kind: 'rollback', ...whoAndWhy(payload) });
    return accepted('going back; the content is remembered as known bad');
  };
  const pause = (payload: unknown): Accepted => {
    const current = state();
    const why = current === undefined ? undefined : happened.reasonNotPausable(current);
    if (verdict() !== undefined || why !== undefined) throw refusal(`this rollout is ${why ?? 'over'}; there is nothing to pause`);
    const mine = { sinceMs: Date.now(), ...whoAndWhy(payload) };
    if (current === undefined) earlyPause ??= mine;
    apply((now) => happened.paused(now, mine));
    return accepted('nothing new begins; servers on their way go on to their gate. Resume: segue rollout resume ID');
  };
  const resume = (): Accepted => {
    const current = state();
    if (current === undefined && earlyPause !== undefined) {
      earlyPause = undefined;
      return accepted('goes on');
    }
    if (current?.pause === undefined) throw refusal('this rollout is not paused');
    apply(happened.resumed);
    return accepted('goes on');
  };
  /** It names the claim that was replaced: one that is not answered yet is waited for, and another run under this id has another one. */
  const supersede = (by: string, epoch?: number): void => {
    const claim = state()?.claim;
    if (epoch === undefined || epoch === claim?.epoch) wish({ kind: 'supersede', by });
    else if (claim === undefined) replaced[epoch] = by;
  };
  /** A signal has nobody to answer: its refusal is shown in status. */
  const bySignal = (verb: (payload: unknown) => unknown) => async (payload: unknown): Promise<void> => {
    try { await verb(payload); } catch (error) { apply((current) => happened.refused(current, messageOf(error))); }
  };
  let lastUpdate: Promise<unknown> = Promise.resolve();
  // One after the other: each is read against the request as the one before it left it, or two of them would undo one another. Beyond the reach of a
  // cancellation, which is a wish like others: a handler that ended as cancelled would end the rollout at once, its work still running.
  const update = (payload: unknown): Promise<Accepted> => {
    const mine = lastUpdate.then(() => CancellationScope.nonCancellable(() => updateNow(payload)));
    lastUpdate = mine.catch(() => undefined);
    return mine;
  };
  const updateNow = async (payload: unknown): Promise<Accepted> => {
    await condition(() => state() !== undefined || verdict() !== undefined);
    const over: Failure = { code: 'InvalidInput', message: 'this rollout is over; start a new one' };
    const before = state();
    if (before === undefined || verdict() !== undefined) throw ApplicationFailure.nonRetryable(over.message, over.code);
    const request = await parseUpdate(before.request, payload);
    const current = state() ?? before;
    const refused = verdict() === undefined ? happened.reasonNotUpdatable(current, request) : over;
    if (refused !== undefined) throw ApplicationFailure.nonRetryable(refused.message, refused.code);
    apply((now) => happened.updated(now, request));
    return accepted((state() ?? current).attempt > current.attempt ? 'older transitions are stopped first, then the new attempt begins' : 'counts for servers that have not begun');
  };
  setHandler(abortUpdate, abort, { description: 'Stop this rollout, prove it stopped, and go back: {"reason": "…"}' });
  setHandler(abortSignal, (payload) => { abort(payload); }, { description: 'Stop this rollout, prove it stopped, and go back: {"reason": "…"}' });
  setHandler(updateUpdate, update, { description: 'New source for the same version, or new options: {"source": {…}, "strategy": {…}}' });
  setHandler(updateSignal, bySignal(update), { description: 'New source for the same version, or new options: {"source": {…}, "strategy": {…}}' });
  setHandler(rollbackUpdate, rollback, { description: 'Go back, and remember this content as known bad: {"reason": "…"}' });
  setHandler(rollbackSignal, bySignal(rollback), { description: 'Go back, and remember this content as known bad: {"reason": "…"}' });
  setHandler(pauseUpdate, pause, { description: 'Begin nothing new until resume: {"reason": "…"}' });
  setHandler(pauseSignal, bySignal(pause), { description: 'Begin nothing new until resume: {"reason": "…"}' });
  setHandler(resumeUpdate, resume, { description: 'Go on after a pause' });
  setHandler(resumeSignal, bySignal(resume), { description: 'Go on after a pause' });
  setHandler(supersedeSignal, (payload) => { if (isRecordOf(payload, 'by')) supersede(payload.by, payload.epoch); else senseless('supersede'); }, { description: 'From the fleet: a newer rollout holds this model' });
  return { pause: () => earlyPause, replacedBy: (epoch) => replaced[epoch] };
}
