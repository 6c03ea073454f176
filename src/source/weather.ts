// A server that says "slow down" says it to every lane: all of them wait, not only the one that heard it.

/** Longest wait: past this a source is down rather than busy, and the step's own retry is the better place to wait. */
export const MAX_BACKOFF_MS = 5_000;

/** One per endpoint and download. */
export class Weather {
  #clearAtMs = 0;

  /** Nobody asks for so long. */
  storm(ms: number): void {
    this.#clearAtMs = Math.max(this.#clearAtMs, performance.now() + Math.min(ms, MAX_BACKOFF_MS));
  }

  /** How long still. */
  leftMs(): number {
    return Math.max(0, this.#clearAtMs - performance.now());
  }
}
