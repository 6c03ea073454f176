// Asking a fleet: its state, and whether it takes a verb.

import { ApplicationFailure, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { setTimeout as delay } from 'node:timers/promises';
import type { FleetState } from '../../domain/fleet';
import { fleetWorkflowId, type FleetName } from '../../domain/names';
import { errorLine } from '../../worker/error-text';
import type { ConnectedClient } from '../../worker/connection';
import { EXIT, Exit } from '../exit';
import type { OutputFlags } from '../output-flag';
import { follow } from '../rollout/follow';
import type { Terminal } from '../terminal';

const ASK_DEADLINE_MS = 10_000;

/** What the fleet remembers. Throws an Exit (1) where there is no such fleet. */
export async function fleetState({ client }: ConnectedClient, fleet: string): Promise<FleetState> {
  const handle = client.workflow.getHandle(fleetWorkflowId(fleet as FleetName));
  try {
    return await client.withDeadline(Date.now() + ASK_DEADLINE_MS, () => handle.query<FleetState>('status'));
  } catch (error) {
    throw notThere(error, fleet);
  }
}

/** The rollout that does what was asked for. Throws an Exit with the refusal (3). */
export async function askFleet({ client }: ConnectedClient, fleet: string, verb: 'rollback' | 'retire', payload: unknown): Promise<{ readonly workflowId: string; readonly message: string }> {
  const handle = client.workflow.getHandle(fleetWorkflowId(fleet as FleetName));
  try {
    return await client.withDeadline(Date.now() + ASK_DEADLINE_MS, () => handle.executeUpdate(verb, { args: [payload] }));
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) throw new Exit(EXIT.rejected, `refused: ${error.cause instanceof ApplicationFailure ? `${error.cause.type ?? ''}: ` : ''}${errorLine(error.cause)}`);
    throw notThere(error, fleet);
  }
}

/** Says something to a fleet that has nothing to answer. */
export async function tellFleet({ client }: ConnectedClient, fleet: string, verb: 'leave' | 'check', payload: unknown): Promise<void> {
  try {
    await client.workflow.getHandle(fleetWorkflowId(fleet as FleetName)).signal(verb, payload);
  } catch (error) {
    throw notThere(error, fleet);
  }
}

const STARTED_WITHIN_MS = 30_000;

/** The fleet starts its rollout a moment after it answered. */
export async function followOwn(connected: ConnectedClient, { workflowId, message }: { readonly workflowId: string; readonly message: string }, flags: OutputFlags & { readonly detach?: boolean }, terminal: Terminal): Promise<number> {
  terminal.out(flags.output === 'json' ? JSON.stringify({ workflowId, message }) : `accepted: ${message}\n by: ${workflowId}`);
  if (flags.detach === true) return EXIT.ok;
  for (const until = Date.now() + STARTED_WITHIN_MS; !await isThere(connected, workflowId);) {
    if (Date.now() > until) throw new Exit(EXIT.stillRunning, `${workflowId} has not been started within ${STARTED_WITHIN_MS / 1000} s: is a control worker running? (segue worker)`);
    await delay(200);
  }
  return follow(connected, { workflowId, json: flags.output === 'json' }, terminal);
}

async function isThere({ client }: ConnectedClient, workflowId: string): Promise<boolean> {
  try {
    await client.workflow.getHandle(workflowId).describe();
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

function notThere(error: unknown, fleet: string): unknown {
  return error instanceof WorkflowNotFoundError ? new Exit(EXIT.usage, `no fleet ${fleet} in this namespace: no agent has announced itself to it; list them with: temporal workflow list --query 'WorkflowType="fleet"'`) : error;
}
