// A rollout request after parsing: every default filled in, every name checked. The shape of the JSON that CI sends is in activities/request.ts.

import type { Digest, FleetName, ModelName, ServerName, Version } from './names';
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
  /** `version` is what is served now; afterwards nothing of the model is. */
  readonly retire?: true;
  /** Absent: the bytes must be on the disks already (a rollback), or none are needed (a retirement). */
  readonly source?: SourceRef;
  /** When given, other content is not this version. */
  readonly digest?: Digest;
  /** With a digest: what the disks hold is taken from them, and the source is asked only for what they lack. */
  readonly preferDisk?: true;
  /** Given by the fleet, which put right what drifted: only these servers, and never while somebody else's rollout holds the model. */
  readonly repair?: { readonly servers: readonly ServerName[] };
  /** Serve content that was rolled back before. */
  readonly allowKnownBad?: true;
  /** Serve a version older than the stable one. */
  readonly allowDowngrade?: true;
  /** Other content under a number that was served before, but is not now. */
  readonly allowReuse?: true;
  readonly strategy: Strategy;
  readonly probe?: Probe;
  readonly onFailure: 'rollback' | 'hold';
  readonly holdSeconds: number;
  readonly reason?: string;
  readonly requestedBy?: string;
  readonly ciUrl?: string;
}
