// A green demo must mean something: each promise is broken here once, in the facts, and exactly its own verdict falls.

import type { Facts } from '../../src/cli/demo/facts';
import { jsonOf, tableOf } from '../../src/cli/demo/report';
import { allHold, verdictsOf } from '../../src/cli/demo/verdicts';
import { good } from './good-facts';

const failing = (facts: Facts): readonly string[] => verdictsOf(facts).filter((verdict) => !verdict.ok).map((verdict) => verdict.name);

test('all verdicts hold where everything was as promised', () => {
  expect(failing(good())).toEqual([]);
  expect(allHold(verdictsOf(good()), good())).toBe(true);
});

test('what was not reached does not hold, and says so', () => {
  const facts: Facts = { servers: good().servers, broke: 'the worker ended' };
  expect(verdictsOf(facts).every((verdict) => !verdict.ok && verdict.found === 'not reached')).toBe(true);
});

test('a run that broke off fails although every verdict held before', () => {
  const facts = { ...good(), broke: 'SIGINT' };
  expect(allHold(verdictsOf(facts), facts)).toBe(false);
});

type Break = (facts: Facts) => Facts;
const load = (change: object): Break => (facts) => ({ ...facts, load: { ...facts.load, ...change } as never });
const abort = (change: object): Break => (facts) => ({ ...facts, abort: { ...facts.abort, ...change } as never });
const outside = (change: object): Break => (facts) => ({ ...facts, abort: { ...facts.abort, outside: { ...facts.abort?.outside, ...change } } as never });
const stale = (change: object): Break => (facts) => ({ ...facts, abort: { ...facts.abort, stale: { ...facts.abort?.stale, ...change } } as never });
const broken = (change: object): Break => (facts) => ({ ...facts, broken: { ...facts.broken, ...change } as never });
const restart = (change: object): Break => (facts) => ({ ...facts, restart: { ...facts.restart, ...change } as never });

const GONE = 'stale load: sockets and files gone';
const BEFORE = 'stale load: gone before the first byte of the new';
const SILENT = 'stale load: its endpoint hears nothing more';
const LISTED = 'stale load: never in a server\'s list';
const DISK = 'stale load: nothing of it on any disk';
const AGENTS = 'stale load: the agents say the same';
const REFUSED = 'broken v4 refused before any list changed';

