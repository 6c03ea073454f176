// What the histories must say: every rollout ended once and by its own word, no workflow task failed, no effect of a lower token after one of a higher, and no secret anywhere.

import type { Client } from '@temporalio/client';
import type { ServerName, Token } from '../../src/domain/names';
import { compareTokens, formatToken } from '../../src/domain/names';
import type { ServerVerdict, Verdict } from '../../src/domain/verdict';
import { KEYS } from './contents';
import { patiently } from './patient';

export type RawEvent = NonNullable<Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>['events']>[number];

export interface History {
  readonly workflowId: string;
  readonly type: string;
  readonly events: readonly RawEvent[];
}

/** One activity on a host that was answered with success, as Temporal wrote it down. */
interface Effect {
  readonly workflowId: string;
  readonly activity: string;
  readonly server: ServerName;
  readonly model: string;
  readonly token: Token;
  readonly startedMs: number;
  readonly completedMs: number;
}

export interface Ended {
  readonly workflowId: string;
  readonly model: string;
  readonly version: string;
  /** By Temporal's clock, epoch milliseconds. */
  readonly startedMs: number;
  /** Absent: it never got an answer to its claim. */
  readonly epoch?: number;
  readonly verdict: Verdict;
}

/** What Temporal lists lags behind what it knows, by milliseconds; on a busy machine by more. */
const LISTED_WITHIN_MS = 20_000;

/** Rollouts and transitions begun since then, and every run of the fleet that was open since then. @param started rollouts that must be among them. */
export async function historiesSince(client: Client, fleetId: string, sinceMs: number, started: readonly string[]): Promise<readonly History[]> {
  const since = new Date(sinceMs).toISOString();
  const deadline = Date.now() + LISTED_WITHIN_MS;
  const list = (): Promise<readonly { workflowId: string; runId: string; type: string }[]> => patiently(client, async () => {
    const all: { workflowId: string; runId: string; type: string }[] = [];
    const query = `(StartTime >= '${since}' AND WorkflowType IN ('rollout', 'transition')) OR (WorkflowId = '${fleetId}' AND (ExecutionStatus = 'Running' OR CloseTime >= '${since}'))`;
    for await (const { workflowId, runId, type } of client.workflow.list({ query })) all.push({ workflowId, runId, type });
    return all;
  });
  let found = await list();
  while (Date.now() < deadline && !started.every((id) => found.some(({ workflowId }) => workflowId === id))) found = await list();
  return Promise.all(found.map(async ({ workflowId, runId, type }) => ({ workflowId, type, events: (await patiently(client, () => client.workflow.getHandle(workflowId, runId).fetchHistory())).events ?? [] })));
}

/** Told to workers as "try again with what came meanwhile", and no failure of anything. */
const HARMLESS_TASK_FAILURES: readonly string[] = ['WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND', 'WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND', 'WORKFLOW_TASK_FAILED_CAUSE_RESET_STICKY_TASK_QUEUE'];

export function violationsOf(histories: readonly History[], taskFailures: Readonly<Record<number, string>>): readonly string[] {
  const closed = histories.filter(({ type }) => type !== 'fleet');
  return [
    ...histories.flatMap(({ workflowId, events }) => events.flatMap((event) => {
      const failed = event.workflowTaskFailedEventAttributes;
      const cause = taskFailures[failed?.cause ?? 0] ?? String(failed?.cause);
      return failed === undefined || failed === null || HARMLESS_TASK_FAILURES.includes(cause) ? [] : [`Histories: a workflow task of ${workflowId} failed: ${cause}: ${failed.failure?.message ?? ''}`];
    })),
    ...closed.flatMap(({ workflowId, events }) => {
      const ends = events.filter(isEnd);
      return ends.length === 1 ? [] : [`Intent: ${workflowId} has ${ends.length} ends`];
    }),
    ...closed.filter(({ type }) => type === 'rollout').flatMap((history) => {
      const ended = endOf(history);
      if (ended === undefined) return [`Intent: ${history.workflowId} did not end with a verdict`];
      return [...(ended.verdict.code === 'Bug' ? [`Failures: ${history.workflowId} ended with a Bug: ${ended.verdict.message}`] : []), ...withoutProof(ended)];
    }),
    ...closed.filter(({ type }) => type === 'transition').flatMap(({ workflowId, events }) => (
      events.some((event) => event.workflowExecutionCompletedEventAttributes) ? [] : [`Intent: ${workflowId} did not end by its own word`])),
    ...goingBack(closed.flatMap(effectsOf)),
    ...sameEpochs(closed.flatMap((history) => endOf(history) ?? [])),
    ...histories.flatMap(({ workflowId, events }) => (textsIn(events).some((text) => text.includes(KEYS.secretAccessKey)) ? [`Secrecy: the history of ${workflowId} holds the secret`] : [])),
  ];
}

/** DESIGN §11 "No going back": what succeeded began before a higher token's attempt had begun on that host. */
function goingBack(effects: readonly Effect[]): readonly string[] {
  return effects.flatMap((lower) => effects.flatMap((higher) => {
    if (lower.server !== higher.server || lower.model !== higher.model || compareTokens(lower.token, higher.token) >= 0 || lower.startedMs <= higher.completedMs) return [];
    return [`No going back: ${lower.server}: ${lower.activity} of ${formatToken(lower.token)} (${lower.workflowId}) began ${lower.startedMs - higher.completedMs} ms after ${higher.activity} of ${formatToken(higher.token)} had succeeded`];
  })).slice(0, 5);
}

