// What a test asks of the simulator beyond the stock server: slow loads and predictions, and errors on purpose.

import type { ServableId } from './servable-id';
import { ServingError, type CodeName } from './status';

/** Which servables a rule is about; absent: any. */
export interface Target {
  readonly model?: string;
  readonly version?: bigint;
}

export interface DelayRule extends Target {
  readonly what: 'load' | 'predict';
  readonly ms: number;
}

export interface ErrorRule extends Target {
  /** estimate: the resource estimate before a load, which freezes the server while it is retried. */
  readonly what: 'estimate' | 'load' | 'predict';
  readonly code: CodeName;
  readonly message?: string;
  /** How often; absent: always. */
  readonly times?: number;
}

export class Faults {
  readonly #delays: DelayRule[] = [];
  readonly #holds = new Map<Target, Promise<void>>();
  readonly #errors: { readonly rule: ErrorRule; left: number }[] = [];

  /** The rule given last wins. */
  delay(rule: DelayRule): void {
    this.#delays.unshift(rule);
  }

  /** Loads stand still until what this returns is called: for tests that wait for a fact and not for a time. */
  hold(target: Target): () => void {
    let release: () => void = () => undefined;
    this.#holds.set(target, new Promise((resolve) => {
      release = (): void => {
        this.#holds.delete(target);
        resolve();
      };
    }));
    return release;
  }

  /** Until nobody holds its load. */
  async held(id: ServableId): Promise<void> {
    for (const [target, released] of this.#holds) if (isAbout(target, id)) await released;
  }

  error(rule: ErrorRule): void {
    this.#errors.push({ rule, left: rule.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#delays.length = 0;
    this.#errors.length = 0;
  }

  delayMs(what: DelayRule['what'], id: ServableId): number {
    return this.#delays.find((rule) => rule.what === what && isAbout(rule, id))?.ms ?? 0;
  }

  /** Throws the first error wished for here, and counts it. */
  strike(what: ErrorRule['what'], id: ServableId): void {
    const due = this.#errors.find(({ rule, left }) => left > 0 && rule.what === what && isAbout(rule, id));
    if (due === undefined) return;
    due.left -= 1;
    throw new ServingError(due.rule.code, due.rule.message ?? `${what} fails on purpose`);
  }
}

function isAbout(target: Target, id: ServableId): boolean {
  return (target.model === undefined || target.model === id.name) && (target.version === undefined || target.version === id.version);
}
