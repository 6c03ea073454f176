// The host's activities as a workflow calls them: on the host's own queue, each with a summary a person can read and a bound.

import { ActivityFailure, ApplicationFailure, proxyActivities, TimeoutFailure, type ActivityOptions } from '@temporalio/workflow';
import { HEARTBEAT_TIMEOUT_SECONDS, HOST_MAX_ATTEMPTS, SCHEDULE_TO_START_SECONDS } from '../domain/bounds';
import { isFailureCode, type Failure } from '../domain/failures';
import type { HostActivities, Step } from '../domain/host';
import { agentQueue, type FleetName, type ServerName } from '../domain/names';
import { failureOfTimeout } from '../domain/transition-io';

export function hostCalls(at: { readonly fleet: FleetName; readonly server: ServerName }, summary: string, boundSeconds: number): HostActivities {
  const options: ActivityOptions = {
    taskQueue: agentQueue(at.fleet, at.server),
    summary: `${at.server}: ${summary}`.slice(0, 200),
    scheduleToStartTimeout: SCHEDULE_TO_START_SECONDS * 1000,
    scheduleToCloseTimeout: boundSeconds * 1000,
    startToCloseTimeout: boundSeconds * 1000,
    heartbeatTimeout: HEARTBEAT_TIMEOUT_SECONDS * 1000,
    // Settles when the activity has really closed: nothing new begins beside an old one that is only asked to stop.
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    retry: { initialInterval: 1000, backoffCoefficient: 2, maximumInterval: 10_000, maximumAttempts: HOST_MAX_ATTEMPTS },
  };
  return proxyActivities<HostActivities>(options);
}

/** What a failed host call says: a row of the failure table, or that nobody took the task. */
export function failureFrom(error: unknown, step: Step | 'beginAttempt', server: ServerName): Failure | 'notSeen' {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof TimeoutFailure) {
    if (cause.timeoutType === 'SCHEDULE_TO_START') return 'notSeen';
    // A step that was retried until its own bound: the failure before the time-out says why.
    const last = cause.cause;
    if (last instanceof ApplicationFailure) return applicationFailure(last);
    return failureOfTimeout(step, server, cause.timeoutType ?? 'unknown');
  }
  if (cause instanceof ApplicationFailure) return applicationFailure(cause);
  return { code: 'Bug', message: `${server}: ${step}: ${cause instanceof Error ? cause.message : String(cause)}` };
}

function applicationFailure(failure: ApplicationFailure): Failure {
  const type = failure.type ?? '';
  const detail: unknown = failure.details?.[0];
  const known = isFailureCode(type) ? type : 'Bug';
  return { code: known, message: known === 'Bug' && type !== 'Bug' ? `${type}: ${failure.message}` : failure.message, ...(typeof detail === 'object' && detail !== null ? { detail: detail as Record<string, unknown> } : {}) };
}
