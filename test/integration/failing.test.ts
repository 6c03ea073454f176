// What goes wrong is caught before it hurts, and named. On real parts.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../setup/until';
import { keepHistories } from './record';
import { mustBeServed, probe, Stage } from './stage';
import { HALF_PLUS_THREE, HALF_PLUS_TWO, upload } from './world';

const on = Stage.forThisFile();

test('a model without its variables index ends InvalidSavedModel before any list changed', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE, { without: ['variables/variables.index'], manifest: true });
  const lists = (): string[] => Object.values(on.world.servers).map((server) => JSON.stringify(server.simulator.config(), (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)));
  const before = lists();
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/') });
  const { verdict, type } = await on.world.end(handle);
  expect(type).toBe('InvalidSavedModel');
  expect(verdict).toMatchObject({ outcome: 'failed', code: 'InvalidSavedModel', servers: { a: { end: 'failed', version: '1' }, b: { end: 'untouched' } } });
  expect(lists()).toEqual(before);
  await keepHistories(on.world, 'invalid-model', handle.workflowId);
});

test('a version the server cannot load ends RolledBack with the server\'s own words; the old one serves on', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  on.world.server('b').faults.error({ what: 'load', model: 'half', version: 2n, code: 'INTERNAL', message: 'no such kernel on this host' });
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/') });
  const { verdict, type, message } = await on.world.end(handle);
  expect(type).toBe('RolledBack');
  expect(message).toContain('no such kernel on this host');
  expect(verdict).toMatchObject({ outcome: 'rolledBack', code: 'LoadFailed', servers: { a: { end: 'wentBack', version: '1' }, b: { end: 'failed', version: '1' }, c: { end: 'untouched' } } });
  for (const name of ['a', 'b', 'c']) expect(await on.valueOf(name, 2)).toEqual({ version: '1', y: 3 });
  await keepHistories(on.world, 'load-failed', handle.workflowId);
});

test('a version that answers its probe wrongly rolls back', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), ...probe(7) });
  const { verdict, message } = await on.world.end(handle);
  expect(verdict).toMatchObject({ outcome: 'rolledBack', code: 'ProbeMismatch' });
  expect(message).toMatch(/7\.5/);
  expect(await on.valueOf('a', 2)).toEqual({ version: '1', y: 3 });
  await keepHistories(on.world, 'probe-mismatch', handle.workflowId);
});

test('other content under the number that is served is VersionReused, and is not called served already', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/other/', HALF_PLUS_THREE, { manifest: true });
  const { verdict, type } = await on.world.end(await on.world.start({ model: 'half', version: '1', ...on.from('half/other/') }));
  expect(type).toBe('VersionReused');
  expect(verdict).toMatchObject({ outcome: 'failed', servers: { a: { end: 'untouched' } } });
  expect(await on.valueOf('a', 2)).toEqual({ version: '1', y: 3 });
});

test('nothing under the URI is SourceMissing, within seconds', async () => {
  await on.store.put('models', 'other/1/x', 'x');
  const handle = await on.world.start({ model: 'half', version: '1', ...on.from('half/1/') });
  expect(await on.world.end(handle)).toMatchObject({ type: 'SourceMissing', verdict: { outcome: 'failed', code: 'SourceMissing' } });
  await keepHistories(on.world, 'source-missing', handle.workflowId);
});

test.each([
  ['a typo', { verison: '3' }, /verison: unknown key; did you mean "version"/],
  ['leading zeros', { version: '007' }, /did you mean "7"/],
  ['a fleet nobody belongs to', { fleet: 'nobody' }, /fleet: no agent has announced itself/],
])('%s is InvalidInput, and nothing was touched', async (_why, wrong, said) => {
  const journals = (): string[] => Object.values(on.world.servers).map((server) => readFileSync(join(server.root, 'journal.json'), 'utf8'));
  const before = journals();
  const handle = await on.world.start({ model: 'half', version: '1', ...on.from('half/1/'), ...wrong });
  const { verdict, type, message } = await on.world.end(handle);
  expect(type).toBe('InvalidInput');
  expect(message).toMatch(said);
  expect(verdict).toMatchObject({ outcome: 'rejected', code: 'InvalidInput', servers: {} });
  expect(on.store.log()).toEqual([]);
  expect(journals()).toEqual(before);
});

test('an endpoint one of the agents does not allow is refused before a socket exists', async () => {
  const guarded = await on.whole.inFleet(`guarded`, ['g'], { allowEndpoints: ['http://good.example:9000'] });
  const handle = await guarded.start({ model: 'half', version: '1', ...on.from('half/1/') });
  expect(await guarded.end(handle)).toMatchObject({ type: 'EndpointNotAllowed', verdict: { outcome: 'rejected' } });
  expect(on.store.log()).toEqual([]);
  await guarded.stopFleet();
});

test('one agent that does not answer is named in the verdict, the others are served', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  await on.world.server('b').agent.stop();
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), strategy: { maxUnavailable: 3 } });
  const { verdict } = await on.world.end(handle);
  expect(verdict).toMatchObject({ outcome: 'served', notSeen: ['b'], servers: { a: { version: '2' }, b: { end: 'notSeen' }, c: { version: '2' } } });
  expect(await on.valueOf('b', 2)).toEqual({ version: '1', y: 3 });
  await keepHistories(on.world, 'not-seen', handle.workflowId);
});

test('on hold a person can give another source, and it goes on', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  on.world.server('a').faults.error({ what: 'load', model: 'half', version: 2n, code: 'INTERNAL', times: 1 });
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), onFailure: 'hold', strategy: { maxUnavailable: 3 } });
  await until(async () => (await on.world.status(handle)).phase === 'holding', 20_000);
  expect((await on.world.status(handle)).servers['a' as never]?.waiting).toMatchObject({ on: 'operator', failure: 'LoadFailed' });
  await handle.executeUpdate('update', { args: [{ reason: 'try again' }] });
  mustBeServed(await on.world.end(handle));
  await keepHistories(on.world, 'hold', handle.workflowId);
});

test('a fleet that does not answer holds nobody: an abort ends the rollout that waits for its claim', async () => {
  const fleet = 'wedged';
  // Its workflow task fails for ever, as on code that cannot replay it.
  const wedged = await on.world.temporal.client.workflow.start('noSuchWorkflow', { workflowId: `fleet/${fleet}`, taskQueue: 'segue', args: [] });
  const handle = await on.world.start({ fleet, model: 'half', version: '1', ...on.from('half/1/') });
  await until(async () => (await handle.describe()).raw.pendingActivities?.some((one) => one.activityType?.name === 'claimModel' && one.lastStartedTime !== null) === true);
  await handle.signal('abort', { reason: 'the fleet is stuck' });
  expect(await on.world.end(handle)).toMatchObject({ type: 'Aborted', verdict: { outcome: 'aborted' } });
  await wedged.terminate();
});
