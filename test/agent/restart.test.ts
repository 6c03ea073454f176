// The model server, the agent, or both come back: what is served, what is remembered, what is never tried again.

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerName } from '../../src/domain/names';
import { call, until, v, World } from './world';

let world: World;
afterEach(() => world.stop());

const outcome = (work: Promise<unknown>): Promise<unknown> => work.then((value) => value, (error: unknown) => error);

test('a server that comes back serves what was promoted, and the agent gives it its list again by itself', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const attempt = await world.attempt('2', [2, 1], { retain: [v('1')] });
  await world.bringUp(attempt); // Both loaded: the bake.
  const before = world.the.incarnation;
  await world.simulator?.stop();
  await until(async () => await world.statusOf('1') === 'away', 'the server is away');
  await world.startServer();
  await until(() => world.the.incarnation !== before, 'the agent sees a new incarnation');
  await until(() => JSON.stringify(world.listed()) === '{"half":["2"]}', 'only what was promoted is listed');
  const view = await world.the.beginAttempt({ ...attempt, token: [2, 2] }, call());
  expect(view).toMatchObject({ aspired: ['2'], promoted: '2', states: { 2: 'AVAILABLE' }, incarnation: world.the.incarnation });
  expect(view.states).not.toHaveProperty('1');
});

test('a candidate that was loading when the server died is never listed again by its token; a new attempt may', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  world.simulator?.faults.delay({ what: 'load', version: 2n, ms: 60_000 });
  const attempt = await world.attempt('2', [2, 1], { retain: [v('1')] });
  await world.stage(attempt);
  await world.the.reloadConfig(attempt, call());
  const awaited = outcome(world.the.awaitAvailable({ attempt, version: v('2'), loadDeadlineSeconds: 60 }, call()));
  await until(async () => await world.statusOf('2') === 'LOADING', 'version 2 is loading');
  await world.simulator?.stop();
  await world.startServer();
  expect(await awaited).toMatchObject({ code: 'LoadFailed', message: expect.stringContaining('restarted while it was loading version 2') as string });
  expect(world.listed()).toEqual({ half: ['1'] });
  await expect(world.the.reloadConfig(attempt, call())).rejects.toMatchObject({ code: 'LoadFailed' });
  expect(world.listed()).toEqual({ half: ['1'] });
  const again = { ...attempt, token: [2, 2] as const };
  expect(await world.bringUp(again)).toMatchObject({ promoted: '2' });
});

test('a first version that dies with its server leaves nothing listed, and registers anew', async () => {
  world = await World.start({ 1: 'two' });
  world.simulator?.faults.delay({ what: 'load', version: 1n, ms: 60_000 });
  const attempt = await world.attempt('1', [1, 1]);
  await world.stage(attempt);
  await world.the.reloadConfig(attempt, call());
  const awaited = outcome(world.the.awaitAvailable({ attempt, version: v('1'), loadDeadlineSeconds: 60 }, call()));
  await world.simulator?.stop();
  await world.startServer();
  expect(await awaited).toMatchObject({ code: 'LoadFailed' });
  expect(world.listed()).toEqual({});
  expect(await world.bringUp({ ...attempt, token: [1, 2] })).toMatchObject({ promoted: '1' });
});

test('a server that stays away: a reload says so, and is found applied or not when it is back, never half', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const attempt = await world.attempt('2', [2, 1]);
  await world.stage(attempt);
  await world.simulator?.stop();
  const cancel = new AbortController();
  const reload = outcome(world.the.reloadConfig(attempt, call(cancel.signal)));
  await until(async () => await world.statusOf('1') === 'away', 'the server is away');
  await world.startServer();
  expect(await reload).toMatchObject({ aspired: ['1', '2'] }); // It waited for the server, for less than its deadline.
  expect(await world.the.awaitAvailable({ attempt, version: v('2'), loadDeadlineSeconds: 20 }, call())).toMatchObject({ promoted: '2' });
});

test('an agent that comes back to the same server knows it for the same, keeps list, token and bake, and goes on', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const attempt = await world.attempt('2', [2, 1], { retain: [v('1')] });
  const before = await world.bringUp(attempt);
  await world.the.close();
  await world.startAgent();
  const after = await world.the.beginAttempt(attempt, call());
  const { probed: _probed, ...view } = before as typeof before & { probed?: unknown };
  expect(after).toEqual(view);
  expect(world.listed()).toEqual({ half: ['1', '2'] });
  expect(await world.the.unloadVersion({ attempt, version: v('1'), unloadDeadlineSeconds: 20 }, call())).toMatchObject({ aspired: ['2'] });
});

