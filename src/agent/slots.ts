// A small number of things at once; who waits is told so.

export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` in a slot, first come first served. Rejects with the signal's reason when it is aborted before its turn; then `work` never begins. */
  async run<T>(signal: AbortSignal, onWait: (ahead: number) => void, work: () => Promise<T>): Promise<T> {
    await this.#take(signal, onWait);
    try {
      return await work();
    } finally {
      this.#give();
    }
  }

  #take(signal: AbortSignal, onWait: (ahead: number) => void): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    onWait(this.#waiting.length + 1);
    return new Promise((resolve, reject) => {
      const turn = (): void => { signal.removeEventListener('abort', leave); resolve(); };
      const leave = (): void => { this.#waiting.splice(this.#waiting.indexOf(turn), 1); reject(signal.reason as Error); };
      this.#waiting.push(turn);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  #give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
