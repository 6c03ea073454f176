// A rollout request after parsing: every default filled in, every name checked. The shape of the JSON that CI sends is in activities/request.ts.

import type { FleetName, ModelName, Version } from './names';
import type { SourceRef } from './source';

export type Mode = 'availability' | 'resource';

/** A wave is cumulative: a number of servers, or a share of them, rounded up. */
export type Wave = { readonly count: number } | { readonly percent: number };

export interface Strategy {
  readonly waves: readonly Wave[];
  readonly maxUnavailable: number;
  readonly mode: Mode;
  readonly bakeSeconds: number;
  readonly drainSeconds: number;
  readonly loadDeadlineSeconds: number;
  readonly unloadDeadlineSeconds: number;
}

/** A Predict whose answer is known. Numbers only; nested arrays give the shape. */
export interface Probe {
  readonly signature?: string;
  readonly inputs: Readonly<Record<string, TensorValue>>;
  readonly expect?: Readonly<Record<string, TensorValue>>;
  /** Largest absolute difference that still counts as equal. */
  readonly tolerance: number;
}
export type TensorValue = number | readonly TensorValue[];

export interface RolloutRequest {
  readonly fleet: FleetName;
  readonly model: ModelName;
  readonly version: Version;
  readonly source: SourceRef;
  readonly strategy: Strategy;
  readonly probe?: Probe;
  readonly onFailure: 'rollback' | 'hold';
  readonly holdSeconds: number;
  readonly reason?: string;
  readonly requestedBy?: string;
  readonly ciUrl?: string;
}
