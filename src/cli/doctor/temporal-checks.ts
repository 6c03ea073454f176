// Temporal as the worker and the agents need it: reachable, with our search attributes, and with somebody polling where work for this server goes.

import { CONTROL_QUEUE, agentQueue, fleetWorkflowId, type FleetName, type ServerName } from '../../domain/names';
import { errorCode, errorText } from '../../worker/error-text';
import type { ConnectedClient } from '../../worker/connection';
import { NoTemporalError } from '../../worker/no-temporal';
import { createCommand, SEARCH_ATTRIBUTES } from '../../worker/search-attributes';
import { targetOf, withClient, type TemporalFlags } from '../temporal-flags';
import { note, ok, problem, type Finding } from './finding';

export interface FleetQuestion {
  readonly fleet?: string | undefined;
  readonly server?: string | undefined;
}

/** gRPC codes. */
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
/** temporal.api.enums.v1.TaskQueueType. */
const WORKFLOW_TASKS = 1;
const ACTIVITY_TASKS = 2;
/** A long poll lasts a minute; who did not ask for longer has gone. */
const POLLS_WITHIN_MS = 90_000;
/** A poll the server dates so far in our future means that one of the two clocks is wrong. */
const CLOCK_SKEW_MS = 10_000;

export async function checkTemporal(flags: TemporalFlags, question: FleetQuestion): Promise<readonly Finding[]> {
  try {
    return await withClient(flags, async (connected) => [
      ok('temporal', `${connected.target.address} answers, namespace ${connected.target.namespace}`),
      ...await checkAttributes(connected),
      ...await checkFleet(connected, question),
    ]);
  } catch (error) {
    if (error instanceof NoTemporalError) return [problem('temporal', error.message.split('\n')[0] ?? error.message, 'temporal operator cluster health')];
    return [problem('temporal', `${targetOf(flags).address}: ${errorText(error)}`, 'temporal operator cluster health')];
  }
}

async function checkAttributes({ connection, target: { namespace } }: ConnectedClient): Promise<readonly Finding[]> {
  const missing: string[] = [];
  for (const name of SEARCH_ATTRIBUTES) {
    await connection.workflowService.countWorkflowExecutions({ namespace, query: `${name} = "none"` }).catch((error: unknown) => {
      if (errorCode(error) !== INVALID_ARGUMENT) throw error;
      missing.push(name);
    });
  }
  return missing.length === 0 ? [ok('temporal', `search attributes ${SEARCH_ATTRIBUTES.join(', ')} are there`)] : [problem('temporal', `namespace ${namespace} has no search attribute ${missing.join(', ')}`, createCommand(namespace, missing))];
}

async function checkFleet(connected: ConnectedClient, { fleet, server }: FleetQuestion): Promise<readonly Finding[]> {
  const findings = [await pollers(connected, CONTROL_QUEUE, WORKFLOW_TASKS, 'control worker', 'segue worker')];
  if (fleet === undefined) return findings;
  if (server !== undefined) findings.push(await pollers(connected, agentQueue(fleet as FleetName, server as ServerName), ACTIVITY_TASKS, `agent of ${server}`, `segue agent --fleet ${fleet} --server ${server} --root ROOT --serving SERVER`));
  const id = fleetWorkflowId(fleet as FleetName);
  const described = await connected.client.workflow.getHandle(id).describe().catch((error: unknown) => {
    if (errorCode(error) === NOT_FOUND || (error as Error).name === 'WorkflowNotFoundError') return undefined;
    throw error;
  });
  return [...findings, described?.status.name === 'RUNNING' ? ok('temporal', `${id} runs`) : note('temporal', `${id} does not run: no agent has announced itself`, `temporal workflow describe --workflow-id ${id}`)];
}

async function pollers({ connection, target: { namespace } }: ConnectedClient, queue: string, kind: number, who: string, next: string): Promise<Finding> {
  const { pollers: seen } = await connection.workflowService.describeTaskQueue({ namespace, taskQueue: { name: queue }, taskQueueType: kind });
  const newest = Math.max(0, ...(seen ?? []).map((one) => Number(one.lastAccessTime?.seconds ?? 0) * 1000));
  if (newest > Date.now() + CLOCK_SKEW_MS) return problem('clock', `Temporal dates the last poll of ${queue} ${Math.round((newest - Date.now()) / 1000)} s into our future`, 'timedatectl');
  return Date.now() - newest <= POLLS_WITHIN_MS ? ok('temporal', `the ${who} polls ${queue}`) : problem('temporal', `nobody polls ${queue}: no ${who} is connected`, next);
}
