// What the demo prints can be pasted; what the temporal command line prints is understood; what histories say is counted.

import { execFileSync } from 'node:child_process';
import { serversThatLeave } from '../../src/cli/demo/follow';
import { figuresOf, type HistoryEvent } from '../../src/cli/demo/history-figures';
import { endOf } from '../../src/cli/demo/rollout-commands';
import { listedVersions } from '../../src/cli/demo/simulators';
import { quoted, typed } from '../../src/cli/demo/temporal-command';

test.each([
  ['a plain word stays as it is', 'rollout/demo/half/2/demo', 'rollout/demo/half/2/demo'],
  ['JSON is one word', '{"x": [1]}', `'{"x": [1]}'`],
  ['a quote inside survives', "it's", `'it'\\''s'`],
  ['nothing is a word too', '', `''`],
])('%s', (_why, word, text) => {
  expect(quoted(word)).toBe(text);
});

test('a pasted command gives a shell the same arguments', () => {
  const args = ['workflow', 'start', '--workflow-id', 'a/b', '--input', `{"reason": "it's $HOME \`x\`"}`];
  const command = typed('printf', ['%s\\n', ...args]);
  expect(execFileSync('/bin/sh', ['-c', command], { encoding: 'utf8' })).toBe(`${args.join('\n')}\n`);
});

test('the verdict is read from a workflow that completed and from one that failed', () => {
  const verdict = { outcome: 'served', message: 'm', servers: {}, notSeen: [] };
  expect(endOf(JSON.stringify({ status: 'COMPLETED', result: verdict }))).toEqual({ verdict });
  const failure = { message: 'm', applicationFailureInfo: { type: 'InvalidSavedModel', details: [{ ...verdict, outcome: 'failed' }] } };
  expect(endOf(JSON.stringify({ status: 'FAILED', closeEvent: { workflowExecutionFailedEventAttributes: { failure } } }))).toEqual({ failureType: 'InvalidSavedModel', verdict: { ...verdict, outcome: 'failed' } });
  expect(endOf(JSON.stringify({ status: 'TERMINATED', closeEvent: {} }))).toEqual({});
});

test('versioned clients move at the drain or any later step, never before', () => {
  const servers = { a: 'pending', b: 'awaitAvailable', c: 'bake', d: 'drainVersion', e: 'unloadVersion', f: 'served', g: 'wentBack', h: 'failed' };
  const status = { servers: Object.fromEntries(Object.entries(servers).map(([name, step]) => [name, { step, since: 1 }])) };
  expect(serversThatLeave(status as never)).toEqual(['d', 'e', 'f']);
});

test('the list of a model server is read by model, and is empty where the model is not in it', () => {
  const config = { model_config_list: { config: [{ name: 'half', model_version_policy: { specific: { versions: ['2', '3'] } } }, { name: 'other' }] } };
  expect(listedVersions({ config }, 'half')).toEqual(['2', '3']);
  expect(listedVersions({ config }, 'other')).toEqual([]);
  expect(listedVersions({ config: { model_config_list: {} } }, 'half')).toEqual([]);
});

test('figures of a transition: each step from scheduled to completed, a repeated one in sum, probes only where a Predict was asked', () => {
  const scheduled = (eventId: number, atMs: number, activity: string): HistoryEvent => ({ eventId, atMs, scheduled: { activity, taskQueue: 'q' } });
  const completed = (eventId: number, atMs: number, scheduledEventId: number, result?: unknown): HistoryEvent => ({ eventId, atMs, completed: { scheduledEventId, ...(result === undefined ? {} : { result }) } });
  const events: readonly HistoryEvent[] = [
    { eventId: 1, atMs: 0 }, scheduled(2, 5, 'beginAttempt'), completed(3, 9, 2),
    scheduled(4, 10, 'downloadVersion'), completed(5, 40, 4), scheduled(6, 50, 'downloadVersion'), completed(7, 55, 6),
    scheduled(8, 60, 'awaitAvailable'), completed(9, 100, 8, { probed: 'predict' }), scheduled(10, 100, 'awaitAvailable'), completed(11, 101, 10, { probed: 'metadata' }),
    scheduled(12, 110, 'unloadVersion'),
  ];
  expect(figuresOf(events)).toEqual({ events: 12, activities: 6, stepMs: { downloadVersion: 35, awaitAvailable: 41 }, probes: 1 });
});
