// What the manager asks of one version's loader; and the fake-free seam through which it is made.

import type { ServableId } from './servable-id';

/** One version's way into memory. Every method may throw a ServingError, which the manager turns into END with that error. */
export interface Loader<Servable> {
  /** Walks the directory for the size of the version; an error here freezes the whole server while it is retried (reference §5 "Resources"). */
  estimateResources(): void | Promise<void>;
  /** One attempt. */
  load(): Promise<Servable>;
  unload(servable: Servable): void;
}

export type LoaderFactory<Servable> = (id: ServableId, path: string) => Loader<Servable>;
