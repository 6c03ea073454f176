// What people say to a rollout and to a fleet besides starting and stopping: pause, resume, roll back, retire; and what is refused. On real parts.

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { FleetState } from '../../src/domain/fleet-facts';
import type { Verdict } from '../../src/domain/verdict';
import { until } from '../setup/until';
import { keepHistories } from './record';
import { mustBeServed, probe, Stage } from './stage';
import { HALF_PLUS_THREE, HALF_PLUS_TWO, upload } from './world';

const on = Stage.forThisFile();
const fleet = () => on.world.temporal.client.workflow.getHandle(`fleet/${on.world.fleet}`);
const settled = (): Promise<FleetState> => until(async () => {
  const state = await on.world.fleetState();
  return state !== undefined && state.models['half' as never]?.holder === undefined ? state : undefined;
});
const ownEnd = async (workflowId: string): Promise<Verdict> => {
  const handle = on.world.temporal.client.workflow.getHandle(workflowId);
  await until(() => handle.describe().then(() => true, () => false));
  return (await on.world.end(handle)).verdict;
};

test('paused, nothing new begins and no gate opens; resumed, it goes on to the end', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), ...probe(3), strategy: { waves: ['1', '100%'], bakeSeconds: 1 } });
  await until(async () => (await on.world.status(handle)).servers['a' as never]?.step === 'bake', 20_000);
  expect(await handle.executeUpdate('pause', { args: [{ by: 'ops', reason: 'graphs' }] })).toMatchObject({ accepted: true });
  const status = await on.world.status(handle);
  expect(status).toMatchObject({ phase: 'paused', pause: { by: 'ops', reason: 'graphs' }, servers: { a: { waiting: { on: 'resume' } }, b: { step: 'pending', waiting: { on: 'resume' } } } });
  // The bake is over by the clock of a later task: the gate is still shut.
  await until(async () => Date.now() > (status.servers['a' as never]?.since ?? 0) + 1500 && (await on.world.status(handle)).phase === 'paused');
  expect((await on.world.status(handle)).servers).toMatchObject({ a: { step: 'bake', version: '2' }, b: { step: 'pending' } });
  await expect(handle.executeUpdate('pause', { args: [{}] })).resolves.toMatchObject({ accepted: true });
  await handle.signal('resume', {});
  expect((await on.world.end(handle)).verdict).toMatchObject({ outcome: 'served' });
  await expect(handle.executeUpdate('resume', { args: [{}] })).rejects.toThrow();
  await keepHistories(on.world, 'pause', handle.workflowId);
}, 60_000);

test('a running rollout rolled back goes back without a byte, and its content is refused from then on unless it is meant', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE, { manifest: true });
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), strategy: { bakeSeconds: 600, maxUnavailable: 3 } });
  await until(async () => (await on.world.status(handle)).phase === 'baking', 20_000);
  const before = on.objectReads();
  await handle.executeUpdate('rollback', { args: [{ reason: 'wrong answers', by: 'ops' }] });
  const { verdict, type } = await on.world.end(handle);
  expect(type).toBe('RolledBack');
  expect(verdict).toMatchObject({ message: 'rolled back by ops: wrong answers', servers: { a: { end: 'wentBack', version: '1' }, c: { end: 'wentBack', version: '1' } } });
  expect(on.objectReads()).toBe(before);
  expect((await settled()).models['half' as never]?.knownBad).toMatchObject([{ version: '2', why: 'rolled back by ops: wrong answers' }]);
  // The same bytes under another number, with and without a manifest: refused before any list changes.
  await upload(on.store, 'half/3/', HALF_PLUS_THREE, { manifest: true });
  await upload(on.store, 'half/4/', HALF_PLUS_THREE);
  expect(await on.world.end(await on.world.start({ model: 'half', version: '3', ...on.from('half/3/') }))).toMatchObject({ type: 'KnownBadVersion', verdict: { outcome: 'rejected', servers: { a: { end: 'untouched' } } } });
  expect(await on.world.end(await on.world.start({ model: 'half', version: '4', ...on.from('half/4/') }))).toMatchObject({ type: 'KnownBadVersion', verdict: { servers: { a: { version: '1' }, b: { end: 'untouched' } } } });
  for (const name of ['a', 'b', 'c']) expect(await on.valueOf(name, 2)).toEqual({ version: '1', y: 3 });
  mustBeServed(await on.world.end(await on.world.start({ model: 'half', version: '3', ...on.from('half/3/'), ...probe(3), allowKnownBad: true, strategy: { maxUnavailable: 3 } })));
  await keepHistories(on.world, 'rollback-running', handle.workflowId);
}, 90_000);

test('a finished rollout rolled back by its fleet goes back from the disks, the bucket being away', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await on.serve('2', HALF_PLUS_THREE, 3);
  await settled();
  await on.store.stop();
  const { workflowId } = await fleet().executeUpdate<{ workflowId: string }, [unknown]>('rollback', { args: [{ model: 'half', version: '2', reason: 'late errors' }] });
  expect(await ownEnd(workflowId)).toMatchObject({ outcome: 'served', servers: { a: { version: '1' }, b: { version: '1' }, c: { version: '1' } } });
  expect(await on.valueOf('b', 2)).toEqual({ version: '1', y: 3 });
  expect((await settled()).models['half' as never]).toMatchObject({ stable: { version: '1' }, retained: { version: '2' }, knownBad: [{ version: '2' }] });
  await expect(fleet().executeUpdate('rollback', { args: [{ model: 'hafl' }] })).rejects.toThrow();
  await keepHistories(on.world, 'rollback-finished', workflowId);
}, 60_000);

