// core/aspired_versions_manager.cc: the loop that turns aspired sets into at most one load or unload per tick (reference §5).

import { BasicManager, type BasicManagerOptions } from './basic-manager';
import type { Clock } from './clock';
import type { EventBus } from './event-bus';
import type { LoaderHarness } from './harness';
import type { LoaderFactory } from './loader';
import { nextAction } from './policy';
import { debugString, type ServableId } from './servable-id';
import { ServingError } from './status';
import { PeriodicFunction, type PeriodicOptions } from './threads';

/** One version a source wants served, and where it lies. */
export interface AspiredVersion {
  readonly version: bigint;
  readonly path: string;
}

/** Of several models that are due in one tick the real server takes the first in the order of a hash table, unknown from outside. Returns an index. */
export type ChooseModel = (kind: 'load' | 'unload', due: readonly ServableId[]) => number;

export interface ManagerOptions extends BasicManagerOptions {
  readonly tick: PeriodicOptions;
  readonly chooseModel?: ChooseModel;
}

export class AspiredVersionsManager<Servable> {
  readonly basic: BasicManager<Servable>;
  /** One slot per model: a newer set overwrites one that was not handled yet. */
  readonly #pending = new Map<string, readonly AspiredVersion[]>();
  readonly #chooseModel: ChooseModel;
  readonly #logError: (text: string) => void;
  readonly #thread: PeriodicFunction;

  constructor(clock: Clock, bus: EventBus, createLoader: LoaderFactory<Servable>, options: ManagerOptions, logError: (text: string) => void) {
    this.basic = new BasicManager(clock, bus, createLoader, options, logError);
    this.#chooseModel = options.chooseModel ?? (() => 0);
    this.#logError = logError;
    this.#thread = new PeriodicFunction(clock, options.tick, () => this.#tick());
  }

  /** What a source calls: remembered until the next tick. */
  setAspiredVersions(name: string, versions: readonly AspiredVersion[]): void {
    this.#pending.set(name, versions);
  }

  stop(): void {
    this.#thread.stop();
  }

  async #tick(): Promise<void> {
    const action = await this.basic.mu.run(() => {
      this.#flush();
      this.#handlePending();
      return this.#decide();
    });
    if (action === undefined) return;
    await (action.kind === 'load' ? this.basic.startLoad(action.harness) : this.basic.startUnload(action.harness));
  }

  /** Un-aspired versions that are not loaded, or no longer, are forgotten without any event: START can be final (s010). */
  #flush(): void {
    for (const name of this.basic.names()) {
      for (const harness of this.basic.versions(name)) {
        const settled = harness.state === 'new' || harness.state === 'disabled' || harness.state === 'error';
        if (settled && !harness.aspired) this.basic.stopManaging(harness);
      }
    }
  }

  #handlePending(): void {
    for (const [name, versions] of [...this.#pending].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (this.#containsReaspired(name, versions)) continue;
      this.#pending.delete(name);
      this.#process(name, versions);
    }
  }

  /** A version that is still going cannot be wanted again yet: the whole request of that model waits until it is gone (s004). */
  #containsReaspired(name: string, versions: readonly AspiredVersion[]): boolean {
    return this.basic.versions(name).some((harness) => !harness.aspired && versions.some(({ version }) => version === harness.id.version));
  }

  #process(name: string, versions: readonly AspiredVersion[]): void {
    const next = new Set(versions.map(({ version }) => version));
    const before = new Set<bigint>();
    for (const harness of this.basic.versions(name)) {
      if (harness.aspired) before.add(harness.id.version);
      if (next.has(harness.id.version)) continue;
      harness.aspired = false;
      if (harness.health === undefined) harness.cancelRetry = true;
    }
    for (const { version, path } of versions) if (!before.has(version)) this.#manage({ name, version }, path);
  }

  #manage(id: ServableId, path: string): void {
    try {
      this.basic.manage(id, path);
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      // Two spellings of one number, or one number twice in a policy (s031).
      this.#logError(`Internal error: Unable to transfer servable ${debugString(id)} to 'basic_manager_': ${error.message}`);
    }
  }

  /** One action for the whole server; an unload goes before any load. */
  #decide(): { kind: 'load' | 'unload'; harness: LoaderHarness<Servable> } | undefined {
    const due: { kind: 'load' | 'unload'; harness: LoaderHarness<Servable> }[] = [];
    for (const name of this.basic.names()) {
      const versions = this.basic.versions(name);
      const action = nextAction(versions.map(({ id, state, aspired }) => ({ version: id.version, state, aspired })));
      const harness = action && versions.find(({ id }) => id.version === action.version);
      if (action && harness) due.push({ kind: action.kind, harness });
    }
    const kind = due.some((action) => action.kind === 'unload') ? 'unload' : 'load';
    const candidates = due.filter((action) => action.kind === kind);
    const chosen = candidates.length > 1 ? candidates[this.#chooseModel(kind, candidates.map(({ harness }) => harness.id))] : candidates[0];
    if (chosen === undefined) return undefined;
    if (kind === 'load') chosen.harness.move('new', 'loadRequested');
    else chosen.harness.move('ready', 'unloadRequested');
    return chosen;
  }
}
