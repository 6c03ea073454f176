// What a rollout makes of an error or a payload: the failure it ends with, how a transition ended that did not say so itself, who asked and why.

import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import { isFailureCode } from '../domain/failures';
import type { ServerName } from '../domain/names';
import type { TransitionEnd } from '../domain/rollout-facts';
import { failureType, type Verdict } from '../domain/verdict';
import { failureFrom } from './host-calls';
import { textOf } from './payload';

export function refusal(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'InvalidInput');
}

export function failedWith(verdict: Verdict): ApplicationFailure {
  return ApplicationFailure.create({
    type: failureType(verdict), message: verdict.message, nonRetryable: true, details: [verdict],
    ...(verdict.code === undefined || failureType(verdict) === verdict.code ? {} : { cause: ApplicationFailure.nonRetryable(verdict.message, verdict.code) }),
  });
}

/** A transition that did not end by its own word: terminated by hand, or a bug in it. */
export function endOf(error: unknown, server: ServerName): TransitionEnd {
  if (isCancellation(error)) return { kind: 'stopped' };
  const cause = error instanceof Error && error.cause instanceof ApplicationFailure ? error.cause : undefined;
  const code = cause?.type !== undefined && cause.type !== null && isFailureCode(cause.type) ? cause.type : 'Bug';
  return { kind: 'failed', failure: { code, message: `the transition of ${server} ended unexpectedly: ${messageOf(cause ?? error)}` } };
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

export function isTaken(error: unknown): boolean {
  return error instanceof Error && error.name === 'WorkflowExecutionAlreadyStartedError';
}

export function startedBefore(error: unknown): string | undefined {
  const failure = failureFrom(error, 'beginAttempt', 'control' as ServerName);
  return failure === 'notSeen' || failure.code !== 'StaleAttempt' ? undefined : textOf(failure.detail, 'by');
}

/** An abort is never refused for its payload: what is text is kept, anything else is not needed. */
export function whoAndWhy(payload: unknown): { readonly reason?: string; readonly by?: string } {
  const [reason, by] = [textOf(payload, 'reason'), textOf(payload, 'by')];
  return { ...(reason === undefined ? {} : { reason }), ...(by === undefined ? {} : { by }) };
}
