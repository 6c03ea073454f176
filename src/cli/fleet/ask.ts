// Asking a fleet: its state, and whether it takes a verb. Each ask is bounded, because an answer needs a control worker.

import { ApplicationFailure, QueryNotRegisteredError, WorkflowNotFoundError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import { setTimeout as delay } from 'node:timers/promises';
import type { FleetState } from '../../domain/fleet-facts';
import { fleetWorkflowId, type FleetName } from '../../domain/names';
import { errorLine } from '../../worker/error-text';
import type { ConnectedClient } from '../../worker/connection';
import { EXIT, Exit } from '../exit';
import type { OutputFlags } from '../output-flag';
import { isSilence } from '../rollout/ask';
import { follow } from '../rollout/follow';
import type { Terminal } from '../terminal';

/** A worker that is there answers in milliseconds; a cold one replays for seconds. */
const ASK_DEADLINE_MS = 10_000;

/** What the fleet remembers, or in words why there was no answer. Throws an Exit (1) where there is no such fleet. */
export async function askFleetState(connected: ConnectedClient, fleet: string): Promise<FleetState | { readonly unanswered: string }> {
  const state = await askOnce(connected, fleet);
  // A rollout with a typo starts a fleet, which ends by itself: as if there were none.
  if (!('unanswered' in state) && Object.keys(state.members).length === 0 && Object.keys(state.models).length === 0) throw unknown(fleet);
  return state;
}

async function askOnce({ client }: ConnectedClient, fleet: string): Promise<FleetState | { readonly unanswered: string }> {
  try {
    return await client.withDeadline(Date.now() + ASK_DEADLINE_MS, () => client.workflow.getHandle(idOf(fleet)).query<FleetState>('status'));
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw unknown(fleet);
    if (error instanceof QueryNotRegisteredError) return { unanswered: 'it has not begun to work yet' };
    if (isSilence(error)) return { unanswered: 'no control worker answers; is one running? segue worker' };
    throw error;
  }
}

/** The same for whom only an answer helps: without one it throws an Exit (6). */
export async function fleetState(connected: ConnectedClient, fleet: string): Promise<FleetState> {
  const state = await askFleetState(connected, fleet);
  if ('unanswered' in state) throw new Exit(EXIT.stillRunning, `fleet ${fleet}: ${state.unanswered}`);
  return state;
}

/** How it ended, where it runs no more: a query answers all the same. */
export async function endedAs({ client }: ConnectedClient, fleet: string): Promise<string | undefined> {
  const { status } = await client.workflow.getHandle(idOf(fleet)).describe();
  return status.name === 'RUNNING' ? undefined : status.name.toLowerCase();
}

/** A fleet's verb is done by a rollout that the fleet starts. */
export interface OwnAccepted {
  readonly accepted: true;
  readonly workflowId: string;
  readonly message: string;
}

/** Throws an Exit with the refusal (3), when nobody answers (6), or where there is no such fleet (1). */
export async function askFleet({ client }: ConnectedClient, fleet: string, verb: 'rollback' | 'retire', payload: unknown): Promise<OwnAccepted> {
  try {
    return await client.withDeadline(Date.now() + ASK_DEADLINE_MS, () => client.workflow.getHandle(idOf(fleet)).executeUpdate<OwnAccepted, [unknown]>(verb, { args: [payload] }));
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) throw new Exit(EXIT.rejected, `refused: ${error.cause instanceof ApplicationFailure && error.cause.type ? `${error.cause.type}: ` : ''}${errorLine(error.cause)}`);
    if (error instanceof WorkflowNotFoundError) throw unknown(fleet);
    if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isSilence(error)) {
      throw new Exit(EXIT.stillRunning, `no answer within ${ASK_DEADLINE_MS / 1000} s: is a control worker running? (segue worker)\n` +
        `As a signal it is kept until one is:  temporal workflow signal --workflow-id ${idOf(fleet)} --name ${verb} --input '${JSON.stringify(payload)}'`);
    }
    throw error;
  }
}

/** Says something to a fleet that it answers to nobody. */
export async function tellFleet({ client }: ConnectedClient, fleet: string, verb: 'leave' | 'check', payload: unknown): Promise<void> {
  try {
    await client.workflow.getHandle(idOf(fleet)).signal(verb, payload);
  } catch (error) {
    throw error instanceof WorkflowNotFoundError ? unknown(fleet) : error;
  }
}

const STARTED_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 200;

/** Prints which rollout does it, and follows that one; resolves with its exit code. The fleet starts it a moment after it answered. */
export async function followOwn(connected: ConnectedClient, own: OwnAccepted, flags: OutputFlags & { readonly detach?: boolean }, terminal: Terminal): Promise<number> {
  const { workflowId, message } = own;
  terminal.out(flags.output === 'json' ? JSON.stringify(own) : `accepted: ${message}\n by: ${workflowId}`);
  if (flags.detach === true) return EXIT.ok;
  for (const until = Date.now() + STARTED_WITHIN_MS; !await isThere(connected, workflowId); await delay(LOOK_EVERY_MS)) {
    if (Date.now() > until) throw new Exit(EXIT.stillRunning, `${workflowId} was not started within ${STARTED_WITHIN_MS / 1000} s: is a control worker running? (segue worker)\n follow it later: segue rollout watch ${workflowId}`);
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

function unknown(fleet: string): Exit {
  return new Exit(EXIT.usage, `no fleet ${fleet} in this namespace: no agent has announced itself to it; list them with: temporal workflow list --query 'WorkflowType="fleet"'`);
}

function idOf(fleet: string): string {
  return fleetWorkflowId(fleet as FleetName);
}
