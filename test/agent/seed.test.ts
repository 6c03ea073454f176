// An agent that lost its journal unloads nothing: it asks its fleet, looks at its disk and its server, and until it knows what the server lists it reloads nothing.

import { mkdirSync, readFileSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelName } from '../../src/domain/names';
import { until } from '../setup/until';
import { walk } from '../traps/stage';
import { removeScratch } from './scratch';
import { call, MODEL, v, World } from './world';

let world: World;
beforeEach(async () => { world = await World.start(); });
afterEach(async () => {
  await world.stop();
  await removeScratch();
});

/** The agent stops, its files go, and another one starts on the same root: the server has gone on. */
async function lost(...files: readonly string[]): Promise<void> {
  await world.the.close();
  for (const file of files) unlinkSync(join(world.root, file));
  await world.startAgent({ seeding: 'fleet' });
}
const other = 'other' as ModelName;
/** The same bytes under another name. */
async function serveOther(token: readonly [number, number]): Promise<void> {
  await walk(world, { ...await world.attempt('2', token), model: other });
}
const journalOf = (): { models: Record<string, { token: number[] } | undefined> } => JSON.parse(readFileSync(join(world.root, 'journal.json'), 'utf8')) as never;
const failureOf = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'it worked', (error: unknown) => error);

test('a first start with a fleet that has nothing stable: there is nothing to know', async () => {
  await lost('journal.json');
  expect(world.the.facts().seeded).toBe(false);
  expect(await world.the.seed({})).toBeUndefined();
  await serveOther([1, 1]);
  expect(world.listed()).toEqual({ other: ['2'] });
});

test('journal and boot file gone, the server still serving: another model is rolled out and the first stays', async () => {
  const view = await world.bringUp(await world.attempt('1', [1, 1]));
  await lost('journal.json', 'boot.config');
  expect(await world.the.seed({ [MODEL]: { version: v('1'), digest: view.staged[v('1')]!.digest } })).toBeUndefined();
  expect(world.the.facts().seeded).toBeUndefined();
  await serveOther([2, 1]);
  expect(world.listed()).toEqual({ half: ['1'], other: ['2'] });
  expect(await world.statusOf('1')).toBe('AVAILABLE');
  expect(world.bootFile()).toMatch(/half[^]*other/);
});

test('what a rollout would go back to is known although its first attempt came before the fleet had answered', async () => {
  const view = await world.bringUp(await world.attempt('1', [1, 1]));
  await lost('journal.json', 'boot.config');
  const beginning = world.the.beginAttempt(await world.attempt('2', [2, 1]), call());
  await until(() => journalOf().models['half']?.token[0] === 2);
  expect(journalOf().models['half']).not.toHaveProperty('before');
  expect(await world.the.seed({ [MODEL]: { version: v('1'), digest: view.staged[v('1')]!.digest } })).toBeUndefined();
  expect(await beginning).toMatchObject({ before: { epoch: 2, version: '1' } });
});

test('the fleet lost its memory too: the names on the disk are asked for, and nothing is unloaded', async () => {
  await world.bringUp(await world.attempt('1', [1, 1]));
  await lost('journal.json', 'boot.config');
  expect(await world.the.seed({})).toBeUndefined();
  await serveOther([2, 1]);
  expect(world.listed()).toEqual({ half: ['1'], other: ['2'] });
});

test('until somebody says what is stable, every reload is refused, with what to do', async () => {
  await world.bringUp(await world.attempt('1', [1, 1]));
  await lost('journal.json');
  const attempt = { ...await world.attempt('2', [2, 1]), model: other };
  expect(await failureOf(world.the.beginAttempt(attempt, call()))).toMatchObject({ code: 'ReloadRejected', message: expect.stringMatching(/no journal and does not know what the server lists.*segue adopt/) as string });
  expect(world.listed()).toEqual({ half: ['1'] });
}, 30_000);

test('a boot file with a model nobody knows of is not overwritten, and it is said how to adopt it', async () => {
  await world.bringUp(await world.attempt('1', [1, 1]));
  await lost('journal.json');
  expect(await world.the.seed({})).toMatch(/the boot file names half, of which neither a journal nor the fleet knows anything; adopt it: segue adopt/);
  expect(world.bootFile()).toContain('half');
  expect(await world.the.seed({ [MODEL]: { version: v('1') } })).toBeUndefined();
});

test('a server that reads another place than ours is not taken over', async () => {
  await world.bringUp(await world.attempt('1', [1, 1]));
  await world.the.close();
  renameSync(join(world.root, 'models/half'), join(world.root, 'models/half-elsewhere')); // The server goes on serving from memory.
  mkdirSync(join(world.root, 'models/half/7'), { recursive: true });
  unlinkSync(join(world.root, 'journal.json'));
  unlinkSync(join(world.root, 'boot.config'));
  await world.startAgent({ seeding: 'fleet' });
  expect(await world.the.seed({})).toMatch(/half\/1 AVAILABLE, and .*is not there: it reads another place/);
  expect(world.the.facts().seeded).toBe(false);
});

test('the whole disk gone and the agent restarted: what is stable stays served from memory, and an attempt brings its bytes back', async () => {
  await world.bringUp(await world.attempt('1', [1, 1]));
  await world.the.close();
  rmSync(world.root, { recursive: true });
  await world.startAgent({ seeding: 'fleet' });
  expect(await world.the.seed({ [MODEL]: { version: v('1') } })).toBeUndefined();
  await until(() => world.the.facts().models?.[MODEL]?.drift?.what === 'filesGone');
  expect(await world.statusOf('1')).toBe('AVAILABLE');
  expect(await walk(world, await world.attempt('1', [2, 1]))).toMatchObject({ promoted: '1', states: { 1: 'AVAILABLE' } });
  expect(world.dir('models/half')).toEqual(['1']);
});
