// Every message a workflow of ours takes, by the name people type. Each verb takes exactly one JSON object, because Temporal's UI sends one payload.

import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ClaimRequest, FleetState, Settlement } from '../domain/fleet-facts';
import type { Announcement, Progress } from '../domain/host';
import type { ServerName, Token } from '../domain/names';
import type { Pinned } from '../domain/rollout';
import type { Claim, ServerReport } from '../domain/rollout-facts';
import type { Status } from '../domain/status';

/** What a verb that came as an update answers: it was taken, and for which generation it counts. */
export interface Accepted {
  readonly accepted: true;
  readonly generation: Token;
  readonly message: string;
}

/** What a fleet's verb answers: the rollout that does it. */
export interface OwnAccepted {
  readonly accepted: true;
  readonly workflowId: string;
  readonly message: string;
}

// rollout: for people
export const abortSignal = defineSignal<[unknown]>('abort');
export const abortUpdate = defineUpdate<Accepted, [unknown]>('abort');
export const updateSignal = defineSignal<[unknown]>('update');
export const updateUpdate = defineUpdate<Accepted, [unknown]>('update');
export const rollbackSignal = defineSignal<[unknown]>('rollback');
export const rollbackUpdate = defineUpdate<Accepted, [unknown]>('rollback');
export const pauseSignal = defineSignal<[unknown]>('pause');
export const pauseUpdate = defineUpdate<Accepted, [unknown]>('pause');
export const resumeSignal = defineSignal<[unknown]>('resume');
export const resumeUpdate = defineUpdate<Accepted, [unknown]>('resume');
export const statusQuery = defineQuery<Status>('status');

// rollout: from its fleet, its transitions and the agents
export const supersedeSignal = defineSignal<[{ readonly by: string; readonly epoch?: number }]>('supersede');
export const gateSignal = defineSignal<[ServerReport]>('gate');
export const progressSignal = defineSignal<[Progress]>('progress');

// transition: from its rollout
export const releaseSignal = defineSignal<[]>('release');
export const pinSignal = defineSignal<[Pinned]>('pin');

// fleet
export const claimUpdate = defineUpdate<Claim, [ClaimRequest]>('claim');
export const settleSignal = defineSignal<[Settlement]>('settle');
export const announceSignal = defineSignal<[Announcement]>('announce');
export const leaveSignal = defineSignal<[{ readonly server: ServerName }]>('leave');
/** From people: go back from what is stable, or serve nothing of a model any more. Both start a rollout of their own, whose id is answered. */
export const fleetRollbackUpdate = defineUpdate<OwnAccepted, [unknown]>('rollback');
export const fleetRollbackSignal = defineSignal<[unknown]>('rollback');
export const retireUpdate = defineUpdate<OwnAccepted, [unknown]>('retire');
export const retireSignal = defineSignal<[unknown]>('retire');
/** Look now who still polls. */
export const checkSignal = defineSignal<[unknown]>('check');
export const refreshSignal = defineSignal<[unknown]>('refresh');
export const fleetStatusQuery = defineQuery<FleetState>('status');
