// Traps of the disk and of memory (TF Serving reference §11.19 to .23, .29; §15 E8): the naive client is hurt, the agent is not.

import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelName } from '../../src/domain/names';
import { until } from '../setup/until';
import { upload, type World } from '../agent/world';
import { HALF_PLUS_THREE, type Fixture } from '../tf-serving/fixture';
import { agentHost, agentHostServing1, asker, call, closeAll, failure, naiveHost, outcome, POLL_SECONDS, polls, specific, stateOf, traffic, v, walk } from './stage';

afterEach(closeAll);

async function naive(list: Readonly<Record<string, string>> = { half: specific(1) }, options: Parameters<Fixture['start']>[0] = {}): Promise<Fixture> {
  const at = naiveHost();
  for (const model of Object.keys(list)) at.stage(model, '1');
  await at.start({ modelConfig: at.list(list), fileSystemPollWaitSeconds: POLL_SECONDS, ...options });
  return at;
}

describe('19: AVAILABLE does not mean that it works', () => {
  test('naive: without variables.index it is AVAILABLE, and every prediction of the new version fails', async () => {
    const at = await naive();
    rmSync(join(at.stage('half', '2', HALF_PLUS_THREE), 'variables', 'variables.index'));
    await at.reload(at.list({ half: specific(1, 2) }));
    await until(() => stateOf(at, 2) === 'AVAILABLE');
    expect(await failure(at.predict('half', [2]))).toContain('FAILED_PRECONDITION');
  });

  test('agent: it is refused before any list changes', async () => {
    const world = await agentHostServing1();
    await upload(world.s3, '4', 'three', (path) => path.endsWith('variables.index'));
    expect(await outcome(walk(world, await world.attempt('4', [2, 1])))).toMatchObject({ code: 'InvalidSavedModel' });
    expect([world.listed(), await asker(world).ask()]).toEqual([{ half: ['1'] }, '1 [3]']);
  });

  test('agent: what the checks cannot see, the probe does: it is not promoted, and 1 serves on', async () => {
    const world = await agentHostServing1();
    world.simulator?.faults.error({ what: 'predict', version: 2n, code: 'FAILED_PRECONDITION' });
    expect(await outcome(walk(world, await world.attempt('2', [2, 1]), {}, { probe: { inputs: { x: [2] }, tolerance: 0 } as never }))).toMatchObject({ code: 'ProbeMismatch' });
    expect(world.bootFile()).not.toMatch(/versions: 2/);
  });
});

/** Looks all the time; gives back every moment at which a listed version had no directory. */
function watchDisk(world: World): () => readonly string[] {
  const missing: string[] = [];
  const timer = setInterval(() => {
    for (const version of world.listed()['half'] ?? []) if (version !== '0' && !world.dir('models/half').includes(version)) missing.push(version);
  }, 2);
  return () => { clearInterval(timer); return missing; };
}

describe('20, 22, E8: a directory that goes too early takes its version with it', () => {
  test('naive: rm -r of the version that is served: NOT_FOUND within a poll', async () => {
    const at = await naive();
    rmSync(join(at.root, 'half', '1'), { recursive: true });
    await until(() => stateOf(at, 1) === 'END');
    expect(await failure(at.predict('half', [2]))).toContain('NOT_FOUND');
  });

  test('naive: a base path cleaned for a moment unloads everything', async () => {
    const at = await naive({ half: '' });
    rmSync(join(at.root, 'half', '1'), { recursive: true });
    await polls(2);
    at.stage('half', '1');
    expect(await failure(at.predict('half', [2]))).toContain('NOT_FOUND');
  });

  test('agent: through 1 → 2 → 3 a listed version always has its directory, and no client misses an answer', async () => {
    const world = await agentHostServing1();
    const missing = watchDisk(world);
    const load = traffic(world);
    await walk(world, await world.attempt('2', [2, 1]));
    await walk(world, await world.attempt('3', [3, 1]));
    expect(await load.stop()).toEqual(['1 [3]', '2 [4]', '3 [3]']);
    expect(missing()).toEqual([]);
    expect(world.dir('models/half')).toEqual(['3']);
  });
});

