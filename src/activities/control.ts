// Activities that need no host: parsing, and talking to the fleet.

import { ApplicationFailure, WithStartWorkflowOperation, WorkflowUpdateFailedError, type Client } from '@temporalio/client';
import { defineUpdate } from '@temporalio/workflow';
import type { ClaimRequest, Settlement } from '../domain/fleet';
import { CONTROL_QUEUE, fleetWorkflowId, type FleetName } from '../domain/names';
import type { RolloutRequest } from '../domain/request';
import type { Claim } from '../domain/rollout-state';
import { asActivity } from './failing';
import { parseRequest, parseUpdate } from './request';

/** Shorter than the activity's own time-out: a call that waited on would keep its slot of the worker, for each try, until none is left. */
const CLAIM_CALL_MS = 8_000;

export type ControlActivities = ReturnType<typeof createControlActivities>;

export function createControlActivities({ client }: { readonly client: Client }) {
  return {
    /** The wish with every default filled in, or InvalidInput with the path of each mistake. Touches nothing. */
    parseRequest: (input: unknown): Promise<RolloutRequest> => asActivity(async () => parseRequest(input)),

    /** The request as the update leaves it, or InvalidInput. Touches nothing. */
    parseUpdate: (current: RolloutRequest, input: unknown): Promise<RolloutRequest> => asActivity(async () => parseUpdate(current, input)),

    /** Update-with-start on the fleet, idempotent by the rollout's run: a retry gets the same epoch. */
    claimModel: ({ fleet, ...request }: ClaimRequest & { readonly fleet: FleetName }): Promise<Claim> => asActivity(async () => {
      const startWorkflowOperation = new WithStartWorkflowOperation('fleet', { workflowId: fleetWorkflowId(fleet), taskQueue: CONTROL_QUEUE, args: [{ fleet }], workflowIdConflictPolicy: 'USE_EXISTING' });
      try {
        return await client.withDeadline(Date.now() + CLAIM_CALL_MS, () => client.workflow.executeUpdateWithStart(claimUpdate, { startWorkflowOperation, args: [request], updateId: request.runId }));
      } catch (error) {
        if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) throw error.cause;
        throw unanswered(error, 'claim');
      }
    }),

    /** Signal-with-start: a fleet that was lost hears the verdict too. */
    settleClaim: ({ fleet, ...last }: Settlement & { readonly fleet: FleetName }): Promise<void> => asActivity(async () => {
      try {
        await client.workflow.signalWithStart('fleet', { workflowId: fleetWorkflowId(fleet), taskQueue: CONTROL_QUEUE, args: [{ fleet }], signal: 'settle', signalArgs: [last] });
      } catch (error) {
        throw unanswered(error, 'settle');
      }
    }),
  };
}

/** By name: the definition in src/workflows belongs to the sandbox. */
const claimUpdate = defineUpdate<Claim, [ClaimRequest]>('claim');

/** The fleet did not answer this time: asked again, because both calls are idempotent. */
function unanswered(error: unknown, what: string): ApplicationFailure {
  return ApplicationFailure.retryable(`the fleet did not answer ${what}: ${error instanceof Error ? error.message : String(error)}`, 'ServerUnreachable');
}
