// A newer wish stops an older load wherever it is, proves that it stopped, and only then begins. On real parts.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { holdRename } from '../abort-phases/slow-disk';
import { until } from '../setup/until';
import { eventsOf, keepHistories, transitionsOf } from './record';
import { probe, Stage } from './stage';
import { HALF_PLUS_THREE, HALF_PLUS_TWO, upload } from './world';

const on = Stage.forThisFile();

test('a load from a stale endpoint is stopped, proven stopped, and only then does the load from the good one begin', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  const stale = await on.world.store();
  await upload(stale, 'half/2/', HALF_PLUS_THREE);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  stale.fault({ key: '*variables.data*', fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/', { endpoint: stale.url }), ...probe(3) });
  await until(() => stale.log().some((line) => line.fault !== undefined && line.bytesSent >= 4));
  await handle.signal('update', { source: { endpoint: on.store.url } });
  const { verdict } = await on.world.end(handle);
  expect(verdict).toMatchObject({ outcome: 'served', servers: { a: { version: '2', proof: { sockets: 0, writers: 0, aspired: false, readFrom: 'kernel' } } } });
  const firstGood = Math.min(...on.store.log().filter((line) => line.operation === 'GetObject' && line.key.startsWith('half/2/')).map((line) => line.atMs));
  const lastStale = Math.max(...stale.log().map((line) => line.closedAtMs ?? Infinity));
  expect(lastStale).toBeLessThanOrEqual(firstGood);
  expect(verdict.servers['a' as never]?.proof?.stoppedMs).toBeLessThan(1000);
  await keepHistories(on.world, 'update-source', handle.workflowId);
});

test('an abort during a download ends Aborted with its proof, the old version serving, nothing staged', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  on.store.fault({ key: 'half/2/*', fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/') });
  await until(async () => (await on.world.status(handle)).servers['a' as never]?.step === 'downloadVersion' && on.store.log().some((line) => line.fault !== undefined && line.bytesSent >= 4));
  const answer = await handle.executeUpdate('abort', { args: [{ reason: 'wrong bucket' }] });
  expect(answer).toMatchObject({ accepted: true });
  const { verdict, type, message } = await on.world.end(handle);
  expect({ type, message }).toEqual({ type: 'Aborted', message: 'aborted: wrong bucket' });
  expect(verdict).toMatchObject({ outcome: 'aborted', servers: { a: { end: 'stopped', version: '1', proof: { sockets: 0, writers: 0, aspired: false } }, b: { end: 'untouched' } } });
  expect(await on.store.connections()).toBe(0);
  expect(readdirSync(join(on.world.server('a').root, 'models/half'))).toEqual(['1']);
  expect(await on.valueOf('a', 2)).toEqual({ version: '1', y: 3 });
  const [transition] = await keepHistories(on.world, 'abort-download', handle.workflowId);
  expect(await on.world.temporal.client.workflow.getHandle(transition?.workflowId ?? '').result()).toMatchObject({ end: { kind: 'stopped' }, report: { proof: { sockets: 0, writers: 0 } } });
});

test('a host whose disk does not answer an abort: its transition is cancelled with its step still running, and ends stopped once the host has', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  const held = holdRename((to) => to === join(on.world.server('a').root, 'models/half/2'));
  try {
    const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/') });
    await until(held.asked, 20_000);
    await handle.signal('abort', { reason: 'its disk does not answer' });
    const [transition = ''] = await transitionsOf(on.world, handle.workflowId);
    await until(async () => (await eventsOf(on.world, transition)).some((event) => event.activityTaskCancelRequestedEventAttributes != null));
    held.release();
    const { verdict } = await on.world.end(handle);
    expect(verdict).toMatchObject({ outcome: 'aborted', servers: { a: { end: 'stopped', version: '1', proof: { sockets: 0, writers: 0, aspired: false } }, b: { end: 'untouched' } } });
    expect(await on.valueOf('a', 2)).toEqual({ version: '1', y: 3 });
    await keepHistories(on.world, 'abort-silent-host', handle.workflowId);
  } finally {
    held.release();
  }
});

test('an abort during a bake returns every server that has the new version to the old one, without a byte', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), strategy: { bakeSeconds: 600, maxUnavailable: 3 } });
  await until(async () => (await on.world.status(handle)).phase === 'baking', 20_000);
  const before = on.objectReads();
  await handle.signal('abort', { reason: 'errors rise' });
  const { verdict } = await on.world.end(handle);
  expect(verdict).toMatchObject({ outcome: 'aborted', servers: { a: { end: 'wentBack', version: '1' }, b: { end: 'wentBack' }, c: { end: 'wentBack' } } });
  expect(on.objectReads()).toBe(before);
  for (const name of ['a', 'b', 'c']) expect(await on.valueOf(name, 2)).toEqual({ version: '1', y: 3 });
  expect(on.bootOf('a')).toMatch(/versions: \[?1\]?/);
  await keepHistories(on.world, 'abort-bake', handle.workflowId);
});

