// Waiting for a fact, never for a time.

import { setTimeout as delay } from 'node:timers/promises';

const LOOK_EVERY_MS = 50;

export interface UntilOptions {
  /** Said when it does not come true: what was waited for. */
  readonly what: string;
  readonly deadlineMs: number;
  readonly everyMs?: number;
  readonly signal: AbortSignal;
}

/** The first value that is not undefined. A look that throws counts as "not yet" and is quoted when the deadline has passed. */
export async function until<T>(look: () => Promise<T | undefined> | T | undefined, { what, deadlineMs, everyMs = LOOK_EVERY_MS, signal }: UntilOptions): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    let why = 'not yet';
    try {
      const value = await look();
      if (value !== undefined) return value;
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
    signal.throwIfAborted();
    if (Date.now() > deadline) throw new Error(`waited ${deadlineMs / 1000} s for ${what}: ${why}`);
    await delay(everyMs, undefined, { signal });
  }
}
