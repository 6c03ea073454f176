// The main job on real parts: Temporal's dev server, S3 over HTTP, model servers over gRPC, agents with disks.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../setup/until';
import { keepHistories } from './record';
import { mustBeServed, probe, Stage } from './stage';
import { HALF_PLUS_THREE, HALF_PLUS_TWO, upload } from './world';

const on = Stage.forThisFile();

test('a first version, then the next one in waves with a bake: served, proven by Predict, the version before kept on disk', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  expect(await on.valueOf('a', 2)).toEqual({ version: '1', y: 3 });
  await upload(on.store, 'half/2/', HALF_PLUS_THREE, { manifest: true });
  const handle = await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), ...probe(3), strategy: { waves: ['1', '100%'], bakeSeconds: 1, drainSeconds: 1, maxUnavailable: 2 } });
  const { verdict } = await on.world.end(handle);
  expect(verdict).toMatchObject({ outcome: 'served', notSeen: [], servers: { a: { end: 'served', version: '2', probed: 'predict', heldAgainst: { manifest: expect.arrayContaining(['saved_model.pb']) as string[] } }, b: { end: 'served' }, c: { end: 'served' } } });
  for (const name of ['a', 'b', 'c']) {
    expect(await on.valueOf(name, 2)).toEqual({ version: '2', y: 4 });
    expect(on.bootOf(name)).toMatch(/versions: \[?2\]?/);
    expect(readdirSync(join(on.world.server(name).root, 'models/half')).sort()).toEqual(['1', '2']);
    expect(existsSync(join(on.world.server(name).root, 'models/half/2/manifest.json'))).toBe(false);
  }
  expect((await on.world.fleetState())?.models).toMatchObject({ half: { stable: { version: '2' }, retained: { version: '1' } } });
  expect((await on.world.status(handle)).phase).toBe('done');
  const transitions = await keepHistories(on.world, 'waves', handle.workflowId);
  for (const { events, activities } of transitions) {
    expect(activities).toBeLessThanOrEqual(10);
    expect(events).toBeLessThanOrEqual(70);
  }
});

test('asked again for what is served, it completes and reads no object', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  const before = on.objectReads();
  const handle = await on.world.start({ model: 'half', version: '1', ...on.from('half/1/') });
  expect((await on.world.end(handle)).verdict.outcome).toBe('alreadyServed');
  expect(on.objectReads()).toBe(before);
  await keepHistories(on.world, 'already-served', handle.workflowId);
});

test('a server that restarts serves what was promoted, from its boot file', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await on.world.restartServer('a');
  await until(async () => (await on.valueOf('a', 2).catch(() => undefined))?.version === '1');
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  mustBeServed(await on.world.end(await on.world.start({ model: 'half', version: '2', ...on.from('half/2/'), ...probe(3), strategy: { maxUnavailable: 3 } })));
});
