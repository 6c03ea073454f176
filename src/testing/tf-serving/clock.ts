// Time for the simulator's threads. The virtual clock replays minutes in milliseconds; the real one is the machine's.

export interface Clock {
  /** Milliseconds since an arbitrary beginning; never goes back. */
  nowMs(): number;
  /** Resolves ms later. On a stopped clock: never. */
  sleep(ms: number): Promise<void>;
  /** What a thread that was blocked goes through before it runs again: those that are running go on first. Takes no time of this clock. */
  wakeUp(): Promise<void>;
}

/** The machine's monotonic clock. Stopping it leaves every sleeper asleep for ever: that is how a killed process looks from inside. */
export class RealClock implements Clock {
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  nowMs(): number {
    return performance.now();
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#stopped) return;
      const timer = setTimeout(() => { this.#timers.delete(timer); resolve(); }, Math.max(0, ms));
      this.#timers.add(timer);
    });
  }

  wakeUp(): Promise<void> {
    return new Promise((resolve) => { setImmediate(() => { if (!this.#stopped) resolve(); }); });
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

interface Sleeper { readonly atMs: number; readonly order: number; readonly wake: () => void }

/** Time that stands still until told to run; between two wake-ups everything that can run has run. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #sleepers: Sleeper[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const sleeper: Sleeper = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, wake: resolve };
      let index = this.#sleepers.length;
      while (index > 0 && isAfter(this.#sleepers[index - 1], sleeper)) index -= 1;
      this.#sleepers.splice(index, 0, sleeper);
    });
  }

  wakeUp(): Promise<void> {
    return this.sleep(0);
  }

  /** Wakes every sleeper due until then, each at its own time and in order, and leaves the clock at that time. */
  async runUntil(ms: number): Promise<void> {
    await settle();
    for (let next = this.#sleepers[0]; next !== undefined && next.atMs <= ms; next = this.#sleepers[0]) {
      this.#sleepers.shift();
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
      await settle();
    }
    this.#nowMs = Math.max(this.#nowMs, ms);
  }
}

function isAfter(a: Sleeper | undefined, b: Sleeper): boolean {
  return a !== undefined && (a.atMs > b.atMs || (a.atMs === b.atMs && a.order > b.order));
}

/** Until no promise continuation is left to run: Node turns to its tick queue only when there is none. */
function settle(): Promise<void> {
  return new Promise((resolve) => { process.nextTick(resolve); });
}
