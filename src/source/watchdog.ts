// One request under watch: it ends with its signal at once, and by itself when the source stops sending. The SDK leaves a body unprotected: a stalled one hangs for ever, and no time-out of its own sees one byte a second (reliability
// reference §1.7). This looks at both, and only while we wait for the source: a slow disk of ours is not its fault.

import { StallError } from './trouble';

/** No byte at all: longer than any pause of a healthy S3 server, short enough to try again within a step. */
export const IDLE_TIMEOUT_MS = 20_000;
/** One KiB/s would take 12 days for a GiB: a source this slow is a broken one, whatever its TCP connection says. */
export const FLOOR_BYTES_PER_SECOND = 1_024;
/** Waiting time over which the floor is averaged: longer than the idle time, so that one pause alone is never called slow. */
export const FLOOR_WINDOW_MS = 30_000;

export interface WatchdogLimits {
  readonly idleTimeoutMs?: number;
  readonly floorBytesPerSecond?: number;
  readonly floorWindowMs?: number;
}

/**
 * Runs one request on a signal of its own, aborted by the given one or by the watchdog. Rejects with the reason of that abort, whatever the
 * request made of it: a socket torn down under the SDK shows as half a dozen different errors.
 */
export async function watched<T>(
  options: WatchdogLimits & { readonly signal: AbortSignal },
  progress: () => string,
  run: (signal: AbortSignal, watchdog: Watchdog) => Promise<T>,
): Promise<T> {
  const { signal } = options;
  const request = new AbortController();
  const end = (): void => request.abort(signal.reason);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const watchdog = new Watchdog(options, progress, (error) => request.abort(error));
  try {
    return await run(request.signal, watchdog);
  } catch (error) {
    throw request.signal.aborted ? request.signal.reason : error;
  } finally {
    watchdog.stop();
    signal.removeEventListener('abort', end);
  }
}

/** The SDK looks at a signal only once it has credentials; this settles at once. Nothing is sent after that. */
export async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
  });
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

export class Watchdog {
  readonly #limits: Required<WatchdogLimits>;
  readonly #bark: (error: StallError) => void;
  readonly #progress: () => string;
  #timer: NodeJS.Timeout | undefined;
  #waitingSince = 0;
  #waitedMs = 0;
  #bytes = 0;

  /** `progress` says for the message how far it came: "byte 5 of 9". `bark` is called once at most per wait. */
  constructor(limits: WatchdogLimits, progress: () => string, bark: (error: StallError) => void) {
    this.#limits = {
      idleTimeoutMs: limits.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      floorBytesPerSecond: limits.floorBytesPerSecond ?? FLOOR_BYTES_PER_SECOND,
      floorWindowMs: limits.floorWindowMs ?? FLOOR_WINDOW_MS,
    };
    this.#progress = progress;
    this.#bark = bark;
  }

  /** From now on the source owes us something. */
  wait(): void {
    const { idleTimeoutMs } = this.#limits;
    this.#waitingSince = performance.now();
    this.#timer = setTimeout(() => this.#bark(new StallError(`stalled at ${this.#progress()}: nothing for ${idleTimeoutMs} ms`)), idleTimeoutMs);
  }

  /** It came. */
  got(bytes: number): void {
    this.stop();
    this.#waitedMs += performance.now() - this.#waitingSince;
    this.#bytes += bytes;
    const { floorBytesPerSecond, floorWindowMs } = this.#limits;
    if (this.#waitedMs < floorWindowMs) return;
    const perSecond = (this.#bytes / this.#waitedMs) * 1000;
    if (perSecond < floorBytesPerSecond) {
      this.#bark(new StallError(`stalled at ${this.#progress()}: ${perSecond.toFixed(0)} bytes/s, less than ${floorBytesPerSecond}`));
    }
    this.#waitedMs = 0;
    this.#bytes = 0;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