test('an older version is served only where it is meant', async () => {
  await on.serve('2', HALF_PLUS_THREE, 3);
  await upload(on.store, 'half/1/', HALF_PLUS_TWO);
  await settled();
  const refused = await on.world.end(await on.world.start({ model: 'half', version: '1', ...on.from('half/1/') }));
  expect(refused).toMatchObject({ type: 'InvalidInput', message: expect.stringContaining('--allow-downgrade') as string });
  mustBeServed(await on.world.end(await on.world.start({ model: 'half', version: '1', ...on.from('half/1/'), ...probe(2), allowDowngrade: true, strategy: { maxUnavailable: 3 } })));
});

test('a model retired is served by nobody, its name is free of any version, and another model is left alone', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'other/1/', HALF_PLUS_THREE);
  mustBeServed(await on.world.end(await on.world.start({ model: 'other', version: '1', ...on.from('other/1/'), strategy: { maxUnavailable: 3 } })));
  await settled();
  const { workflowId } = await fleet().executeUpdate<{ workflowId: string }, [unknown]>('retire', { args: [{ model: 'half', reason: 'replaced by other' }] });
  expect(await ownEnd(workflowId)).toMatchObject({ outcome: 'retired', message: 'half is retired: 3 of 3 servers serve nothing of it' });
  await expect(on.valueOf('a', 2)).rejects.toThrow();
  expect(on.bootOf('a')).toContain('other');
  expect(on.bootOf('a')).not.toContain('"half"');
  expect((await settled()).models['half' as never]?.stable).toBeUndefined();
  expect(readdirSync(join(on.world.server('a').root, 'models/other'))).toEqual(['1']);
  await keepHistories(on.world, 'retire', workflowId);
}, 60_000);

test('the version before stays on the disks while later rollouts come and fail, and a rollback finds it there; where it is gone it is fetched', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await on.serve('2', HALF_PLUS_THREE, 3);
  const dirs = (name: string): string[] => readdirSync(join(on.world.server(name).root, 'models/half')).sort();
  expect((await on.world.end(await on.world.start({ model: 'half', version: '2', ...on.from('half/2/') }))).verdict.outcome).toBe('alreadyServed');
  await on.store.put('models', 'half/3/saved_model.pb', 'broken');
  expect((await on.world.end(await on.world.start({ model: 'half', version: '3', ...on.from('half/3/') }))).verdict).toMatchObject({ code: 'InvalidSavedModel' });
  for (const name of ['a', 'b', 'c']) expect(dirs(name)).toEqual(['1', '2']);
  await settled();
  const reads = on.objectReads();
  // One host lost the directory: only it fetches, and the others go back without a byte.
  rmSync(join(on.world.server('b').root, 'models/half/1'), { recursive: true });
  const { workflowId } = await fleet().executeUpdate<{ workflowId: string }, [unknown]>('rollback', { args: [{ model: 'half', reason: 'late errors' }] });
  expect(await ownEnd(workflowId)).toMatchObject({ outcome: 'served', servers: { a: { version: '1' }, b: { version: '1' }, c: { version: '1' } } });
  const fetched = on.store.log().filter(({ operation }) => operation === 'GetObject').slice(reads);
  expect(new Set(fetched.map(({ key }) => key)).size).toBe(fetched.length);
  expect(fetched.length).toBeGreaterThan(0);
  for (const name of ['a', 'b', 'c']) expect(await on.valueOf(name, 2)).toEqual({ version: '1', y: 3 });
}, 90_000);

test('a server that was silent while its model was retired is brought to nothing when it is back', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  const { root, port, agent } = on.world.server('c');
  await agent.stop();
  const { workflowId } = await fleet().executeUpdate<{ workflowId: string }, [unknown]>('retire', { args: [{ model: 'half' }] });
  expect(await ownEnd(workflowId)).toMatchObject({ outcome: 'retired', notSeen: ['c'] });
  on.world.server('c').agent = await on.world.startAgent('c', root, port);
  await until(async () => (await on.valueOf('c', 2).then(() => false, () => true)), 60_000);
  await until(async () => { const half = (await on.world.fleetState())?.models['half' as never]; return half?.holder === undefined && half?.own === undefined; }, 30_000);
}, 120_000);

test('paused before it began, a rollout begins paused', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  const { client } = on.world.temporal;
  const handle = await client.workflow.signalWithStart('rollout', { workflowId: `early-${on.world.fleet}`, taskQueue: 'segue', args: [{ fleet: on.world.fleet, model: 'half', version: '2', ...on.from('half/2/'), ...probe(3), strategy: { maxUnavailable: 3 } }], signal: 'pause', signalArgs: [{ reason: 'wait for me' }] });
  await until(async () => (await on.world.status(handle)).phase === 'paused');
  await handle.signal('resume', {});
  mustBeServed(await on.world.end(handle));
}, 60_000);

test('a fleet verb refused as a signal is shown in its status', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await fleet().signal('rollback', { model: 'half' });
  expect(await until(async () => (await on.world.fleetState())?.refusal)).toMatchObject({ verb: 'rollback', message: expect.stringContaining('no version before 1') as string });
}, 60_000);
