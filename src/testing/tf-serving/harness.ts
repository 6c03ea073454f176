// core/loader_harness.cc: one version's state machine around its loader (reference §5).

import type { Clock } from './clock';
import type { Loader } from './loader';
import { retry, type RetryOptions } from './retrier';
import { debugString, type ServableId } from './servable-id';
import { ServingError, type Health } from './status';

export type HarnessState =
  | 'new' | 'loadRequested' | 'loadApproved' | 'loading' | 'ready' | 'unloadRequested' | 'quiescing' | 'quiesced' | 'unloading' | 'disabled' | 'error';

export interface HarnessOptions extends RetryOptions {
  readonly clock: Clock;
  /** Told inside the transition to 'error': that is when END is published. */
  readonly onError: (id: ServableId, error: ServingError) => void;
  readonly logError: (text: string) => void;
  /** 2.19 and later publish END for a cancelled load that succeeded; 2.9-2.18 leave it LOADING for ever (reference §14). */
  readonly endCancelledLoads: boolean;
}

export class LoaderHarness<Servable> {
  state: HarnessState = 'new';
  health: Health;
  /** Set when un-aspired; never cleared. Asked between attempts and after a successful one. */
  cancelRetry = false;
  /** The manager's additional state: is it in the latest aspired set of its model? */
  aspired = true;
  servable: Servable | undefined;
  readonly id: ServableId;
  readonly path: string;
  readonly #loader: Loader<Servable>;
  readonly #options: HarnessOptions;

  constructor(id: ServableId, path: string, loader: Loader<Servable>, options: HarnessOptions) {
    this.id = id;
    this.path = path;
    this.#loader = loader;
    this.#options = options;
  }

  move(from: HarnessState, to: HarnessState): void {
    if (this.state !== from) throw new Error(`${debugString(this.id)}: illegal transition from ${this.state} to ${to}`);
    this.state = to;
  }

  /** The estimate is retried like a load; its caller holds the manager's lock all the while (s021). */
  async reserve(): Promise<void> {
    await this.#retried('Reserving resources for servable', () => this.#loader.estimateResources());
  }

  /** Runs the attempts. Throws what the last one threw, or CANCELLED when it succeeded for a version nobody wants any more. */
  async load(): Promise<void> {
    this.move('loadApproved', 'loading');
    let servable: Servable;
    try {
      servable = await this.#retried('Loading servable', () => this.#loader.load());
    } catch (error) {
      if (error instanceof ServingError) this.fail(error);
      throw error;
    }
    if (this.cancelRetry) {
      this.#loader.unload(servable);
      this.move('loading', 'disabled');
      const cancelled = new ServingError('CANCELLED', 'Loading of servable cancelled');
      if (this.#options.endCancelledLoads) this.#options.onError(this.id, cancelled);
      throw cancelled;
    }
    this.servable = servable;
    this.move('loading', 'ready');
  }

  unload(): void {
    this.move('quiesced', 'unloading');
    if (this.servable !== undefined) this.#loader.unload(this.servable);
    this.servable = undefined;
    this.move('unloading', 'disabled');
  }

  fail(error: ServingError): void {
    this.state = 'error';
    this.health = error;
    this.#options.onError(this.id, error);
  }

  #retried<T>(what: string, attempt: () => T | Promise<T>): Promise<T> {
    return retry(this.#options.clock, this.#options, attempt, () => this.cancelRetry,
      (error) => this.#options.logError(`${what}: ${debugString(this.id)} failed: ${error.toString()}`));
  }
}
