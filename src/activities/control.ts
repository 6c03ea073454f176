// Activities that need no host: parsing, and talking to the fleet.

import { ApplicationFailure, WithStartWorkflowOperation, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError, WorkflowUpdateFailedError, type Client } from '@temporalio/client';
import { defineUpdate } from '@temporalio/workflow';
import type { ClosedRun } from '../domain/fleet';
import type { ClaimRequest, RolloutRef, Settlement } from '../domain/fleet-facts';
import { agentQueue, CONTROL_QUEUE, fleetWorkflowId, type FleetName, type ServerName } from '../domain/names';
import type { RolloutRequest } from '../domain/request';
import type { Claim } from '../domain/rollout-facts';
import type { Verdict } from '../domain/verdict';
import { asActivity } from './failing';
import { parseRequest, parseUpdate } from './request';

/** Shorter than the activity's own time-out: a call that waited on would keep its slot of the worker, for each try, until none is left. */
const CLAIM_CALL_MS = 8_000;

/** Temporal's number for the activity side of a queue (temporal.api.enums.v1.TaskQueueType). */
const ACTIVITY_QUEUE = 2;
/** A long poll lasts a minute; an agent that is there has asked again within it. */
const POLL_MS = 90_000;

export type ControlActivities = ReturnType<typeof createControlActivities>;

export function createControlActivities({ client }: { readonly client: Client }) {
  return {
    /** The wish with every default filled in, or InvalidInput with the path of each mistake. Touches nothing. */
    parseRequest: (input: unknown): Promise<RolloutRequest> => asActivity(async () => parseRequest(input)),

    /** The request as the update leaves it, or InvalidInput. Touches nothing. */
    parseUpdate: (current: RolloutRequest, input: unknown): Promise<RolloutRequest> => asActivity(async () => parseUpdate(current, input)),

    /** Update-with-start on the fleet, idempotent by the rollout's run: a retry gets the same epoch. */
    claimModel: ({ fleet, ...request }: ClaimRequest & { readonly fleet: FleetName }): Promise<Claim> => asActivity(async () => {
      // Not the workflow's own start time: after a reset that is still the first one's, and a reset is a new wish.
      const { startTime } = await client.workflow.getHandle(request.workflowId, request.runId).describe().catch((error: unknown) => { throw unanswered(error, 'Temporal', 'when the rollout was started'); });
      const startWorkflowOperation = new WithStartWorkflowOperation('fleet', { workflowId: fleetWorkflowId(fleet), taskQueue: CONTROL_QUEUE, args: [{ fleet }], workflowIdConflictPolicy: 'USE_EXISTING' });
      try {
        return await client.withDeadline(Date.now() + CLAIM_CALL_MS, () => client.workflow.executeUpdateWithStart(claimUpdate, { startWorkflowOperation, args: [{ ...request, startedMs: startTime.getTime() }], updateId: request.runId }));
      } catch (error) {
        if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) throw error.cause;
        throw unanswered(error, 'the fleet', 'claim');
      }
    }),

    /** Signal-with-start: a fleet that was lost hears the verdict too. */
    settleClaim: ({ fleet, ...last }: Settlement & { readonly fleet: FleetName }): Promise<void> => asActivity(async () => {
      try {
        await client.workflow.signalWithStart('fleet', { workflowId: fleetWorkflowId(fleet), taskQueue: CONTROL_QUEUE, args: [{ fleet }], signal: 'settle', signalArgs: [last] });
      } catch (error) {
        throw unanswered(error, 'the fleet', 'settle');
      }
    }),

    /** A rollout of the fleet's own. The id is given: a second try finds the first one's. */
    startOwnRollout: ({ workflowId, input }: { readonly workflowId: string; readonly input: unknown }): Promise<void> => asActivity(async () => {
      try {
        await client.workflow.start('rollout', { workflowId, taskQueue: CONTROL_QUEUE, args: [input], workflowIdConflictPolicy: 'USE_EXISTING', workflowIdReusePolicy: 'REJECT_DUPLICATE' });
      } catch (error) {
        if (error instanceof WorkflowExecutionAlreadyStartedError) return;
        throw unanswered(error, 'Temporal', 'the start of a rollout');
      }
    }),

    /** Those of the rollouts that are closed or that nobody knows, with their outcome where they completed. A rollout that was reset goes on in another run. */
    checkRuns: ({ runs }: { readonly runs: readonly RolloutRef[] }): Promise<readonly ClosedRun[]> => asActivity(async () => {
      const closed: ClosedRun[] = [];
      for (const { workflowId, runId } of runs) {
        const handle = client.workflow.getHandle(workflowId);
        try {
          const { status } = await handle.describe();
          if (status.name === 'RUNNING' || status.name === 'PAUSED' || status.name === 'UNSPECIFIED' || status.name === 'UNKNOWN') continue;
          const outcome = status.name === 'COMPLETED' ? ((await handle.result()) as Partial<Verdict>).outcome : undefined;
          closed.push({ runId, ...(outcome === undefined ? {} : { outcome }) });
        } catch (error) {
          if (!(error instanceof WorkflowNotFoundError)) throw unanswered(error, 'Temporal', `whether ${workflowId} is open`);
          closed.push({ runId });
        }
      }
      return closed;
    }),

    /** Those of the servers whose queue nobody has polled lately. */
    checkPollers: ({ fleet, servers }: { readonly fleet: FleetName; readonly servers: readonly ServerName[] }): Promise<readonly ServerName[]> => asActivity(async () => {
      const silent: ServerName[] = [];
      for (const server of servers) {
        const { pollers } = await client.workflowService.describeTaskQueue({ namespace: client.options.namespace, taskQueue: { name: agentQueue(fleet, server) }, taskQueueType: ACTIVITY_QUEUE });
        const lastMs = Math.max(0, ...(pollers ?? []).map(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1000));
        if (Date.now() - lastMs > POLL_MS) silent.push(server);
      }
      return silent;
    }),
  };
}

/** By name: the definition in src/workflows belongs to the sandbox. */
const claimUpdate = defineUpdate<Claim, [ClaimRequest]>('claim');

/** No answer this time: asked again, because every call is idempotent. */
function unanswered(error: unknown, who: string, what: string): ApplicationFailure {
  return ApplicationFailure.retryable(`${who} did not answer ${what}: ${error instanceof Error ? error.message : String(error)}`, 'ServerUnreachable');
}
