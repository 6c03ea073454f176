// What drifts comes back by itself: servers that join, lose their files or their disk, fall silent; and the fleet's memory lives through everything. On real parts, with the command line people use.

import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../src/cli/run';
import type { FleetState, Member } from '../../src/domain/fleet-facts';
import type { Announcement } from '../../src/domain/host';
import { captured } from '../cli/captured';
import { until } from '../setup/until';
import { keepHistories } from './record';
import { mustBeServed, probe, Stage } from './stage';
import { HALF_PLUS_THREE, HALF_PLUS_TWO, upload } from './world';

const on = Stage.forThisFile();
const LONG_MS = 30_000;
const fleet = () => on.world.temporal.client.workflow.getHandle(`fleet/${on.world.fleet}`);
const state = (): Promise<FleetState> => until(() => on.world.fleetState());
const member = async (name: string): Promise<Member | undefined> => (await state()).members[name as never];
const segue = (...args: string[]) => captured((terminal) => run([...args, '--address', on.world.dev.address], terminal));
/** An agent's journal is written before anything it does. */
const written = (...names: string[]): number[] => names.map((name) => statSync(join(on.world.server(name).root, 'journal.json')).mtimeMs);
const repairs = async (): Promise<string[]> => {
  const found: string[] = [];
  for await (const one of on.world.temporal.client.workflow.list({ query: `WorkflowType = 'rollout' AND WorkflowId STARTS_WITH 'repair/${on.world.fleet}/'` })) found.push(one.workflowId);
  return found;
};
/** Its agent says so, nothing of it is drifted, and it answers: while a repair is at work on it, it is not drifted any more and does not answer yet. */
const saysItServes = (name: string, version: string): Promise<true> => until(async () => {
  const fact = (await member(name))?.models?.['half' as never];
  return fact?.version === version && fact.drift === undefined && (await on.valueOf(name, 2).catch(() => undefined))?.version === version;
}, LONG_MS);

test('a server that joins catches up with what is stable; the healthy ones are not touched', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  const before = written('a', 'b', 'c');
  await on.world.addServer('d');
  await saysItServes('d', '1');
  expect(await on.valueOf('d', 2)).toEqual({ version: '1', y: 3 });
  const [repair, ...more] = await repairs();
  expect(more).toEqual([]);
  expect((await on.world.end(on.world.temporal.client.workflow.getHandle(repair ?? ''))).verdict).toMatchObject({ outcome: 'served', servers: { d: { end: 'served', version: '1', probed: 'predict' } } });
  expect(written('a', 'b', 'c')).toEqual(before);
  await keepHistories(on.world, 'repair', repair ?? '');
}, 60_000);

test('files deleted on one server: named with who could have done it, brought back on that server alone', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  const reads = on.objectReads();
  rmSync(join(on.world.server('b').root, 'models/half/1'), { recursive: true });
  await until(async () => (await member('b'))?.models?.['half' as never]?.drift?.what === 'filesGone');
  const said = await segue('fleet', 'get', on.world.fleet);
  expect(said.out).toMatch(/drifted:\n {2}b: half: filesGone: .*models\/half\/1 is not there.*somebody with access to that disk.*the fleet repairs it/);
  await saysItServes('b', '1');
  expect(readdirSync(join(on.world.server('b').root, 'models/half'))).toEqual(['1']);
  expect(await on.valueOf('b', 2)).toEqual({ version: '1', y: 3 });
  const perServer = on.objectReads() - reads;
  expect(perServer).toBeGreaterThan(0);
  expect(await repairs()).toHaveLength(1);
  expect((await segue('fleet', 'get', on.world.fleet)).out).toContain('nothing drifted');
}, 60_000);

test('an agent that is gone is named by the check, nothing is done about it, and it catches up when it is back', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  const { root, port, agent } = on.world.server('c');
  await agent.stop();
  // A queue nobody ever polled stands for one nobody polls any more: Temporal shows a poller for minutes after its end.
  await fleet().signal('announce', { server: 'z', incarnation: 'gone', models: {} } as unknown as Announcement);
  await segue('fleet', 'check', on.world.fleet);
  await until(async () => (await member('z'))?.silentSinceMs !== undefined);
  expect((await segue('fleet', 'get', on.world.fleet)).out).toMatch(/z: its agent does not poll, since .*nothing is known of it, and nothing is done/);
  await segue('fleet', 'leave', on.world.fleet, 'z');
  await until(async () => (await member('z')) === undefined);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  const served = await on.world.end(await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), ...probe(3), strategy: { maxUnavailable: 3 } }));
  mustBeServed(served);
  expect(served.verdict.notSeen).toEqual(['c']);
  on.world.server('c').agent = await on.world.startAgent('c', root, port);
  await until(async () => (await member('c'))?.models?.['half' as never]?.version === '2', 90_000);
  expect(await on.valueOf('c', 2)).toEqual({ version: '2', y: 4 });
}, 150_000);

test('a rollout of the model comes before its repair', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), ...probe(3), strategy: { bakeSeconds: 8, maxUnavailable: 3 } });
  await until(async () => (await on.world.status(handle)).phase === 'baking', 20_000);
  await on.world.addServer('d');
  await until(async () => (await member('d'))?.models !== undefined);
  // Behind for longer than a repair waits for, and still none: the model is held.
  await until(async () => (await on.world.status(handle)).phase !== 'baking', 20_000);
  expect(await repairs()).toEqual([]);
  expect((await on.world.end(handle)).verdict).toMatchObject({ outcome: 'served' });
  await saysItServes('d', '2');
  expect(await repairs()).toHaveLength(1);
}, 90_000);

test('ten thousand signals, a rollout in between, and continue-as-new: nothing is forgotten', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  const first = (await fleet().describe()).runId;
  // In bursts, each begun when the one before was worked off: Temporal refuses more than ten thousand to one run, and lets a run that is signalled without a pause not end.
  const runs = new Set<string>();
  const flood = (async () => {
    for (let at = 0; at < 10_000; at += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, n) => fleet().signal('announce', { server: `ghost-${(at + n) % 7}`, incarnation: `i${at + n}` } as unknown as Announcement)));
      await state();
      runs.add((await fleet().describe()).runId);
    }
  })();
  const rollout = on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), ...probe(3), strategy: { maxUnavailable: 10 } });
  await flood;
  await rollout.then((handle) => on.world.end(handle));
  expect(runs.size).toBeGreaterThan(3);
  expect(runs).not.toEqual(new Set([first]));
  await until(async () => Object.entries<Member>((await state()).members).filter(([name]) => name.startsWith('ghost')).every(([, one]) => Number(one.incarnation.slice(1)) >= 9_500), LONG_MS);
  const after = await state();
  expect(after.models['half' as never]).toMatchObject({ stable: { version: '2' }, retained: { version: '1' } });
  expect(after.members['a' as never]?.models).toMatchObject({ half: { version: '2' } });
}, 240_000);
