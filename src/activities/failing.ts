// The one wrapper around every activity: a known failure keeps its row, a cancellation its reason, and everything else is a Bug that nobody retries.

import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { dispositionOf, SegueError } from '../domain/failures';

/** Runs `effect`; what it throws becomes what Temporal should see. `signal`: the activity's own cancellation, read once at its start. */
export async function asActivity<T>(effect: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await effect();
  } catch (error) {
    // Aborted work ends in many ways; only the reason says that it was wanted (a stream gives a plain "aborted").
    if (signal?.aborted === true) throw signal.reason;
    throw translate(error);
  }
}

function translate(error: unknown): unknown {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  if (error instanceof SegueError) {
    return ApplicationFailure.create({ type: error.code, message: error.message, nonRetryable: dispositionOf(error.code) !== 'retry', details: [error.detail] });
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return ApplicationFailure.create({ type: 'Bug', message, nonRetryable: true, ...(error instanceof Error ? { cause: error } : {}) });
}
