// One look at the model server for a step that waits: an answer, or why there is none.

import { fail, type SegueError } from '../domain/failures';
import type { ModelName, Version } from '../domain/names';
import type { ServableState } from '../domain/view';
import { RpcFailure } from '../serving/rpc';
import { nowMs } from './clock';
import { diagnosisText } from './diagnosis-text';
import { pause, whileLive, type Live } from './live';
import type { Parts } from './parts';

/** How often a waiting step looks. A status costs the server a fifth of a millisecond (TF Serving reference §15, E9). */
export const LOOK_EVERY_MS = 100;
/** A server that does not answer for this long is reported; the step is then tried again by its caller. */
const ANSWER_WITHIN_MS = 10_000;

/** Asks until the server has answered and it is certain what it lists. Fails as ServerUnreachable, ServerWedged or ReloadRejected. */
export async function lookUntilCertain(parts: Parts, model: ModelName, signal: AbortSignal, withinMs = ANSWER_WITHIN_MS): Promise<void> {
  const until = nowMs() + withinMs;
  for (;;) {
    try {
      await settleInTime(parts, until, signal);
      parts.observer.record(model, await parts.client.status(model, { signal }), nowMs());
      if (parts.list.doubt === undefined) return;
    } catch (error) {
      const failure = error instanceof RpcFailure ? notHeard(parts, error) : error;
      if (nowMs() >= until || signal.aborted || !isPassing(failure)) throw failure;
    }
    await pause(LOOK_EVERY_MS, signal);
  }
}

/** The state of one version now; `no answer` while the server does not give one, or while it is not certain which list it has. */
export async function lookAt(parts: Parts, model: ModelName, version: Version, live: Live): Promise<ServableState | undefined | 'no answer'> {
  try {
    parts.observer.record(model, await parts.client.status(model, { signal: live.signal }), nowMs());
  } catch (error) {
    if (error instanceof RpcFailure) return 'no answer';
    throw error;
  }
  return parts.list.doubt === undefined ? parts.observer.state(model, version, nowMs()) : 'no answer';
}

async function settleInTime(parts: Parts, until: number, signal: AbortSignal): Promise<void> {
  if (parts.list.doubt === undefined) return;
  const late = AbortSignal.timeout(Math.max(1, Math.ceil(until - nowMs())));
  try {
    await whileLive(parts.list.settle(AbortSignal.any([signal, late])), AbortSignal.any([signal, late]));
  } catch (error) {
    if (signal.aborted || !late.aborted) throw error;
    throw wedged(parts);
  }
}

/** The list cannot be changed in time: its turn is taken by a reload without an answer, or a drain does not let a new name be registered. */
export function wedged(parts: Parts): SegueError {
  const { unansweredMs } = parts.list;
  if (unansweredMs === undefined) return fail('ServerWedged', `${parts.server}: the list could not be changed in time, because a drain has not ended or the model server does not answer (${parts.list.doubt ?? 'it does'})`, { server: parts.server });
  const seconds = Math.round(unansweredMs / 1000);
  return fail('ServerWedged', `${parts.server}: a reload sent ${seconds} s ago has no answer, and no other may be sent before it has one; the server holds its config lock while a new name loads, or during a drain${diagnosisText(parts)}`, { server: parts.server, seconds });
}

function notHeard(parts: Parts, error: RpcFailure): SegueError {
  return fail('ServerUnreachable', `${parts.server}: the model server at ${parts.client.address} did not answer: ${error.message}`, { server: parts.server, address: parts.client.address, found: error.code }, error);
}

function isPassing(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ServerUnreachable';
}
