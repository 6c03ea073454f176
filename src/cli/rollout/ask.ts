// Asking a rollout: its status, and whether it takes a verb. Each ask is bounded, because an answer needs a control worker.

import { ApplicationFailure, QueryNotRegisteredError, ServiceError, WorkflowNotFoundError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import type { Status } from '../../domain/status';
import { errorCode, errorLine } from '../../worker/error-text';
import type { ConnectedClient } from '../../worker/connection';
import { EXIT, Exit } from '../exit';
import { notFound } from './end';

/** A worker that is there answers in milliseconds; a cold one replays for seconds. */
const ASK_DEADLINE_MS = 10_000;
/** A query that meets the end of a run is sometimes lost (seen with SDK 1.24): a second one is answered at once. */
const FIRST_ASK_SHARE = 0.3;

/** The status, or in words why there was no answer. Throws when there is no such rollout. */
export async function askStatus(connected: ConnectedClient, workflowId: string, deadlineMs = ASK_DEADLINE_MS): Promise<Status | { readonly unanswered: string }> {
  const first = await askOnce(connected, workflowId, deadlineMs * FIRST_ASK_SHARE);
  return 'unanswered' in first ? askOnce(connected, workflowId, deadlineMs * (1 - FIRST_ASK_SHARE)) : first;
}

async function askOnce({ client }: ConnectedClient, workflowId: string, deadlineMs: number): Promise<Status | { readonly unanswered: string }> {
  try {
    return await client.withDeadline(Date.now() + deadlineMs, () => client.workflow.getHandle(workflowId).query<Status>('status'));
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw notFound(error, workflowId);
    if (error instanceof QueryNotRegisteredError) return { unanswered: 'it has not begun to work yet' };
    if (isSilence(error)) return { unanswered: 'no control worker answers; is one running? segue worker' };
    throw error;
  }
}

export interface Accepted {
  readonly accepted: true;
  readonly generation: readonly [number, number];
  readonly message: string;
}

/** Runs a verb as an update, so that a refusal is heard. Throws an Exit with the refusal (3), or when nobody answers (6). */
export async function askVerb({ client }: ConnectedClient, workflowId: string, verb: 'abort' | 'update' | 'pause' | 'resume' | 'rollback', payload: unknown, deadlineMs = ASK_DEADLINE_MS): Promise<Accepted | 'ended'> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    return await client.withDeadline(Date.now() + deadlineMs, () => handle.executeUpdate<Accepted, [unknown]>(verb, { args: [payload] }));
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) {
      const why = error.cause;
      throw new Exit(EXIT.rejected, `refused: ${why instanceof ApplicationFailure && why.type ? `${why.type}: ` : ''}${errorLine(why)}`);
    }
    // Temporal says "not found" of a workflow that was never there and of one that has ended.
    if (error instanceof WorkflowNotFoundError) return existed(handle.describe(), workflowId);
    if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isSilence(error)) {
      throw new Exit(EXIT.stillRunning, `no answer within ${deadlineMs / 1000} s: is a control worker running? (segue worker)\n` +
        `As a signal it is kept until one is:  temporal workflow signal --workflow-id ${workflowId} --name ${verb} --input '${JSON.stringify(payload)}'`);
    }
    throw error;
  }
}

/** gRPC: CANCELLED (the server's own clock reached our deadline before ours did, and it reset the stream), DEADLINE_EXCEEDED, FAILED_PRECONDITION (no poller seen
 *  of late), UNAVAILABLE. Everything else is an answer, and a mistake. */
const SILENCE: ReadonlySet<unknown> = new Set([1, 4, 9, 14]);

export function isSilence(error: unknown): boolean {
  return SILENCE.has(errorCode(error instanceof ServiceError ? error.cause : error));
}

async function existed(description: Promise<unknown>, workflowId: string): Promise<'ended'> {
  try {
    await description;
    return 'ended';
  } catch (error) {
    throw notFound(error, workflowId);
  }
}
