// So many bytes a second for all lanes of a download together: whoever took too many waits before the next part of a slab.

/** Lanes may run ahead by this much; below it the timer's grain would be the limit. */
const BURST_MS = 100;

export class RateLimit {
  readonly #bytesPerMs: number;
  /** performance.now() up to which what was taken is paid for. */
  #paidMs = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  take(bytes: number): void {
    this.#paidMs = Math.max(this.#paidMs, performance.now()) + bytes / this.#bytesPerMs;
  }

  /** How long nobody may take any more. */
  leftMs(): number {
    return Math.max(0, this.#paidMs - BURST_MS - performance.now());
  }
}
