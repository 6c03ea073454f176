// Histories of a rollout and of its transitions, as the figures need them.

import type { Client } from '@temporalio/client';
import type { ServerName } from '../../domain/names';
import { figuresOf, type HistoryEvent, type TransitionFigures } from './history-figures';

type RawEvent = NonNullable<Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>['events']>[number];

/** Server → figures of its last transition in this rollout. */
export async function transitionFigures(client: Client, rolloutId: string): Promise<Readonly<Record<ServerName, TransitionFigures>>> {
  const rollout = await eventsOf(client, rolloutId);
  const children = rollout.flatMap((event) => event.childWorkflowExecutionStartedEventAttributes?.workflowExecution?.workflowId ?? []);
  const figures: Record<ServerName, TransitionFigures> = {};
  for (const id of children) {
    // `<rollout id>/<server>/<epoch>.<attempt>` (DESIGN §2)
    const server = id.slice(rolloutId.length + 1).split('/')[0] as ServerName;
    figures[server] = figuresOf((await eventsOf(client, id)).map(plain));
  }
  return figures;
}

/** When Temporal wrote this signal down, epoch milliseconds. */
export async function signaledAtMs(client: Client, workflowId: string, name: string): Promise<number> {
  const event = (await eventsOf(client, workflowId)).find((one) => one.workflowExecutionSignaledEventAttributes?.signalName === name);
  if (event === undefined) throw new Error(`no signal ${name} in the history of ${workflowId}`);
  return timeOf(event);
}

async function eventsOf(client: Client, workflowId: string): Promise<readonly RawEvent[]> {
  return (await client.workflow.getHandle(workflowId).fetchHistory()).events ?? [];
}

function plain(event: RawEvent): HistoryEvent {
  const { activityTaskScheduledEventAttributes: scheduled, activityTaskCompletedEventAttributes: completed } = event;
  const payload = completed?.result?.payloads?.[0]?.data;
  return {
    eventId: Number(event.eventId), atMs: timeOf(event),
    ...(scheduled?.activityType?.name ? { scheduled: { activity: scheduled.activityType.name, taskQueue: scheduled.taskQueue?.name ?? '' } } : {}),
    ...(completed ? { completed: { scheduledEventId: Number(completed.scheduledEventId), ...(payload ? { result: JSON.parse(Buffer.from(payload).toString('utf8')) as unknown } : {}) } } : {}),
  };
}

/** Whole milliseconds, rounded down: a later reading of our own clock is never earlier. */
function timeOf(event: RawEvent): number {
  return Number(event.eventTime?.seconds ?? 0) * 1000 + Math.floor((event.eventTime?.nanos ?? 0) / 1e6);
}
