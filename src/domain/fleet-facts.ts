// What a fleet remembers, as one plain JSON value: members, what is stable, who holds which model. How it changes is in fleet.ts.

import type { FailureCode } from './failures';
import type { Announcement } from './host';
import type { Digest, FleetName, ModelName, ServerName, Version } from './names';
import type { Probe } from './request';
import type { KnownBad, Stable } from './rollout-facts';
import type { SourceRef } from './source';
import type { Outcome } from './verdict';

export interface RolloutRef {
  readonly workflowId: string;
  readonly runId: string;
}

/** A claim that a newer one replaced. Known by its epoch: a rollout that was reset goes on with its claim in another run. */
export interface SupersededRef extends RolloutRef {
  readonly epoch: number;
  readonly by: string;
}

export interface Holder extends RolloutRef {
  readonly epoch: number;
  readonly version: Version;
  /** As answered to it: the same claim again gets the same answer. */
  readonly unsettled: boolean;
  /** Started by the fleet, for these servers. */
  readonly repair?: readonly ServerName[];
}

/** A rollout the fleet starts by itself: until it claims, and after it failed, this is all that is known of it. */
export interface OwnRollout {
  readonly workflowId: string;
  readonly why: 'repair' | 'rollback' | 'retire';
  /** Only for a repair. */
  readonly servers?: readonly ServerName[];
  readonly askedMs: number;
  /** Workflow time of its start; absent: not started yet. */
  readonly startedMs?: number;
  readonly by?: string;
  readonly reason?: string;
}

export interface ModelState {
  readonly stable?: Stable;
  /** The version before: the one whose directory agents keep, so that going back needs no bytes. */
  readonly retained?: Stable;
  readonly holder?: Holder;
  /** The newest last; bounded. */
  readonly knownBad?: readonly KnownBad[];
  readonly own?: OwnRollout;
  /** Of all rollouts that anybody asked for, the one started last: one that was started before it comes too late, whenever it claims. */
  readonly newest?: { readonly workflowId: string; readonly startedMs: number };
  /** Nothing of it shall be served: whoever still serves it, or comes back with it, is brought to that. */
  readonly retired?: true;
  /** The last holder ended without a word: whoever claims next fences every server first. */
  readonly unsettled?: true;
  /** Repairs that failed one after the other, and when the next may begin. */
  readonly failedRepairs?: { readonly count: number; readonly nextMs: number; readonly last: string };
}

export interface Member extends Announcement {
  /** Workflow time of its first and its last announcement, epoch milliseconds. */
  readonly sinceMs: number;
  readonly announcedMs: number;
  /** Nobody polls its queue, since when by the last check that saw it so. A fact, and nothing follows from it about the server. */
  readonly silentSinceMs?: number;
}

export interface FleetState {
  readonly fleet: FleetName;
  /** The highest epoch given out. */
  readonly epoch: number;
  readonly members: Readonly<Record<ServerName, Member>>;
  readonly models: Readonly<Record<ModelName, ModelState>>;
  /** Holders that a newer claim replaced and that have not been told yet. */
  readonly superseded: readonly SupersededRef[];
  /** The last verb that came by signal and was refused: there was nobody to answer. Gone with the next one that is taken. */
  readonly refusal?: { readonly verb: string; readonly message: string; readonly atMs: number };
  /** Workflow time of the last check of who polls. */
  readonly checkedMs?: number;
  /** Between two checks; ten minutes unless `refresh` said otherwise. */
  readonly checkSeconds?: number;
}

export interface ClaimRequest extends RolloutRef {
  readonly model: ModelName;
  readonly version: Version;
  /** When its run was started or reset, by Temporal's clock. Absent: claims count in the order in which they come. */
  readonly startedMs?: number;
  readonly endpoint?: string;
  /** false: it brings no source, so no endpoint is asked of anybody. */
  readonly fetches?: false;
  /** From a rollout that the fleet started: only these servers, and never against another holder. */
  readonly repair?: readonly ServerName[];
  readonly allowDowngrade?: true;
}

/** A rollout's last word to its fleet. */
export interface Settlement extends RolloutRef {
  readonly model: ModelName;
  readonly version: Version;
  readonly digest?: Digest;
  readonly outcome: Outcome;
  readonly code?: FailureCode;
  /** The epoch it held: a fleet that lost its state learns from it not to fall behind. */
  readonly epoch: number;
  readonly source?: SourceRef;
  readonly probe?: Probe;
  /** Per server that ended as served, what it serves. */
  readonly serving?: Readonly<Record<ServerName, Version>>;
  readonly knownBad?: KnownBad;
}
