// Every prediction is judged once; what counts as failed is decided here and nowhere else.

import { latencyOf, percentile } from '../../src/cli/demo/latency';
import { reasonWrong, Tally, type Answer, type Asked, type Constants } from '../../src/cli/demo/tally';
import type { ServerName, Version } from '../../src/domain/names';

const server = 'edge-a' as ServerName;
const [v1, v2, v3] = ['1', '2', '10'].map((text) => text as Version) as [Version, Version, Version];
const constants: Constants = { [v1]: 2, [v2]: 3, [v3]: 2 };
const asks = (more: Partial<Asked> = {}): Asked => ({ server, kind: more.version === undefined ? 'unversioned' : 'versioned', x: 4, ...more });

const rows: readonly (readonly [why: string, asked: Asked, answer: Answer, wrong: string | undefined])[] = [
  ['the value fits the version the reply names', asks(), { version: v2, y: 5 }, undefined],
  ['the value of the version before, under the number of the new one', asks(), { version: v2, y: 4 }, 'wrongValue'],
  ['the version asked for, with its value', asks({ version: v1 }), { version: v1, y: 4 }, undefined],
  ['another version than asked for, although its value is right', asks({ version: v1 }), { version: v2, y: 5 }, 'wrongVersion'],
  ['a version nobody rolled out', asks(), { version: '7' as Version, y: 4 }, 'wrongVersion'],
  ['a reply that names no version', asks(), { version: '' as Version, y: 4 }, 'wrongVersion'],
  ['a reply without a value', asks(), { version: v1, y: Number.NaN }, 'wrongValue'],
  ['no reply in time', asks(), { error: 'Predict: DEADLINE_EXCEEDED' }, 'noReply'],
  ['a lower version than this server gave before this one was sent', asks({ floor: v2 }), { version: v1, y: 4 }, 'wentBackwards'],
  ['versions are numbers: 10 is not lower than 2', asks({ floor: v2 }), { version: v3, y: 4 }, undefined],
  ['a lower version than one that came while this one was under way is in order', asks({ floor: v1 }), { version: v1, y: 4 }, undefined],
];

test.each(rows)('%s', (_why, asked, answer, wrong) => {
  expect(reasonWrong(asked, answer, constants)).toBe(wrong);
});

test('every prediction is counted once: in all, by version, by client and by server', () => {
  const tally = new Tally(constants);
  tally.add(asks(), { version: v1, y: 4 }, 3);
  tally.add(asks({ version: v2 }), { version: v2, y: 4 }, 4);
  tally.add(asks({ version: v2 }), { error: 'gone' }, 1000);
  tally.add(asks(), { error: 'gone' }, 1000);
  const view = tally.view();
  expect(view).toMatchObject({
    sent: 4, failed: 3, byReason: { wrongValue: 1, noReply: 2 }, byServer: { 'edge-a': 4 },
    byVersion: { 1: { sent: 1, failed: 0 }, 2: { sent: 2, failed: 2 }, '?': { sent: 1, failed: 1 } },
    byClient: { 'edge-a unversioned': { 1: { sent: 1, failed: 0 } }, 'edge-a versioned': { 2: { sent: 2, failed: 2 } } },
  });
  expect(tally.latenciesMs).toEqual([3]);
});

test('examples of failures stay few, however many there are', () => {
  const tally = new Tally(constants);
  for (let count = 0; count < 1000; count += 1) tally.add(asks(), { error: 'gone' }, 1);
  expect(tally.view().examples).toHaveLength(5);
});

test.each([
  ['one value is all of them', [7], { p50Ms: 7, p99Ms: 7, maxMs: 7 }],
  ['a percentile is a value that occurred, by nearest rank', [4, 1, 3, 2], { p50Ms: 2, p99Ms: 4, maxMs: 4 }],
  ['of a hundred values the 99th is not the last', Array.from({ length: 100 }, (_, index) => index + 1), { p50Ms: 50, p99Ms: 99, maxMs: 100 }],
  ['tenths of a millisecond are enough', [1.26], { p50Ms: 1.3, p99Ms: 1.3, maxMs: 1.3 }],
])('latency: %s', (_why, values, latency) => {
  expect(latencyOf(values)).toEqual(latency);
});

test('latency: of no values there is none', () => {
  expect(latencyOf([])).toBeUndefined();
  expect(percentile([], 50)).toBeUndefined();
});
