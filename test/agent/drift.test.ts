// Everything that changes behind the agent's back is seen within two looks, named, and put right: by the agent from its journal, or, where bytes are missing, by the next attempt.

import { mkdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockStore } from '../../src/agent/lock';
import type { Drift } from '../../src/domain/host';
import { ServingClient } from '../../src/serving/client';
import { until } from '../setup/until';
import { walk } from '../traps/stage';
import { removeScratch } from './scratch';
import { call, MODEL, v, World } from './world';

let world: World;
let log: string[] = [];
beforeEach(async () => {
  log = [];
  world = await World.start(undefined, { log: (line) => { log.push(line); } });
  await world.bringUp(await world.attempt('1', [1, 1]));
  await until(() => world.the.facts().models?.[MODEL]?.version === '1');
});
afterEach(async () => {
  await world.stop();
  await removeScratch();
});

const drift = (): Drift | undefined => world.the.facts().models?.[MODEL]?.drift;
const named = (what: Drift['what']): Promise<Drift> => until(() => (drift()?.what === what ? drift() : undefined));
const serves = (version: string): Promise<boolean> => until(async () => await world.statusOf(version) === 'AVAILABLE');
/** As somebody would by hand, beside the agent. */
async function reloadByHand(versions: readonly string[]): Promise<void> {
  const client = new ServingClient(`unix:${world.socket}`);
  try {
    const answer = await client.reload([{ name: MODEL, basePath: join(world.root, 'models', MODEL), platform: 'tensorflow', versions, labels: {} }]);
    expect(answer).toBe('OK');
  } finally {
    client.close();
  }
}

test('a server that is well has no drift, and its facts say what it serves and which content', () => {
  expect(world.the.facts()).toEqual({ models: { [MODEL]: { version: '1', digest: expect.stringMatching(/^sha256:/) as string } } });
});

test('a list given by hand is named, and taken back', async () => {
  await world.stage(await world.attempt('2', [2, 1]));
  await reloadByHand(['2']);
  expect(await named('foreignList')).toMatchObject({ repair: 'agent', detail: expect.stringContaining('somebody else gave the server a list') as string });
  await serves('1');
  await until(async () => await world.statusOf('2') === 'END');
  expect(log.filter((line) => line.startsWith('drifted'))).toHaveLength(1);
});

test('a version directory that is gone is named for the fleet; an attempt brings its bytes back, and the server serves it again', async () => {
  rmSync(join(world.root, 'models', MODEL, '1'), { recursive: true });
  expect(await named('filesGone')).toMatchObject({ repair: 'fleet', detail: expect.stringContaining(`models/${MODEL}/1 is not there`) as string });
  await until(async () => await world.statusOf('1') === 'END');
  expect(await walk(world, await world.attempt('1', [2, 1]))).toMatchObject({ promoted: '1', aspired: ['1'], states: { 1: 'AVAILABLE' } });
  await until(() => drift() === undefined);
});

test('files gone while the server still answers from memory: the bytes come back first, and nothing is unloaded', async () => {
  const attempt = await world.attempt('1', [2, 1]);
  rmSync(join(world.root, 'models', MODEL, '1'), { recursive: true });
  expect(await walk(world, attempt)).toMatchObject({ promoted: '1', states: { 1: 'AVAILABLE' } });
  expect(world.dir(`models/${MODEL}`)).toEqual(['1']);
});

test('the boot file edited by hand is written again before a restart can serve what it said', async () => {
  writeFileSync(join(world.root, 'boot.config'), 'model_config_list { config { name: "evil" base_path: "/tmp/evil" } }\n');
  expect(await named('bootFileEdited')).toMatchObject({ repair: 'agent', detail: expect.stringContaining('edited or removed it by hand') as string });
  expect(world.bootFile()).not.toContain('evil');
  unlinkSync(join(world.root, 'boot.config'));
  await until(() => { try { return world.bootFile().includes(MODEL); } catch { return false; } });
});

test('a disk wiped under a running agent: its own files come back from memory, the versions are named for the fleet', async () => {
  const before = readFileSync(join(world.root, 'journal.json'), 'utf8');
  rmSync(world.root, { recursive: true });
  await named('filesGone');
  await until(() => { try { return readFileSync(join(world.root, 'journal.json'), 'utf8') === before && world.bootFile().includes(MODEL); } catch { return false; } });
  expect(log.filter((line) => /drifted: .*(journalGone|bootFileEdited)/.test(line))).toHaveLength(2);
  await expect(lockStore(world.root)).rejects.toMatchObject({ code: 'StoreBusy' });
  expect(await walk(world, await world.attempt('1', [2, 1]))).toMatchObject({ promoted: '1', states: { 1: 'AVAILABLE' } });
});

test('a root that another agent made its own while this one was not looking: nothing is written there, and nothing begins any more', async () => {
  const other = `${world.root}-of-another`;
  mkdirSync(other);
  const lock = await lockStore(other);
  rmSync(world.root, { recursive: true });
  renameSync(other, world.root);
  try {
    await until(() => log.some((line) => line.includes('held by another agent')));
    await expect(world.the.beginAttempt(await world.attempt('1', [2, 1]), call())).rejects.toMatchObject({ code: 'StoreBusy' });
    expect(world.dir('')).not.toContain('journal.json');
  } finally {
    await lock.release();
  }
});

test('a restart is named until what was promoted is served again, and remembered for whoever asks why', async () => {
  await world.simulator?.stop();
  await world.startServer();
  await serves('1');
  await until(() => log.some((line) => line.includes('list is certain')));
  expect(world.the.facts().models?.[MODEL]).toMatchObject({ version: '1' });
});

test('a candidate that nobody goes on with is named for the fleet, until a greater attempt has taken it off the list', async () => {
  const stray = await world.attempt('2', [2, 1], { retain: [v('1')] });
  await world.stage(stray);
  await world.the.reloadConfig(stray, call());
  expect(await named('strayCandidate')).toMatchObject({ repair: 'fleet', detail: expect.stringContaining('half/2 of attempt 2.1 is listed') as string });
  await world.the.beginAttempt(await world.attempt('1', [3, 1]), call());
  await until(() => drift() === undefined);
  expect(world.listed()).toEqual({ [MODEL]: ['1'] });
});

test('an attempt at work is no drift, whatever states it goes through', async () => {
  expect(await walk(world, await world.attempt('2', [2, 1]))).toMatchObject({ promoted: '2', aspired: ['2'] });
  await until(() => world.the.facts().models?.[MODEL]?.version === '2');
  const looks = log.length;
  await until(async () => (await world.statusOf('1')) === 'END');
  expect(log.slice(0, looks).filter((line) => line.startsWith('drifted'))).toEqual([]);
  expect(v('2')).toBe('2');
});