/** DESIGN §11 "Clean abort": who is told as stopped brings the proof that nothing of it is left. */
function withoutProof({ workflowId, verdict }: Ended): readonly string[] {
  return Object.entries<ServerVerdict>(verdict.servers).flatMap(([server, { end, proof }]) => {
    const clean = proof !== undefined && proof.sockets === 0 && proof.writers === 0 && !proof.aspired;
    return end !== 'stopped' || clean ? [] : [`Clean abort: ${workflowId}: ${server} is told as stopped, and its proof is ${JSON.stringify(proof)}`];
  });
}

function sameEpochs(ended: readonly Ended[]): readonly string[] {
  return ended.flatMap((one, at) => (one.epoch !== undefined && ended.slice(0, at).some((other) => other.epoch === one.epoch) ? [`Tokens: ${one.workflowId} has an epoch that another rollout has: ${one.epoch}`] : []));
}

/** How a rollout ended: its result, or what its failure carries. */
export function endOf({ workflowId, type, events }: History): Ended | undefined {
  if (type !== 'rollout') return undefined;
  const input = jsonOf(events[0]?.workflowExecutionStartedEventAttributes?.input) as { model: string; version: string } | undefined;
  const completed = events.find((event) => event.workflowExecutionCompletedEventAttributes)?.workflowExecutionCompletedEventAttributes;
  const failed = events.find((event) => event.workflowExecutionFailedEventAttributes)?.workflowExecutionFailedEventAttributes;
  const verdict = (jsonOf(completed?.result) ?? jsonOf(failed?.failure?.applicationFailureInfo?.details) ?? cancelled(events)) as Verdict | undefined;
  if (input === undefined || verdict?.outcome === undefined) return undefined;
  const claim = answersOf(events).find(({ activity }) => activity === 'claimModel')?.result as { epoch: number } | undefined;
  return { workflowId, model: input.model, version: input.version, startedMs: timeOf(events[0]), verdict, ...(claim === undefined ? {} : { epoch: claim.epoch }) };
}

/** Temporal's end of what was cancelled carries nothing; its outcome is in the attributes. */
function cancelled(events: readonly RawEvent[]): Verdict | undefined {
  const outcomes = events.flatMap((event) => event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields?.['SegueOutcome'] ?? []);
  const wasCancelled = events.some((event) => event.workflowExecutionCanceledEventAttributes) && jsonOf({ payloads: outcomes.slice(-1) }) === 'cancelled';
  return wasCancelled ? { outcome: 'cancelled', message: 'cancelled', servers: {}, notSeen: [] } : undefined;
}

function effectsOf({ workflowId, events }: History): readonly Effect[] {
  return answersOf(events).flatMap(({ activity, input, startedMs, completedMs }): Effect[] => {
    // Stopping what is already overtaken succeeds and changes nothing; a listing touches nothing.
    if (activity === 'abortAttempt' || activity === 'resolveSource') return [];
    const given = input as { attempt?: AttemptLike } & Partial<AttemptLike> | undefined;
    const { server, model, token } = given?.attempt ?? given ?? {};
    return server === undefined || model === undefined || token === undefined ? [] : [{ workflowId, activity, server, model, token, startedMs, completedMs }];
  });
}

interface AttemptLike { readonly server: ServerName; readonly model: string; readonly token: Token }
interface Answer { readonly activity: string; readonly input: unknown; readonly result: unknown; readonly startedMs: number; readonly completedMs: number }

function answersOf(events: readonly RawEvent[]): readonly Answer[] {
  const byId = new Map(events.map((event) => [Number(event.eventId), event]));
  return events.flatMap((event): Answer[] => {
    const completed = event.activityTaskCompletedEventAttributes;
    if (!completed) return [];
    const scheduled = byId.get(Number(completed.scheduledEventId))?.activityTaskScheduledEventAttributes;
    const started = byId.get(Number(completed.startedEventId));
    return [{ activity: scheduled?.activityType?.name ?? '', input: jsonOf(scheduled?.input), result: jsonOf(completed.result), startedMs: timeOf(started), completedMs: timeOf(event) }];
  });
}

function isEnd(event: RawEvent): boolean {
  return [event.workflowExecutionCompletedEventAttributes, event.workflowExecutionFailedEventAttributes, event.workflowExecutionCanceledEventAttributes, event.workflowExecutionTerminatedEventAttributes,
    event.workflowExecutionTimedOutEventAttributes, event.workflowExecutionContinuedAsNewEventAttributes].some(Boolean);
}

function timeOf(event: RawEvent | undefined): number {
  return Number(event?.eventTime?.seconds ?? 0) * 1000 + (event?.eventTime?.nanos ?? 0) / 1e6;
}

function jsonOf(payloads: { readonly payloads?: readonly { readonly data?: Uint8Array | null }[] | null } | null | undefined): unknown {
  const data = payloads?.payloads?.[0]?.data;
  return data && data.length > 0 ? JSON.parse(Buffer.from(data).toString('utf8')) as unknown : undefined;
}

/** Every text and every byte string anywhere in a value. */
function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (value instanceof Uint8Array) return [Buffer.from(value).toString('latin1')];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
