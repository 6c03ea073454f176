// What nobody should send, and what the Temporal UI lets everybody do: the fleet and its rollouts live on. On real parts.

import type { FleetState } from '../../src/domain/fleet-facts';
import { run } from '../../src/cli/run';
import { captured } from '../cli/captured';
import { until } from '../setup/until';
import { mustBeServed, probe, Stage } from './stage';
import { HALF_PLUS_THREE, HALF_PLUS_TWO, upload } from './world';

const on = Stage.forThisFile();
const fleet = () => on.world.temporal.client.workflow.getHandle(`fleet/${on.world.fleet}`);
const state = (): Promise<FleetState> => until(() => on.world.fleetState());
const segue = (...args: string[]) => captured((terminal) => run([...args, '--address', on.world.dev.address], terminal));
const GARBAGE: readonly unknown[][] = [[], [null], [5], ['text'], [[]], [{}], [{ server: 5, by: {}, model: [] }], [{ server: '../x', incarnation: 'i', models: 5, allowEndpoints: 'x' }], [{ server: 'ghost', incarnation: 'i', models: 5 }], [{ server: 'nobody', token: 'x' }]];

test('signals without sense change nothing, to the fleet and to a rollout at its gate', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  for (const name of ['announce', 'settle', 'leave', 'rollback', 'retire']) for (const args of GARBAGE) await fleet().signal(name, ...args);
  expect((await state()).members).toEqual(expect.objectContaining({ a: expect.anything(), b: expect.anything(), c: expect.anything() }));
  expect(Object.keys((await state()).members)).toHaveLength(3);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), ...probe(3), strategy: { maxUnavailable: 3, bakeSeconds: 3600 } });
  await until(async () => (await on.world.status(handle)).phase === 'baking');
  for (const name of ['supersede', 'gate', 'progress', 'resume']) for (const args of GARBAGE) await handle.signal(name, ...args);
  expect(await on.world.status(handle)).toMatchObject({ phase: 'baking', servers: { a: { step: 'bake', version: '2' } } });
  await handle.executeUpdate('update', { args: [{ strategy: { bakeSeconds: 0 } }] });
  mustBeServed(await on.world.end(handle));
  const failed = (await fleet().fetchHistory()).events?.filter((event) => event.workflowTaskFailedEventAttributes != null) ?? [];
  expect(failed).toEqual([]);
}, 60_000);

test('a rollout terminated in the UI: its fleet drops it at the next check, and brings back the server it left behind', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), ...probe(3), strategy: { waves: ['1', '100%'], bakeSeconds: 3600 } });
  await until(async () => (await on.world.status(handle)).phase === 'baking');
  await handle.terminate('by hand');
  const refused = await segue('fleet', 'retire', on.world.fleet, 'half');
  expect(refused.code).toBe(3);
  expect(refused.err).toContain(`segue fleet check ${on.world.fleet}`);
  await segue('fleet', 'check', on.world.fleet);
  await until(async () => (await state()).models['half' as never]?.holder === undefined);
  await until(async () => (await on.valueOf('a', 2).catch(() => undefined))?.version === '1', 30_000);
  await until(async () => { const half = (await state()).models['half' as never]; return half?.holder === undefined && half?.own === undefined; }, 30_000);
  expect((await state()).models['half' as never]).toMatchObject({ stable: { version: '1' } });
}, 90_000);

test('three started at once: the last one started is served, whichever claims first', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  for (const version of ['2', '3', '4']) await upload(on.store, `half/${version}/`, HALF_PLUS_THREE);
  const begin = (version: string) => on.world.start({ model: 'half', version, ...on.from(`half/${version}/`), ...probe(3), strategy: { maxUnavailable: 3 }, allowDowngrade: true });
  const handles = [await begin('2'), await begin('3'), await begin('4')];
  const ends = await Promise.all(handles.map((handle) => on.world.end(handle)));
  expect(ends.map(({ verdict }) => verdict.outcome)).toEqual(['superseded', 'superseded', 'served']);
}, 60_000);

test.each(['goes on', 'is aborted', 'is superseded'] as const)('a rollout reset in the UI while it bakes %s, and ends; its transitions are still those of the run before', async (then) => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  for (const version of ['2', '3']) await upload(on.store, `half/${version}/`, HALF_PLUS_THREE);
  const begin = (version: string) => on.world.start({ model: 'half', version, ...on.from(`half/${version}/`), ...probe(3), strategy: { waves: ['1', '100%'], maxUnavailable: 3, bakeSeconds: then === 'goes on' && version === '2' ? 6 : version === '3' ? 0 : 3600 } });
  const first = await begin('2');
  await until(async () => (await on.world.status(first)).phase === 'baking');
  const { client } = on.world.temporal;
  const events = (await first.fetchHistory()).events ?? [];
  const task = events.findLast((event) => event.workflowTaskCompletedEventAttributes != null)?.eventId;
  const { runId } = await client.workflowService.resetWorkflowExecution({ namespace: 'default', workflowExecution: { workflowId: first.workflowId }, reason: 'by hand', workflowTaskFinishEventId: task!, requestId: 'reset' });
  const reset = client.workflow.getHandle(first.workflowId, runId);
  if (then === 'is aborted') await reset.signal('abort', { reason: 'enough' });
  if (then === 'is superseded') mustBeServed(await on.world.end(await begin('3')));
  const { verdict } = await on.world.end(reset);
  expect(verdict.outcome).toBe({ 'goes on': 'served', 'is aborted': 'aborted', 'is superseded': 'superseded' }[then]);
  await until(async () => { for await (const open of client.workflow.list({ query: `ExecutionStatus = 'Running' AND SegueFleet = '${on.world.fleet}'` })) return open.workflowId === `fleet/${on.world.fleet}`; return true; });
  for (const name of ['a', 'b', 'c']) await until(async () => (await on.valueOf(name, 2).catch(() => undefined))?.version === { 'goes on': '2', 'is aborted': '1', 'is superseded': '3' }[then], 20_000);
}, 90_000);
