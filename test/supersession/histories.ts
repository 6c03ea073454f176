// What the engine knows in the end: who still runs, how each run ended, and which epochs each version was given.

import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Claim } from '../../src/domain/rollout-facts';

export interface Ended {
  /** Of every run, by how it closed: a failed one by its type. */
  readonly ends: Readonly<Record<string, number>>;
  /** What those said that ended as a bug of ours. */
  readonly bugs: readonly string[];
  /** Epochs by version, of every run that heard the answer to its claim. */
  readonly epochs: ReadonlyMap<string, ReadonlySet<number>>;
}

export async function runningNow(client: Client): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const one of client.workflow.list({ query: `ExecutionStatus = 'Running' AND WorkflowType IN ('rollout', 'transition')` })) found.push(`${one.type} ${one.workflowId}`);
  return found;
}

/** For a person: what it waits for, and what happened to it last. */
export async function whyRunning(client: Client, running: string): Promise<string> {
  const handle = client.workflow.getHandle(running.slice(running.indexOf(' ') + 1));
  const { raw } = await handle.describe();
  const pending = (raw.pendingActivities ?? []).map((one) => `${one.activityType?.name} (attempt ${one.attempt}, ${one.lastFailure?.message ?? 'no failure yet'})`);
  const children = (raw.pendingChildren ?? []).map((one) => one.workflowId);
  const events = ((await handle.fetchHistory()).events ?? []).map((event) => {
    const [kind, attributes] = Object.entries(event).find(([key, value]) => key.endsWith('EventAttributes') && value !== null && value !== undefined) ?? [String(event.eventType)];
    const said = attributes as { activityType?: { name: string }; signalName?: string; failure?: { message: string }; workflowExecution?: { workflowId: string } } | undefined;
    return `${String(event.eventId)} ${kind.replace(/EventAttributes$/, '')} ${said?.activityType?.name ?? said?.signalName ?? said?.failure?.message ?? said?.workflowExecution?.workflowId ?? ''}`.trim();
  });
  return [`stuck: ${running}: pending ${JSON.stringify(pending)}, children ${JSON.stringify(children)}, status ${JSON.stringify(await handle.query('status').catch(String))}`, ...events].join('\n  ');
}

export async function readEnds(client: Client): Promise<Ended> {
  const ends: Record<string, number> = {};
  const bugs: string[] = [];
  const epochs = new Map<string, Set<number>>();
  for await (const { workflowId, runId } of client.workflow.list({ query: `WorkflowType = 'rollout'` })) {
    const events = (await client.workflow.getHandle(workflowId, runId).fetchHistory()).events ?? [];
    const input = events[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
    if (input === undefined || input === null) throw new Error(`${workflowId} had no input`);
    const { version } = defaultPayloadConverter.fromPayload<{ version: string }>(input);
    const claims = new Set(events.filter((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'claimModel').map((event) => String(event.eventId)));
    for (const { activityTaskCompletedEventAttributes: completed } of events) {
      const result = completed?.result?.payloads?.[0];
      if (result === undefined || result === null || !claims.has(String(completed?.scheduledEventId))) continue;
      epochs.set(version, (epochs.get(version) ?? new Set()).add(defaultPayloadConverter.fromPayload<Claim>(result).epoch));
    }
    const last = events.at(-1);
    const failure = last?.workflowExecutionFailedEventAttributes?.failure;
    const failed = failure?.applicationFailureInfo?.type;
    if (failed === 'Bug') bugs.push(`${workflowId} ${runId} ended as a bug: ${failure?.message}`);
    const end = failed ?? (last?.workflowExecutionTerminatedEventAttributes ? 'terminated or reset' : last?.workflowExecutionCanceledEventAttributes ? 'cancelled' : last?.workflowExecutionCompletedEventAttributes ? 'completed' : 'still running');
    ends[end] = (ends[end] ?? 0) + 1;
  }
  return { ends, bugs, epochs };
}
