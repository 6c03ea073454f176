// The SDK's client retries by a timer that nothing can clear: when the connection is closed before it fires, it throws where nobody can catch it and ends the
// process (SDK 1.24, client/src/grpc-retry.ts). So we end the retries first, wait for the one that is due, and close then.

import { setTimeout as delay } from 'node:timers/promises';
import type { Interceptor } from '@grpc/grpc-js';
import { defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';

/** Closing must not take longer than a person waits after Ctrl-C; the SDK's own limit is five seconds. */
const MAX_DELAY_MS = 2_000;
/** Timers may fire a little late, and in any order. */
const SLACK_MS = 20;

export interface EndableRetries {
  readonly interceptor: Interceptor;
  /** From now on nothing is retried; resolves when no retry is due any more. */
  readonly end: () => Promise<void>;
}

export function endableRetries(): EndableRetries {
  const usual = defaultGrpcRetryOptions();
  let ended = false;
  let lastDueMs = 0;
  const interceptor = makeGrpcRetryInterceptor({
    retryableDecider: (attempt, status) => !ended && usual.retryableDecider(attempt, status),
    delayFunction: (attempt, status) => {
      const delayMs = Math.min(usual.delayFunction(attempt, status), MAX_DELAY_MS);
      lastDueMs = Math.max(lastDueMs, Date.now() + delayMs);
      return delayMs;
    },
  });
  const end = async (): Promise<void> => {
    ended = true;
    const leftMs = lastDueMs - Date.now();
    if (leftMs > -SLACK_MS) await delay(Math.max(0, leftMs) + SLACK_MS);
  };
  return { interceptor, end };
}