test('a newer rollout supersedes: the older ends Superseded with its proof, the newer serves', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  await upload(on.store, 'half/3/', HALF_PLUS_THREE);
  on.store.fault({ key: 'half/2/*', fault: { kind: 'stall', afterBytes: 4 } });
  const older = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/') });
  await until(() => on.store.log().some((line) => line.fault !== undefined && line.bytesSent >= 4));
  const newer = await on.world.start({ model: 'half', version: '3', ...on.from('half/3/'), ...probe(3) });
  const ends = await Promise.all([on.world.end(older), on.world.end(newer)]);
  expect(ends[0]).toMatchObject({ type: 'Superseded', message: `superseded by ${newer.workflowId}`, verdict: { servers: { a: { proof: { sockets: 0, writers: 0 } } } } });
  expect(ends[1].verdict).toMatchObject({ outcome: 'served' });
  expect(readdirSync(join(on.world.server('a').root, 'models/half')).sort()).toEqual(['1', '3']);
  await keepHistories(on.world, 'superseded', older.workflowId);
});

test('cancelled from the UI it stops everything and ends cancelled', async () => {
  await upload(on.store, 'half/1/', HALF_PLUS_TWO);
  on.store.fault({ key: 'half/1/*', fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await on.world.start({ model: 'half', version: '1', ...on.from('half/1/') });
  await until(() => on.store.log().some((line) => line.fault !== undefined && line.bytesSent >= 4));
  await handle.cancel();
  await expect(handle.result()).rejects.toMatchObject({ name: 'WorkflowFailedError', cause: { name: 'CancelledFailure' } });
  expect(await on.store.connections()).toBe(0);
  await keepHistories(on.world, 'cancelled', handle.workflowId);
});

test('a verb that makes no sense is refused with its reason: the update throws, the signal says it in status', async () => {
  await upload(on.store, 'half/1/', HALF_PLUS_TWO);
  on.store.fault({ key: 'half/1/*', fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await on.world.start({ model: 'half', version: '1', ...on.from('half/1/') });
  await until(() => on.store.log().some((line) => line.fault !== undefined));
  await expect(handle.executeUpdate('update', { args: [{ soruce: {} }] })).rejects.toMatchObject({ cause: { type: 'InvalidInput', message: expect.stringContaining('did you mean "source"') as string } });
  await handle.signal('update', { version: '9' });
  await until(async () => (await on.world.status(handle)).refusal !== undefined);
  expect((await on.world.status(handle)).refusal).toMatch(/version: unknown key/);
  await handle.signal('abort', 'not even an object');
  expect((await on.world.end(handle)).type).toBe('Aborted');
  await keepHistories(on.world, 'refused-verbs', handle.workflowId);
});

test('updates that come together all count: none brings back the source that another replaced', async () => {
  const stale = await on.world.store();
  await upload(stale, 'half/1/', HALF_PLUS_TWO);
  await upload(on.store, 'half/1/', HALF_PLUS_TWO);
  stale.fault({ key: '*variables.data*', fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await on.world.start({ model: 'half', version: '1', ...on.from('half/1/', { endpoint: stale.url }) });
  await until(() => stale.log().some((line) => line.fault !== undefined));
  const reasons = Array.from({ length: 15 }, (_, index) => ({ reason: `note ${index}` }));
  await Promise.all([...reasons, { source: { endpoint: on.store.url } }, { strategy: { maxUnavailable: 3 } }, ...reasons].map((one) => handle.signal('update', one)));
  const { verdict } = await on.world.end(handle);
  expect(verdict.outcome).toBe('served');
  expect((await on.world.status(handle)).generation[1]).toBe(2);
});

test('an update that comes while a cancelled rollout stops changes nothing: it still stops everything, tells its fleet, and says so', async () => {
  await upload(on.store, 'half/1/', HALF_PLUS_TWO);
  on.store.fault({ key: '*variables.data*', fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await on.world.start({ model: 'half', version: '1', ...on.from('half/1/') });
  await until(() => on.store.log().some((line) => line.fault !== undefined));
  await handle.cancel();
  await handle.signal('update', { reason: 'too late' }).catch(() => undefined);
  await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
  expect(await on.world.status(handle)).toMatchObject({ phase: 'done', verdict: { outcome: 'cancelled', servers: { a: { end: 'stopped', proof: { sockets: 0 } } } } });
  await until(async () => (await on.world.fleetState())?.models['half' as never]?.holder === undefined);
});
