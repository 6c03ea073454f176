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
  readonly #errors: { readonly rule: ErrorRule; left: number }[] = [];

  /** The rule given last wins. */
  delay(rule: DelayRule): void {
    this.#delays.unshift(rule);
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
