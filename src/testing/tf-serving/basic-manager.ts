// core/basic_manager.cc: loads and unloads single versions, publishes their states, and holds one lock while it waits for requests to end (reference §5).

import type { Clock } from './clock';
import type { EventBus, ManagerState } from './event-bus';
import { LoaderHarness, type HarnessOptions } from './harness';
import type { LoaderFactory } from './loader';
import { debugString, type ServableId, type ServableRequest } from './servable-id';
import { ServingMap, type Handle } from './serving-map';
import { ServingError, type Health } from './status';
import { createExecutor, Mutex, type Executor } from './threads';

export interface BasicManagerOptions {
  /** 0: inline on the manager's thread. */
  readonly loadThreads: number;
  readonly unloadThreads: number;
  readonly maxLoadRetries: number;
  readonly loadRetryIntervalMs: number;
  readonly endCancelledLoads: boolean;
}

export class BasicManager<Servable> {
  /** BM::mu_. Held through the waits of reserve() and of swaps, which is what freezes all transitions of the server. */
  readonly mu: Mutex;
  readonly #decision: Mutex;
  readonly #loadExecutorMu: Mutex;
  readonly #clock: Clock;
  #loadExecutor: Executor;
  readonly #unloadExecutor: Executor;
  #loadThreads: number;
  readonly #managed = new Map<string, LoaderHarness<Servable>[]>();
  readonly #servingMap = new ServingMap<Servable>();
  readonly #bus: EventBus;
  readonly #createLoader: LoaderFactory<Servable>;
  readonly #logError: (text: string) => void;
  readonly #harnessOptions: HarnessOptions;

  constructor(clock: Clock, bus: EventBus, createLoader: LoaderFactory<Servable>, options: BasicManagerOptions, logError: (text: string) => void) {
    this.mu = new Mutex(clock);
    this.#decision = new Mutex(clock);
    this.#loadExecutorMu = new Mutex(clock);
    this.#clock = clock;
    this.#bus = bus;
    this.#createLoader = createLoader;
    this.#logError = logError;
    this.#loadThreads = options.loadThreads;
    this.#loadExecutor = createExecutor(clock, options.loadThreads);
    this.#unloadExecutor = createExecutor(clock, options.unloadThreads);
    this.#harnessOptions = {
      clock, logError, endCancelledLoads: options.endCancelledLoads,
      maxRetries: options.maxLoadRetries, intervalMs: options.loadRetryIntervalMs,
      onError: (id, error) => this.#publish(id, 'End', error),
    };
  }

  get loadThreads(): number {
    return this.#loadThreads;
  }

  /** Handles held by requests, of any model. */
  get handlesHeld(): number {
    return this.#servingMap.held;
  }

  /** Waits for everything already scheduled: replacing a pool joins its threads. */
  async setLoadThreads(threads: number): Promise<void> {
    await this.#loadExecutorMu.run(async () => {
      await this.#loadExecutor.join();
      this.#loadThreads = threads;
      this.#loadExecutor = createExecutor(this.#clock, threads);
    });
  }

  take(request: ServableRequest): Handle<Servable> {
    return this.#servingMap.take(request);
  }

  // ---- what the aspired-versions manager does under mu, without giving it up in between ----

  names(): string[] {
    return [...this.#managed.keys()];
  }

  versions(name: string): readonly LoaderHarness<Servable>[] {
    return this.#managed.get(name) ?? [];
  }

  manage(id: ServableId, path: string): void {
    const versions = this.#managed.get(id.name) ?? [];
    if (versions.some((harness) => harness.id.version === id.version)) {
      throw new ServingError('FAILED_PRECONDITION', `This servable is already being managed: ${debugString(id)}`);
    }
    const harness = new LoaderHarness(id, path, this.#createLoader(id, path), this.#harnessOptions);
    this.#publish(id, 'Start', undefined);
    this.#managed.set(id.name, [...versions, harness]);
  }

  stopManaging(harness: LoaderHarness<Servable>): void {
    const left = this.versions(harness.id.name).filter((other) => other !== harness);
    if (left.length > 0) this.#managed.set(harness.id.name, left);
    else this.#managed.delete(harness.id.name);
  }

  // ---- loads and unloads, begun by the manager's thread, without mu ----

  /** Resolves when the manager's thread may go on: after the whole load if there are no load threads. */
  async startLoad(harness: LoaderHarness<Servable>): Promise<void> {
    await this.#loadExecutorMu.run(() => this.#loadExecutor.schedule(() => this.#load(harness)));
  }

  async startUnload(harness: LoaderHarness<Servable>): Promise<void> {
    await this.#unloadExecutor.schedule(() => this.#unload(harness));
  }

  async #load(harness: LoaderHarness<Servable>): Promise<void> {
    try {
      await this.#decision.run(() => this.mu.run(() => this.#approveLoad(harness)));
      await this.#executeLoad(harness);
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      this.#logError(`Servable ${debugString(harness.id)} cannot be loaded: ${error.toString()}`);
    }
  }

  async #approveLoad(harness: LoaderHarness<Servable>): Promise<void> {
    try {
      await harness.reserve();
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      const reason = new ServingError(error.code,
        `Error while attempting to reserve resources to load servable ${debugString(harness.id)}: ${error.message}`);
      harness.fail(reason);
      this.#publish(harness.id, 'End', reason); // A second END, as the real one has it (s021).
      throw reason;
    }
    harness.move('loadRequested', 'loadApproved');
  }

  async #executeLoad(harness: LoaderHarness<Servable>): Promise<void> {
    this.#publish(harness.id, 'Loading', harness.health);
    try {
      await harness.load();
      await this.mu.lock();
      await this.#updateServingMap();
      // The thread that unlocks runs on: what follows happens before whoever waited for the lock does anything (f038, f039).
      this.mu.unlock();
      this.#publish(harness.id, 'Available', undefined);
    } finally {
      await this.#finishExecution();
    }
  }

  async #unload(harness: LoaderHarness<Servable>): Promise<void> {
    await this.#decision.run(() => this.mu.run(() => harness.move('unloadRequested', 'quiescing')));
    await this.mu.lock();
    this.#publish(harness.id, 'Unloading', harness.health);
    await this.#updateServingMap();
    harness.move('quiescing', 'quiesced');
    this.mu.unlock();
    harness.unload();
    this.#publish(harness.id, 'End', undefined);
    await this.#finishExecution();
  }

  /** Counting executions down takes mu too, so what is said after it waits for a drain of another version (f004). */
  async #finishExecution(): Promise<void> {
    await this.mu.run(() => undefined);
  }

  #updateServingMap(): Promise<void> | undefined {
    const ready = [];
    for (const versions of this.#managed.values()) {
      for (const { id, state, servable } of versions) if (state === 'ready' && servable !== undefined) ready.push({ id, servable });
    }
    return this.#servingMap.update(ready);
  }

  #publish(id: ServableId, state: ManagerState, health: Health): void {
    this.#bus.publish({ id, state, health });
  }
}