test('an agent that comes back while a candidate is loading awaits it as if nothing had been', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  world.simulator?.faults.delay({ what: 'load', version: 2n, ms: 800 });
  const attempt = await world.attempt('2', [2, 1]);
  await world.stage(attempt);
  await world.the.reloadConfig(attempt, call());
  await until(async () => ['START', 'LOADING'].includes(await world.statusOf('2')), 'version 2 has a history');
  await world.the.close();
  await world.startAgent();
  expect(await world.the.awaitAvailable({ attempt, version: v('2'), loadDeadlineSeconds: 20 }, call())).toMatchObject({ promoted: '2' });
});

test('an abort holds across a restart of the agent', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  await world.stage(attempt);
  await world.the.abortAttempt(attempt, call());
  await world.the.close();
  await world.startAgent();
  await expect(world.the.beginAttempt(attempt, call())).rejects.toMatchObject({ code: 'StaleAttempt' });
  await expect(world.the.reloadConfig(attempt, call())).rejects.toMatchObject({ code: 'StaleAttempt' });
});

test('bytes another process fetched are hashed before they are believed: what a power cut lost is fetched again, the rest is not', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  const { partial } = await world.the.downloadVersion(attempt, call());
  expect(partial?.phase).toBe('fetched');
  await world.the.close();
  const [directory = ''] = world.dir('staging/half');
  await writeFile(join(world.root, 'staging/half', directory, 'variables/variables.data-00000-of-00001'), Buffer.alloc(20)); // The right size, the wrong bytes.
  await world.startAgent();
  const before = world.s3.log().length;
  const view = await world.the.beginAttempt(attempt, call());
  expect(view.partial?.phase).toBe('fetching');
  await world.the.downloadVersion(attempt, call());
  expect(world.s3.log().slice(before).filter((line) => line.operation === 'GetObject').map((line) => line.key)).toEqual(['half/1/variables/variables.data-00000-of-00001']);
  await world.the.verifyVersion(attempt, call());
  expect((await world.the.stageVersion(attempt, call())).staged).toHaveProperty('1');
});

test('what no attempt owns is swept when the agent starts', async () => {
  world = await World.start({ 1: 'two' });
  await world.the.close();
  await mkdir(join(world.root, 'staging/half/7-abcdef'), { recursive: true });
  await mkdir(join(world.root, 'staging/other/trash-1-00'), { recursive: true });
  await world.startAgent();
  expect(world.dir('staging/half')).toEqual([]);
  expect(world.dir('staging/other')).toEqual([]);
});

test('without a journal, and a boot file with models, the list is unknown: nothing is reloaded and the file stays', async () => {
  world = await World.start({ 1: 'two' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const boot = world.bootFile();
  await world.the.close();
  await rm(join(world.root, 'journal.json'));
  await world.startAgent();
  const attempt = await world.attempt('1', [2, 1]);
  await expect(world.the.beginAttempt(attempt, call())).rejects.toMatchObject({ code: 'ReloadRejected', message: expect.stringContaining('no journal') as string });
  expect(world.listed()).toEqual({ half: ['1'] });
  expect(world.bootFile()).toBe(boot);
  expect(existsSync(join(world.root, 'models/half/1/saved_model.pb'))).toBe(true);
});

test('a name the server knows from somebody else is not taken over', async () => {
  world = await World.start({ 1: 'two' });
  await world.simulator?.stop();
  await world.startServer({ modelConfig: `model_config_list { config { name: "half" base_path: "${join(__dirname, '../data/savedmodels/saved_model_half_plus_three')}" model_platform: "tensorflow" } }` });
  const attempt = await world.attempt('1', [1, 1]);
  await expect(world.the.beginAttempt(attempt, call())).rejects.toMatchObject({ code: 'ReloadRejected', message: expect.stringContaining('knows already') as string });
  expect(world.listed()).toEqual({ half: ['?'] });
});

test('a second agent on the same root is refused, and the first goes on', async () => {
  world = await World.start({ 1: 'two' });
  const first = world.the;
  await expect(world.startAgent()).rejects.toMatchObject({ code: 'StoreBusy' });
  world.agent = first;
  expect(await world.bringUp(await world.attempt('1', [1, 1]))).toMatchObject({ promoted: '1' });
});

test('a root belongs to one agent: under another name it does not start, and nothing is changed', async () => {
  world = await World.start({ 1: 'two' });
  await world.the.close();
  const journal = readFileSync(join(world.root, 'journal.json'), 'utf8');
  await expect(world.startAgent({ server: 'edge-z' as ServerName })).rejects.toMatchObject({ code: 'InvalidInput', message: expect.stringMatching(/is the disk of demo\/edge-a, and this agent is to be demo\/edge-z/) as string });
  expect(readFileSync(join(world.root, 'journal.json'), 'utf8')).toBe(journal);
  await world.startAgent();
});
