// The few activities that need no host, as workflows call them.

import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { ControlActivities } from '../activities/control';
import { CHECK_POLLERS_SECONDS, CLAIM_SECONDS, SETTLE_SECONDS, START_OWN_SECONDS } from '../domain/bounds';

/** Parsing takes a millisecond and touches nothing: local, one marker, no task queue. */
export const { parseRequest, parseUpdate } = proxyLocalActivities<ControlActivities>({ startToCloseTimeout: 10_000 });

/** The fleet answers at once; what takes time is only a fleet that continues as new in between. */
export const { claimModel } = proxyActivities<ControlActivities>({ startToCloseTimeout: 10_000, scheduleToCloseTimeout: CLAIM_SECONDS * 1000, summary: 'claim the model in its fleet', retry: { initialInterval: 250, maximumInterval: 5000 } });

export const { settleClaim } = proxyActivities<ControlActivities>({ startToCloseTimeout: 10_000, scheduleToCloseTimeout: SETTLE_SECONDS * 1000, summary: 'tell the fleet the verdict', retry: { initialInterval: 250, maximumInterval: 10_000 } });

/** A rollout that the fleet starts by itself: a repair, a rollback, a retirement. */
export function startOwnRollout(summary: string): ControlActivities['startOwnRollout'] {
  return proxyActivities<ControlActivities>({ startToCloseTimeout: 10_000, scheduleToCloseTimeout: START_OWN_SECONDS * 1000, summary, retry: { initialInterval: 250, maximumInterval: 10_000 } }).startOwnRollout;
}

/** Whether rollouts that hold a model are still open. One small question to Temporal for each. */
export const { checkRuns } = proxyActivities<ControlActivities>({ startToCloseTimeout: CHECK_POLLERS_SECONDS * 1000, scheduleToCloseTimeout: CHECK_POLLERS_SECONDS * 1000, summary: 'are the rollouts that hold a model still open', retry: { maximumAttempts: 1 } });

export const { checkPollers } = proxyActivities<ControlActivities>({ startToCloseTimeout: CHECK_POLLERS_SECONDS * 1000, scheduleToCloseTimeout: CHECK_POLLERS_SECONDS * 1000, summary: 'who of the agents still polls', retry: { maximumAttempts: 1 } });
