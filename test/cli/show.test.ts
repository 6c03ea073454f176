import { changes, table } from '../../src/cli/rollout/show';
import type { ServerStatus, Status } from '../../src/domain/status';

const NOW = 1_700_000_100_000;

test('the first look says everything once', () => {
  expect(changes(undefined, status({ a: { step: 'downloadVersion', since: 1 } }))).toEqual(['phase rolling', 'a downloadVersion']);
});

test('a look that shows the same says nothing, also when only the clock of a step moved', () => {
  expect(changes(status({ a: { step: 'downloadVersion', since: 1 } }), status({ a: { step: 'downloadVersion', since: 2 } }))).toEqual([]);
});

test('a new attempt at the same step is told by its generation', () => {
  const after = { ...status({ a: { step: 'downloadVersion', since: 1 } }), generation: [7, 2] as const };
  expect(changes(status({ a: { step: 'downloadVersion', since: 1 } }), after)).toEqual(['generation 7.2']);
});

test('why a server waits is a fact of its own', () => {
  const waiting = { step: 'pending', since: 0, waiting: { on: 'turn', behind: ['b'] } } as unknown as ServerStatus;
  expect(changes(status({ a: { step: 'pending', since: 0 } }), status({ a: waiting }))).toEqual(['a pending, waits for its turn, behind b']);
});

test('what failed is told once, while it goes back or waits for a person', () => {
  const failing = { ...status({}), failure: { code: 'LoadFailed', message: 'no such kernel', server: 'a' } } as unknown as Status;
  expect(changes(status({}), failing)).toEqual(['first failure: LoadFailed on a: no such kernel']);
  expect(changes(failing, failing)).toEqual([]);
});

test('a refused verb is told once', () => {
  const refused = { ...status({}), refusal: 'InvalidInput: no' };
  expect(changes(status({}), refused)).toEqual(['last verb refused: InvalidInput: no']);
  expect(changes(refused, refused)).toEqual([]);
});

test('a pause is told once, with who and why, and stands above the servers', () => {
  const paused = { ...status({ a: { step: 'pending', since: 0 } }), pause: { sinceMs: NOW, by: 'ann', reason: 'graphs' } } as unknown as Status;
  expect(changes(status({ a: { step: 'pending', since: 0 } }), paused)).toEqual(['paused by ann since 22:15:00 UTC: graphs']);
  expect(changes(paused, paused)).toEqual([]);
  expect(table(paused, NOW, 200)[1]).toBe(' paused by ann since 22:15:00 UTC: graphs');
});

test('the table fits its columns, whatever is in it: a wrapped line could not be rewritten in place', () => {
  const long = status({ ['server'.repeat(20)]: { step: 'awaitAvailable', since: NOW - 65_000, version: '9223372036854775807' } });
  expect(table(long, NOW, 60).every((line) => line.length <= 60)).toBe(true);
});

test('the table shows since when', () => {
  const rows = table(status({ a: { step: 'awaitAvailable', since: NOW - 65_000, version: '1' }, b: { step: 'pending', since: 0 } }), NOW, 200);
  expect(rows[1]).toMatch(/^ ◐ a +awaitAvailable +serves 1 +1 m 5 s$/);
  expect(rows[2]).toMatch(/^ ○ b +pending {2,}/);
});

function status(servers: Record<string, object>): Status {
  return { phase: 'rolling', generation: [7, 1], servers } as unknown as Status;
}
