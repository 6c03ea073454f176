// BasicManager::ServingMap over FastReadDynamicPtr: what a request gets, and why a swap waits for requests of every model (reference §5 "Unload").

import { requestString, type ServableId, type ServableRequest } from './servable-id';
import { ServingError } from './status';

/** A servable kept alive for one request. Holding it pins the whole map it was taken from, so it delays transitions of all models. */
export interface Handle<Servable> {
  readonly id: ServableId;
  readonly servable: Servable;
  release(): void;
}

interface Entry<Servable> { readonly id: ServableId; readonly servable: Servable }

class HandlesMap<Servable> {
  handles = 0;
  onIdle: (() => void) | undefined;
  readonly byRequest = new Map<string, Entry<Servable>>();

  constructor(ready: readonly Entry<Servable>[]) {
    for (const entry of ready) {
      this.byRequest.set(requestString(entry.id), entry);
      const latest = this.byRequest.get(requestString({ name: entry.id.name }));
      // Unversioned requests go to the highest number, not to the newest load (reference §7, s024).
      if (latest === undefined || latest.id.version < entry.id.version) this.byRequest.set(requestString({ name: entry.id.name }), entry);
    }
  }
}

export class ServingMap<Servable> {
  #current = new HandlesMap<Servable>([]);
  #held = 0;

  /** Swaps at once, then waits until every handle taken from the old map is released; there is no timeout. */
  update(ready: readonly Entry<Servable>[]): Promise<void> | undefined {
    const old = this.#current;
    this.#current = new HandlesMap(ready);
    if (old.handles === 0) return undefined;
    return new Promise((resolve) => { old.onIdle = resolve; });
  }

  take(request: ServableRequest): Handle<Servable> {
    const map = this.#current;
    const entry = map.byRequest.get(requestString(request));
    if (entry === undefined) throw new ServingError('NOT_FOUND', `Servable not found for request: ${requestString(request)}`);
    map.handles += 1;
    this.#held += 1;
    let released = false;
    return {
      id: entry.id,
      servable: entry.servable,
      release: () => {
        if (released) return;
        released = true;
        map.handles -= 1;
        this.#held -= 1;
        if (map.handles === 0) map.onIdle?.();
      },
    };
  }

  /** Handles out at this moment, of this map and of older ones. */
  get held(): number {
    return this.#held;
  }
}
