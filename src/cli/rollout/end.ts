// How a rollout ended, read from what Temporal says of its workflow, and the exit code for it.

import type { Client } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import type { Outcome, ServerVerdict, Verdict } from '../../domain/verdict';
import { EXIT, Exit } from '../exit';

export interface RolloutEnd {
  readonly exit: number;
  /** Absent when the workflow was ended from outside, without its knowledge. */
  readonly verdict?: Verdict;
  /** One line: the outcome, and why. */
  readonly line: string;
}

const EXIT_OF: Readonly<Record<Outcome, number>> = {
  served: EXIT.ok, alreadyServed: EXIT.ok, retired: EXIT.ok, rejected: EXIT.rejected, failed: EXIT.rejected,
  aborted: EXIT.stopped, superseded: EXIT.stopped, cancelled: EXIT.stopped, rolledBack: EXIT.rolledBack,
};

/** Waits for as long as it takes. Throws only for what is no end: a rollout that is not there, or a server that went away. */
export async function awaitEnd(client: Client, workflowId: string, runId?: string): Promise<RolloutEnd> {
  try {
    return endOf(await client.workflow.getHandle(workflowId, runId).result() as Verdict);
  } catch (error) {
    if (error instanceof WorkflowFailedError) return endFromFailure(error.cause);
    throw notFound(error, workflowId);
  }
}

export function endFromFailure(cause: unknown): RolloutEnd {
  if (cause instanceof ApplicationFailure) {
    const verdict = verdictIn(cause.details);
    return verdict === undefined ? { exit: EXIT.rejected, line: `failed: ${cause.type ?? 'unknown'}: ${cause.message}` } : endOf(verdict);
  }
  if (cause instanceof CancelledFailure) return { exit: EXIT.stopped, line: 'cancelled' };
  if (cause instanceof TerminatedFailure) return { exit: EXIT.stopped, line: 'terminated from outside: nothing was cleaned up by it; the next rollout of this model fences every server first' };
  if (cause instanceof TimeoutFailure) return { exit: EXIT.stopped, line: "ended by Temporal's own time-out" };
  return { exit: EXIT.rejected, line: `failed: ${String((cause as { message?: string } | undefined)?.message ?? cause)}` };
}

export function endOf(verdict: Verdict): RolloutEnd {
  const code = verdict.code === undefined ? '' : ` (${verdict.code})`;
  return { exit: EXIT_OF[verdict.outcome], verdict, line: `${verdict.outcome}${code}: ${verdict.message.replace(`${verdict.code}: `, '')}` };
}

/** Temporal keeps no details of a workflow that ends as cancelled; its last status has them. */
export function withVerdict(end: RolloutEnd, verdict: Verdict | undefined): RolloutEnd {
  return end.verdict !== undefined || verdict === undefined ? end : { ...end, verdict, line: `${end.line}: ${verdict.message}` };
}

/** One line a server, after the verdict itself. */
export function serverLines(verdict: Verdict): readonly string[] {
  const lines = Object.entries<ServerVerdict>(verdict.servers).map(([server, { end, version, probed, heldAgainst, proof }]) =>
    ` ${server}: ${end}${version === undefined ? '' : `, serves ${version}`}${probed === undefined ? '' : `, probed by ${probed}`}${heldAgainst === undefined ? '' : `, held against ${Object.keys(heldAgainst).join(', ')}`}${proof === undefined ? '' : `, stopped in ${proof.stoppedMs} ms (sockets ${proof.sockets}, writers ${proof.writers})`}`);
  return [...lines, ...(verdict.notSeen.length === 0 ? [] : [` not seen: ${verdict.notSeen.join(', ')}`])];
}

/** Temporal's "not found" in words of ours; everything else as it is. */
export function notFound(error: unknown, workflowId: string): unknown {
  return error instanceof WorkflowNotFoundError ? new Exit(EXIT.usage, `no rollout ${workflowId} in this namespace; list them with: temporal workflow list --query 'WorkflowType="rollout"'`) : error;
}

function verdictIn(details: readonly unknown[] | null | undefined): Verdict | undefined {
  const first = details?.[0];
  return typeof first === 'object' && first !== null && 'outcome' in first && (first as Verdict).outcome in EXIT_OF ? (first as Verdict) : undefined;
}
