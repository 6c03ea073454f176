// What the real core's threads wait on: a mutex, executors, and the periodic function (TF Serving reference §5).

import type { Clock } from './clock';

/** First come, first served; an unlock hands over to the first that waits. */
export class Mutex {
  #held = false;
  readonly #waiting: (() => void)[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async lock(): Promise<void> {
    if (!this.#held) {
      this.#held = true;
      return;
    }
    await new Promise<void>((resolve) => { this.#waiting.push(resolve); });
    await this.#clock.wakeUp();
  }

  unlock(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#held = false;
    else next();
  }

  async run<T>(body: () => T | Promise<T>): Promise<T> {
    await this.lock();
    try {
      return await body();
    } finally {
      this.unlock();
    }
  }

  get held(): boolean {
    return this.#held;
  }
}

export interface Executor {
  /** Resolves when the caller may go on: at once with a pool, after the task when it runs inline. */
  schedule(task: () => Promise<void>): Promise<void>;
  /** Resolves when everything scheduled has run: destroying a pool joins its threads. */
  join(): Promise<void>;
}

/** `--num_load_threads=0` and `--num_unload_threads=0` run on the manager's own thread; n > 0 on a pool of n (§5 "Threads"). */
export function createExecutor(clock: Clock, threads: number): Executor {
  return threads === 0 ? new InlineExecutor() : new ThreadPool(clock, threads);
}

class InlineExecutor implements Executor {
  async schedule(task: () => Promise<void>): Promise<void> {
    await task();
  }

  async join(): Promise<void> {
    // Nothing outlives its schedule().
  }
}

class ThreadPool implements Executor {
  #idle: number;
  readonly #queue: (() => Promise<void>)[] = [];
  readonly #joining: (() => void)[] = [];
  readonly #clock: Clock;
  readonly #threads: number;

  constructor(clock: Clock, threads: number) {
    this.#clock = clock;
    this.#threads = threads;
    this.#idle = threads;
  }

  async schedule(task: () => Promise<void>): Promise<void> {
    this.#queue.push(task);
    if (this.#idle > 0) {
      this.#idle -= 1;
      void this.#work();
    }
  }

  join(): Promise<void> {
    if (this.#idle === this.#threads) return Promise.resolve();
    return new Promise((resolve) => { this.#joining.push(resolve); });
  }

  async #work(): Promise<void> {
    await this.#clock.wakeUp();
    for (let task = this.#queue.shift(); task !== undefined; task = this.#queue.shift()) await task();
    this.#idle += 1;
    if (this.#idle === this.#threads) for (const resolve of this.#joining.splice(0)) resolve();
  }
}

export interface PeriodicOptions {
  readonly everyMs: number;
  /** From the start to the first run. */
  readonly startDelayMs: number;
  /** How late each wake-up is. Real threads drift by it, because a period is counted from when its run began. */
  readonly lateMs: number;
}

/** Runs body every period counted from the beginning of the previous run; a run that takes longer is followed by the next at once. */
export class PeriodicFunction {
  #stopped = false;

  constructor(clock: Clock, options: PeriodicOptions, body: () => void | Promise<void>) {
    void this.#loop(clock, options, body);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #loop(clock: Clock, options: PeriodicOptions, body: () => void | Promise<void>): Promise<void> {
    if (options.startDelayMs > 0) await clock.sleep(options.startDelayMs);
    while (!this.#stopped) {
      const dueMs = clock.nowMs() + options.everyMs;
      await body();
      const waitMs = dueMs - clock.nowMs();
      if (waitMs > 0) await clock.sleep(waitMs + options.lateMs);
    }
  }
}