describe('21: one bad base path freezes discovery for all', () => {
  test('naive: a model that is still listed loses its directory, and the other gets no new version', async () => {
    const at = await naive({ half: specific(1), gone: specific(1) });
    rmSync(join(at.root, 'gone'), { recursive: true });
    at.stage('half', '2', HALF_PLUS_THREE);
    await at.reload(at.list({ half: specific(1, 2), gone: specific(1) }));
    await polls(6);
    expect(stateOf(at, 2)).toBe('');
  });

  test('agent: a model that serves nothing any more keeps its base path, and the others go on', async () => {
    const world = await agentHostServing1();
    const gone = 'gone' as ModelName;
    const attempt = await world.attempt('1', [1, 1], { model: gone });
    await world.bringUp(attempt);
    const { version: _none, ...nothing } = { ...attempt, token: [2, 1] as const };
    await walk(world, nothing);
    expect([world.listed(), world.dir('models').includes('gone')]).toEqual([{ gone: [], half: ['1'] }, true]);
    expect(await walk(world, await world.attempt('2', [2, 1]))).toMatchObject({ promoted: '2' });
  });
});

describe('23: a directory is read as soon as it has a number', () => {
  test('naive: a slow copy into place is loaded half, fails, and is never tried again', async () => {
    const at = await naive({ half: '' });
    const whole = at.stage('elsewhere', '2', HALF_PLUS_THREE);
    mkdirSync(join(at.root, 'half', '2', 'variables'), { recursive: true });
    cpSync(join(whole, 'saved_model.pb'), join(at.root, 'half', '2', 'saved_model.pb'));
    cpSync(join(whole, 'variables', 'variables.index'), join(at.root, 'half', '2', 'variables', 'variables.index'));
    await until(() => stateOf(at, 2) === 'END');
    cpSync(whole, join(at.root, 'half', '2'), { recursive: true });
    await polls(4);
    expect(stateOf(at, 2)).toBe('END');
  });

  test('agent: while bytes arrive no number is visible; when one is, all of it is there', async () => {
    const world = await agentHostServing1();
    world.s3.fault({ key: '*2/variables/variables.data*', fault: { kind: 'trickle', bytesPerSecond: 20 } });
    const attempt = await world.attempt('2', [2, 1]);
    await world.the.beginAttempt(attempt, call());
    const download = outcome(world.the.downloadVersion(attempt, call()));
    await until(() => world.dir('staging/half').length > 0);
    expect(world.dir('models/half')).toEqual(['1']);
    expect(world.dir('staging/half').every((name) => !/^\d+$/.test(name))).toBe(true);
    await download;
    await world.the.verifyVersion(attempt, call());
    expect(world.dir('models/half')).toEqual(['1']);
    await world.the.stageVersion(attempt, call());
    expect(readFileSync(join(world.root, 'models/half/2/variables/variables.data-00000-of-00001')).length).toBeGreaterThan(0);
  });
});

describe('29: both versions are in memory at once', () => {
  const inMemory = ['LOADING', 'AVAILABLE', 'UNLOADING'];
  const held = (world: { simulator?: World['simulator'] }): number => [1, 2].filter((version) => inMemory.includes(stateOf(world, version))).length;

  test('naive: [1] → [2] holds both, on a server that has no limit of its own', async () => {
    const at = await naive();
    at.stage('half', '2', HALF_PLUS_THREE);
    at.simulator.faults.delay({ what: 'load', version: 2n, ms: 200 });
    await at.reload(at.list({ half: specific(2) }));
    await until(() => held(at) === 2);
  });

  test('agent: where there is room for one only (mode resource), never two', async () => {
    const world = await agentHost();
    await world.bringUp(await world.attempt('1', [1, 1]));
    let most = 0;
    world.simulator?.core.bus.subscribe(() => { most = Math.max(most, held(world)); });
    expect(await walk(world, await world.attempt('2', [2, 1], { retain: [v('1')] }), { mode: 'resource' })).toMatchObject({ promoted: '2' });
    expect(most).toBe(1);
  });
});