const breaks: readonly (readonly [why: string, change: Break, names: readonly string[]])[] = [
  ['the command of the first rollout ended with an error', (facts) => ({ ...facts, v1: { ...facts.v1, exitCode: 1 } as never }), ['v1 served on every server']],
  ['one server was proven by its metadata only', (facts) => ({ ...facts, v2: { ...facts.v2, verdict: { ...facts.v2?.verdict, servers: { ...facts.v2?.verdict?.servers, 'edge-b': { end: 'served', version: '2', probed: 'metadata' } } } } as never }), ['v2 served on every server']],
  ['one prediction failed', load({ failed: 1 }), ['no failed prediction']],
  ['nothing was sent at all', load({ sent: 0 }), ['no failed prediction']],
  ['a server counted one less than was sent', load({ countedByServers: { 'edge-a': 299, 'edge-b': 304, 'edge-c': 304 } }), ['every prediction counted by the servers']],
  ['a server counted one more than was sent', load({ countedByServers: { 'edge-a': 305, 'edge-b': 304, 'edge-c': 304 } }), ['every prediction counted by the servers']],
  ['the load was too small', load({ perSecondDuringV2: 199.9 }), ['at least 200 predictions a second during v2']],
  ['a versioned client never asked for the new version', (facts) => load({ byClient: { ...facts.load?.byClient, 'edge-b versioned': { 1: { sent: 9, failed: 0 } } } })(facts), ['both kinds of client got v1, v2 and v3 from every server']],
  ['an agent held its socket to the end', (facts) => { const { goneAtMs: _gone, ...rest } = facts.abort?.outside ?? { readable: true, looks: 1, heldAtFirst: true }; return { ...facts, abort: { ...facts.abort, outside: rest } as never }; }, [GONE, BEFORE, SILENT]],
  ['sockets and files were never seen, so their absence proves nothing', outside({ heldAtFirst: false }), [GONE]],
  ['the first byte of the new came before the old was gone', abort({ good: { firstByteAtMs: 1_100 } }), [BEFORE]],
  ['no byte of the new ever came', abort({ good: {} }), [BEFORE, LISTED]],
  ['the stale endpoint was asked again after the stop', stale({ lastRequestAtMs: 1_101 }), [SILENT]],
  ['a connection to the stale endpoint stayed open', stale({ connectionsOpen: 1 }), [SILENT]],
  ['the stale endpoint was never asked', stale({ requests: 0 }), [SILENT]],
  ['the version was listed before the new load had begun', outside({ notListedAtMs: 1_130, listedAtMs: 1_150 }), [LISTED]],
  ['nobody looked at the lists between the first byte and the listing', outside({ notListedAtMs: 1_199 }), [LISTED]],
  ['one server serves other bytes', abort({ rightContent: ['edge-a', 'edge-b'] }), [DISK]],
  ['a partial stayed', abort({ leftovers: ['/x/staging/half/3-aaaa'] }), [DISK]],
  ['an agent gave no proof', (facts) => ({ ...facts, abort: { ...facts.abort, agents: { 'edge-a': facts.abort?.agents['edge-a' as never] } } as never }), [AGENTS]],
  ['an agent says a socket is open', (facts) => ({ ...facts, abort: { ...facts.abort, agents: { ...facts.abort?.agents, 'edge-c': { ...facts.abort?.agents['edge-c' as never], sockets: 1 } } } as never }), [AGENTS]],
  ['the broken model was served', (facts) => broken({ end: { ...facts.broken?.end, exitCode: 0 } })(facts), [REFUSED]],
  ['the broken model failed for another reason', (facts) => broken({ end: { ...facts.broken?.end, failureType: 'LoadFailed' } })(facts), [REFUSED]],
  ['the broken model came into a list', broken({ listsAfter: { 'edge-a': '[3,4]', 'edge-b': '[3]', 'edge-c': '[3]' } }), [REFUSED]],
  ['a server took a reload although its list is the same', broken({ reloadsAfter: { 'edge-a': 8, 'edge-b': 7, 'edge-c': 7 } }), [REFUSED]],
  ['a server stopped answering after the broken model', broken({ answeredAfter: { 'edge-a': 0, 'edge-b': 99, 'edge-c': 99 } }), ['v3 serves on beside the broken v4']],
  ['the killed server did not come back', restart({ answeredAfter: 0 }), ['killed server serves v3 again, without a rollout']],
  ['its boot file named something else', restart({ bootFileVersions: ['2', '3'] }), ['killed server serves v3 again, without a rollout']],
  ['a rollout brought it back', restart({ rolloutsInAll: 5 }), ['killed server serves v3 again, without a rollout']],
  ['a transition took too many activities', (facts) => ({ ...facts, transitions: { ...facts.transitions, 'edge-a': { events: 60, activities: 11, stepMs: {}, probes: 1 } } }), ['a transition stays within its bounds']],
  ['a process was left', (facts) => ({ ...facts, leftRunning: [4711] }), ['nothing left running']],
];

test.each(breaks)('%s', (_why, change, names) => {
  const facts = change(good());
  expect(failing(facts)).toEqual(names);
  expect(allHold(verdictsOf(facts), facts)).toBe(false);
});

test('where there is no /proc it says what was not looked at, and judges by the endpoint alone', () => {
  const facts = good();
  const { goneAtMs: _gone, ...rest } = { ...facts.abort?.outside, readable: false, heldAtFirst: false };
  const elsewhere = { ...facts, abort: { ...facts.abort, outside: rest } as never };
  expect(failing(elsewhere)).toEqual([]);
  expect(tableOf(elsewhere, verdictsOf(elsewhere))).toContain('NOT CHECKED: sockets and open files: no /proc on this machine');
  const late = stale({ lastClosedAtMs: 1_300 })(elsewhere);
  expect(failing(late)).toEqual([BEFORE]);
});

test('the JSON is one line with what the contract names', () => {
  const facts = good();
  const text = jsonOf(facts, verdictsOf(facts), { seconds: 40 });
  expect(text).not.toContain('\n');
  const parsed = JSON.parse(text) as Record<string, unknown>;
  expect(parsed).toMatchObject({ ok: true, predictions: { sent: 900, failed: 0, byVersion: { 1: { sent: 300, failed: 0 } }, p50Ms: 2 }, abort: { stoppedMs: 100, newFirstByteMs: 200, proof: { readFrom: 'kernel' } } });
  expect((parsed['verdicts'] as readonly unknown[]).length).toBeGreaterThan(10);
});

test('the JSON of a run that broke off at once is whole too', () => {
  const facts: Facts = { servers: [], broke: 'no temporal' };
  expect(JSON.parse(jsonOf(facts, verdictsOf(facts), { seconds: 1 }))).toMatchObject({ ok: false, broke: 'no temporal', predictions: { sent: 0, failed: 0 } });
});
