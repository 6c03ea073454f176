// Published state changes: everything GetModelStatus, reload's wait and the timelines see goes through here (reference §5 "Events").

import type { ServableId } from './servable-id';
import type { Health } from './status';

export type ManagerState = 'Start' | 'Loading' | 'Available' | 'Unloading' | 'End';

export interface ServableState {
  readonly id: ServableId;
  readonly state: ManagerState;
  readonly health: Health;
}

export type Listener = (state: ServableState) => void;

/** Listeners run inside publish, in order of subscription, as in the real bus. */
export class EventBus {
  readonly #listeners = new Set<Listener>();

  publish(state: ServableState): void {
    for (const listener of this.#listeners) listener(state);
  }

  /** Returns how to stop listening. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => { this.#listeners.delete(listener); };
  }
}
