// Try again: bounded, jittered, ended by the signal at once.

import { setTimeout as sleep } from 'node:timers/promises';
import { troubleWith } from './trouble';
import type { Doing } from './trouble';
import { MAX_BACKOFF_MS } from './weather';
import type { Weather } from './weather';

/** First wait at most; doubles with each try. Full jitter, so that agents that failed together do not return together. */
export const BACKOFF_MS = 200;
export interface RetryOptions {
  readonly signal: AbortSignal;
  readonly backoffMs?: number;
  /** Shared by all that ask this endpoint. */
  readonly weather?: Weather;
}

/** Runs until it succeeds, or trying again cannot help any more: then the failure as a row. When the signal aborts: its reason, whatever the error was. */
export async function withRetries<T>(doing: Doing, { signal, backoffMs = BACKOFF_MS, weather }: RetryOptions, run: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      signal.throwIfAborted();
      const stormMs = weather?.leftMs() ?? 0;
      if (stormMs > 0) await pause(stormMs, signal);
      return await run();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const trouble = troubleWith(error, doing);
      if (!trouble) throw error;
      if (tried >= trouble.tries) throw trouble.failure(tried);
      if (trouble.busy) weather?.storm(Math.random() * backoffMs * 2 ** (tried - 1));
    }
    await pause(Math.random() * Math.min(MAX_BACKOFF_MS, backoffMs * 2 ** (tried - 1)), signal);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw signal.reason;
  }
}
