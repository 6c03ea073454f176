// What the simulator itself counted: the other side of every client's own tally.

import type { ServableId } from './servable-id';
import { CODE_NAMES, type ServingError } from './status';

export interface ServableCount {
  readonly model: string;
  /** Decimal; empty where no version was found to answer. */
  readonly version: string;
  readonly ok: number;
  readonly failed: number;
}

export interface PredictionCounts {
  /** Every Predict that reached the server, answered with a result or with an error. */
  readonly received: number;
  readonly ok: number;
  readonly failed: number;
  readonly byServable: readonly ServableCount[];
  /** Failed ones, by code name. */
  readonly byCode: Readonly<Record<string, number>>;
}

interface Tally { model: string; version: string; ok: number; failed: number }

export class PredictionCounter {
  readonly #tallies = new Map<string, Tally>();
  readonly #codes = new Map<string, number>();

  count(model: string, id: ServableId | undefined, error: ServingError | undefined): void {
    const version = id === undefined ? '' : String(id.version);
    const key = `${model}/${version}`;
    const tally = this.#tallies.get(key) ?? { model, version, ok: 0, failed: 0 };
    this.#tallies.set(key, tally);
    if (error === undefined) {
      tally.ok += 1;
      return;
    }
    tally.failed += 1;
    const code = CODE_NAMES[error.code] ?? String(error.code);
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
  }

  snapshot(): PredictionCounts {
    const byServable = [...this.#tallies.values()].map((tally) => ({ ...tally }));
    const ok = byServable.reduce((sum, tally) => sum + tally.ok, 0);
    const failed = byServable.reduce((sum, tally) => sum + tally.failed, 0);
    return { received: ok + failed, ok, failed, byServable, byCode: Object.fromEntries(this.#codes) };
  }
}
