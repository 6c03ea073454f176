// What the chaos run reads out of histories, on small ones written by hand: each sentence holds for a good history and is broken by one thing.

import type { ServerName, Token } from '../../src/domain/names';
import { KEYS } from './contents';
import { violationsOf, type History, type RawEvent } from './histories';

const CAUSES = { 3: 'WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR', 2: 'WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND' };
const ROLLOUT = { fleet: 'f', model: 'half', version: '2' };
const VERDICT = { outcome: 'served', message: 'served', servers: {}, notSeen: [] };

test('good histories say nothing', () => {
  expect(violationsOf([rollout('r'), transition('t', [5, 1], 10, 20), transition('u', [6, 1], 30, 40)], CAUSES)).toEqual([]);
});

test('an effect of a lower token that began after one of a higher had succeeded', () => {
  const late = [transition('higher', [6, 1], 10, 20), transition('lower', [5, 9], 21, 22)];
  expect(violationsOf(late, CAUSES)).toEqual(['No going back: a: downloadVersion of 5.9 (lower) began 1 ms after downloadVersion of 6.1 had succeeded']);
  // Another server, another model, or begun before: nothing of that.
  expect(violationsOf([transition('higher', [6, 1], 10, 20), transition('lower', [5, 9], 21, 22, { server: 'b' })], CAUSES)).toEqual([]);
  expect(violationsOf([transition('higher', [6, 1], 10, 20), transition('lower', [5, 9], 21, 22, { model: 'third' })], CAUSES)).toEqual([]);
  expect(violationsOf([transition('higher', [6, 1], 10, 20), transition('lower', [5, 9], 19, 22)], CAUSES)).toEqual([]);
});

test('a workflow task that failed, unless it only had to be tried again', () => {
  const failed = (cause: number): RawEvent => event(9, 9, { workflowTaskFailedEventAttributes: { cause, failure: { message: 'why' } } });
  expect(violationsOf([withEvent(rollout('r'), failed(3))], CAUSES)).toEqual(['Histories: a workflow task of r failed: WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR: why']);
  expect(violationsOf([withEvent(rollout('r'), failed(2))], CAUSES)).toEqual([]);
});

test('a rollout without an end, with two, without a verdict, or with a bug', () => {
  const open = { ...rollout('r'), events: rollout('r').events.slice(0, 1) };
  expect(violationsOf([open], CAUSES)).toEqual(['Intent: r has 0 ends', 'Intent: r did not end with a verdict']);
  expect(violationsOf([withEvent(rollout('r'), event(9, 9, { workflowExecutionTimedOutEventAttributes: {} }))], CAUSES)).toEqual(['Intent: r has 2 ends']);
  expect(violationsOf([rollout('r', { code: 'Bug', message: 'a TypeError' })], CAUSES)).toEqual(['Failures: r ended with a Bug: a TypeError']);
});

test('a transition that was ended from outside', () => {
  const ended = transition('t', [5, 1], 10, 20);
  expect(violationsOf([{ ...ended, events: [...ended.events.slice(0, -1), event(9, 9, { workflowExecutionTerminatedEventAttributes: {} })] }], CAUSES)).toEqual(['Intent: t did not end by its own word']);
});

test('a server told as stopped without a clean proof', () => {
  const proof = { token: [1, 1], sockets: 0, writers: 0, partial: 'none', aspired: false };
  expect(violationsOf([rollout('r', { servers: { a: { end: 'stopped', proof }, b: { end: 'untouched' } } })], CAUSES)).toEqual([]);
  expect(violationsOf([rollout('r', { servers: { a: { end: 'stopped' } } })], CAUSES)).toEqual(['Clean abort: r: a is told as stopped, and its proof is undefined']);
  for (const left of [{ sockets: 1 }, { writers: 1 }, { aspired: true }]) expect(violationsOf([rollout('r', { servers: { a: { end: 'stopped', proof: { ...proof, ...left } } } })], CAUSES)).toHaveLength(1);
});

test('two rollouts with one epoch', () => {
  expect(violationsOf([rollout('r'), rollout('s', {}, 7), rollout('t', {}, 7)], CAUSES)).toEqual(['Tokens: t has an epoch that another rollout has: 7']);
});

test('a secret in a payload, and in a text', () => {
  expect(violationsOf([withEvent(rollout('r'), event(9, 9, { workflowExecutionSignaledEventAttributes: { signalName: 'x', input: payloads({ note: KEYS.secretAccessKey }) } }))], CAUSES)).toEqual(['Secrecy: the history of r holds the secret']);
  expect(violationsOf([withEvent(rollout('r'), event(9, 9, { activityTaskFailedEventAttributes: { failure: { message: `403 for ${KEYS.secretAccessKey}` } } }))], CAUSES)).toEqual(['Secrecy: the history of r holds the secret']);
});

function rollout(workflowId: string, verdict: object = {}, epoch?: number): History {
  return { workflowId, type: 'rollout', events: [
    event(1, 0, { workflowExecutionStartedEventAttributes: { input: payloads(ROLLOUT) } }),
    ...(epoch === undefined ? [] : activity('claimModel', {}, { epoch }, 1, 2)),
    event(90, 90, { workflowExecutionCompletedEventAttributes: { result: payloads({ ...VERDICT, ...verdict }) } }),
  ] };
}

function transition(workflowId: string, token: Token, startedMs: number, completedMs: number, { server = 'a', model = 'half' }: { readonly server?: string; readonly model?: string } = {}): History {
  return { workflowId, type: 'transition', events: [
    event(1, 0, { workflowExecutionStartedEventAttributes: {} }),
    ...activity('downloadVersion', { server: server as ServerName, model, token }, {}, startedMs, completedMs),
    event(90, 90, { workflowExecutionCompletedEventAttributes: { result: payloads({}) } }),
  ] };
}

function activity(name: string, input: unknown, result: unknown, startedMs: number, completedMs: number): readonly RawEvent[] {
  return [
    event(5, 0, { activityTaskScheduledEventAttributes: { activityType: { name }, input: payloads(input) } }),
    event(6, startedMs, { activityTaskStartedEventAttributes: {} }),
    event(7, completedMs, { activityTaskCompletedEventAttributes: { scheduledEventId: 5, startedEventId: 6, result: payloads(result) } }),
  ];
}

function withEvent(history: History, more: RawEvent): History {
  return { ...history, events: [...history.events, more] };
}

function event(eventId: number, atMs: number, attributes: object): RawEvent {
  return { eventId, eventTime: { seconds: 0, nanos: atMs * 1e6 }, ...attributes } as unknown as RawEvent;
}

function payloads(value: unknown): object {
  return { payloads: [{ data: Buffer.from(JSON.stringify(value)) }] };
}
