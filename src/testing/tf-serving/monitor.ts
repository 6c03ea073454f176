// core/servable_state_monitor.cc: the last state of every version ever seen, and who waits for one (reference §2 step 9, §6).

import type { Clock } from './clock';
import type { EventBus, ManagerState, ServableState } from './event-bus';
import { compareBigint, type ServableId } from './servable-id';

export class ServableStateMonitor {
  readonly #states = new Map<string, Map<bigint, ServableState>>();
  readonly #waits = new Set<() => void>();
  readonly #unsubscribe: () => void;
  readonly #clock: Clock;

  constructor(clock: Clock, bus: EventBus) {
    this.#clock = clock;
    this.#unsubscribe = bus.subscribe((state) => {
      const versions = this.#states.get(state.id.name) ?? new Map<bigint, ServableState>();
      this.#states.set(state.id.name, versions.set(state.id.version, state));
      for (const check of this.#waits) check();
    });
  }

  /** Highest version first. END entries are never forgotten while the process lives. */
  versions(name: string): ServableState[] {
    return [...(this.#states.get(name)?.values() ?? [])].toSorted((a, b) => compareBigint(b.id.version, a.id.version));
  }

  state(id: ServableId): ServableState | undefined {
    return this.#states.get(id.name)?.get(id.version);
  }

  /**
   * Resolves as soon as each name has some version AVAILABLE or END, with the version that decided: the highest such one.
   * END counts even when it is the end of an unload, and even when another version loads on (s006, s034).
   */
  async untilAvailableOrEnd(names: readonly string[]): Promise<ServableState[]> {
    const reached = this.#availableOrEnd(names);
    if (reached !== undefined) return reached;
    const later = await new Promise<ServableState[]>((resolve) => {
      const check = (): void => {
        const now = this.#availableOrEnd(names);
        if (now === undefined) return;
        this.#waits.delete(check);
        resolve(now);
      };
      this.#waits.add(check);
    });
    await this.#clock.wakeUp();
    return later;
  }

  #availableOrEnd(names: readonly string[]): ServableState[] | undefined {
    const reached = names.map((name) => this.versions(name).find(({ state }) => state === 'Available' || state === 'End'));
    return reached.every((state) => state !== undefined) ? reached : undefined;
  }

  /** For tests in the same process: resolves when that version is in that state. */
  untilState(id: ServableId, wanted: ManagerState): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.state(id)?.state !== wanted) return;
        this.#waits.delete(check);
        resolve();
      };
      this.#waits.add(check);
      check();
    });
  }

  close(): void {
    this.#unsubscribe();
  }
}
