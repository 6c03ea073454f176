import type { Announcement } from '../../src/domain/host';
import type { ServerName } from '../../src/domain/names';
import { type FleetContact, keepAnnounced, type Known, mustAnnounce } from '../../src/worker/announcer';
import { announcementOf } from '../../src/worker/agent-worker';
import { until } from '../setup/until';

const SERVER = 'edge-a' as ServerName;

test.each<[string, Known, boolean]>([
  ['the fleet knows this incarnation', { incarnation: 'i1' }, false],
  ['the model server restarted since', { incarnation: 'i0' }, true],
  ['the fleet does not know the server', 'unknownServer', true],
  ['there is no fleet', 'noFleet', true],
])('%s: announce again: %j %s', (_, known, expected) => {
  expect(mustAnnounce(known, { server: SERVER, incarnation: 'i1' })).toBe(expected);
});

test('a fleet that was lost, or does not answer at first, ends up knowing the server', async () => {
  const fleet = fakeFleet();
  fleet.failures = 2;
  const announcer = keepAnnounced(fleet, { current: () => ({ server: SERVER, incarnation: 'i1' }) }, fleet.report, 5);
  await until(() => fleet.known === 'i1');
  expect(fleet.reports).toHaveLength(2);
  expect(fleet.reports[0]).toContain('the fleet does not hear us: no control worker');
  fleet.known = undefined;
  await until(() => fleet.known === 'i1');
  announcer.stop();
});

test('a new incarnation is told without being asked, and only once', async () => {
  const fleet = fakeFleet();
  let incarnation = 'i1';
  const announcer = keepAnnounced(fleet, { current: () => ({ server: SERVER, incarnation }) }, fleet.report, 5);
  await until(() => fleet.known === 'i1');
  incarnation = 'i2';
  await until(() => fleet.known === 'i2');
  const looks = fleet.looks;
  await until(() => fleet.looks > looks + 3);
  announcer.stop();
  expect(fleet.announced).toEqual(['i1', 'i2']);
});

test('a look that gets no answer concludes nothing', async () => {
  const fleet = fakeFleet();
  const announcer = keepAnnounced(fleet, { current: () => ({ server: SERVER, incarnation: 'i1' }) }, fleet.report, 5);
  await until(() => fleet.known === 'i1');
  fleet.silent = true;
  await until(() => fleet.reports.length >= 3);
  announcer.stop();
  expect(fleet.announced).toEqual(['i1']);
});

test.each<[string, Known, boolean]>([
  ['other facts of a model', { incarnation: 'i1', models: { half: { version: '1' } } as never }, true],
  ['the same facts in another order', { incarnation: 'i1', models: { half: { digest: 'd', version: '2' } } as never }, false],
  ['the fleet took it for silent', { incarnation: 'i1', models: { half: { version: '2', digest: 'd' } } as never, silentSinceMs: 5 }, true],
])('%s: announce again: %j %s', (_, known, expected) => {
  expect(mustAnnounce(known, { server: SERVER, incarnation: 'i1', models: { half: { version: '2', digest: 'd' } } as never })).toBe(expected);
});

test('an agent that lost its journal is told what is stable until it is seeded, and why it is not is said once', async () => {
  const fleet = fakeFleet();
  let seeded = false;
  let tries = 0;
  const announcer = keepAnnounced(fleet, {
    current: () => ({ server: SERVER, incarnation: 'i1', ...(seeded ? {} : { seeded: false }) }),
    seed: () => { tries += 1; seeded = tries === 3; return Promise.resolve(seeded ? undefined : 'half/1 is LOADING'); },
  }, fleet.report, 5);
  await until(() => seeded && fleet.announced.length >= 2);
  announcer.stop();
  expect(tries).toBe(3);
  expect(fleet.reports).toEqual(['half/1 is LOADING']);
});

test('an agent that may go anywhere announces no list; one that may not announces its own', () => {
  const identity = { fleet: 'demo' as never, server: SERVER };
  expect(announcementOf({ ...identity, allowEndpoints: [] }, 'i1')).toEqual({ server: SERVER, incarnation: 'i1' });
  expect(announcementOf({ ...identity, zone: 'eu', allowEndpoints: ['aws'] }, 'i1')).toEqual({ server: SERVER, incarnation: 'i1', zone: 'eu', allowEndpoints: ['aws'] });
});

interface FakeFleet extends FleetContact {
  known: string | undefined;
  failures: number;
  silent: boolean;
  looks: number;
  readonly announced: string[];
  readonly reports: string[];
  readonly report: (line: string) => void;
}

function fakeFleet(): FakeFleet {
  const fleet: FakeFleet = {
    known: undefined, failures: 0, silent: false, looks: 0, announced: [], reports: [],
    report: (line) => void fleet.reports.push(line),
    announce: (announcement: Announcement) => {
      if (fleet.failures-- > 0) return Promise.reject(new Error('no control worker'));
      fleet.known = announcement.incarnation;
      fleet.announced.push(announcement.incarnation);
      return Promise.resolve();
    },
    stable: () => Promise.resolve({}),
    look: () => {
      fleet.looks += 1;
      if (fleet.silent) return Promise.reject(new Error('deadline exceeded'));
      return Promise.resolve(fleet.known === undefined ? 'noFleet' : { incarnation: fleet.known });
    },
  };
  return fleet;
}
