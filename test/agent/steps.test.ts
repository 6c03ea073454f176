// The seven steps on one host, on real parts: from nothing to v1, from v1 to v2, and back.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelName } from '../../src/domain/names';
import type { Probe } from '../../src/domain/request';
import { call, MODEL, until, v, World } from './world';

let world: World;
afterEach(() => world.stop());

const probeFor = (b: number): Probe => ({ inputs: { x: [1, 2, 5] }, expect: { y: [0.5 + b, 1 + b, 2.5 + b] }, tolerance: 1e-6 });

test('from nothing to version 1: bytes, checks, one rename, the sentinel, AVAILABLE, probed, promoted', async () => {
  world = await World.start();
  const attempt = await world.attempt('1', [1, 1]);
  expect(await world.the.beginAttempt(attempt, call())).toMatchObject({ token: [1, 1], staged: {}, aspired: [], states: {} });

  const fetched = await world.the.downloadVersion(attempt, call());
  expect(fetched.partial).toMatchObject({ version: '1', phase: 'fetched', pin: attempt.pin, bytes: fetched.partial?.of });
  expect(world.dir('models/half')).toEqual([]);

  const verified = await world.the.verifyVersion(attempt, call());
  expect(verified.partial).toMatchObject({ phase: 'verified', digest: expect.stringMatching(/^sha256:/) as string });

  const staged = await world.the.stageVersion(attempt, call());
  expect(staged.staged).toEqual({ 1: { digest: verified.partial?.digest, pin: attempt.pin, heldAgainst: { etag: ['assets/foo.txt', 'saved_model.pb', 'variables/variables.data-00000-of-00001', 'variables/variables.index'] } } });
  expect(staged.partial).toBeUndefined();
  expect(world.dir('models/half')).toEqual(['1']);
  expect(world.dir('staging/half')).toEqual([]);
  expect(world.listed()).toEqual({});

  const reloaded = await world.the.reloadConfig(attempt, call());
  expect(reloaded.aspired).toEqual(['1']);
  expect(world.listed()).toEqual({ half: ['1'] });
  expect(world.bootFile()).toBe('model_config_list: {}\n'); // Not promoted yet: a restart must not load it.

  const available = await world.the.awaitAvailable({ attempt, version: v('1'), probe: probeFor(2), loadDeadlineSeconds: 20 }, call());
  expect(available).toMatchObject({ probed: 'predict', promoted: '1', states: { 1: 'AVAILABLE' } });
  expect(world.bootFile()).toContain('versions: 1');
});

test('from version 1 to version 2: beside each other, drained, unloaded, and what nobody needs is removed', async () => {
  world = await World.start();
  await world.bringUp(await world.attempt('1', [1, 1]));
  const attempt = await world.attempt('2', [2, 1]);
  const both = await world.bringUp(attempt, { probe: probeFor(3) });
  expect(both).toMatchObject({ aspired: ['1', '2'], promoted: '2', states: { 1: 'AVAILABLE', 2: 'AVAILABLE' } });

  const drained = await world.the.drainVersion({ attempt, version: v('1'), drainSeconds: 0.2 }, call());
  expect(drained).toMatchObject({ aspired: ['1', '2'], drained: ['1'] });

  const alone = await world.the.unloadVersion({ attempt, version: v('1'), unloadDeadlineSeconds: 20 }, call());
  expect(alone).toMatchObject({ aspired: ['2'], drained: [], states: { 2: 'AVAILABLE' } });
  expect(Object.keys(alone.staged)).toEqual(['2']);
  expect(world.dir('models/half')).toEqual(['2']);
  expect(world.listed()).toEqual({ half: ['2'] });
});

test('what a rollback needs stays on the disk, and going back costs one reload and no bytes', async () => {
  world = await World.start();
  await world.bringUp(await world.attempt('1', [1, 1]));
  const forward = await world.attempt('2', [2, 1], { retain: [v('1')] });
  await world.bringUp(forward);
  await world.the.unloadVersion({ attempt: forward, version: v('1'), unloadDeadlineSeconds: 20 }, call());
  expect(world.dir('models/half')).toEqual(['1', '2']);

  const requests = world.s3.log().length;
  const { source: _source, pin: _pin, ...back } = { ...forward, token: [2, 2] as const, version: v('1'), retain: [v('2')] };
  const begun = await world.the.beginAttempt(back, call());
  expect(begun.staged).toHaveProperty('1');
  await world.the.reloadConfig(back, call());
  const served = await world.the.awaitAvailable({ attempt: back, version: v('1'), loadDeadlineSeconds: 20 }, call());
  expect(served).toMatchObject({ promoted: '1', aspired: ['1', '2'] });
  const alone = await world.the.unloadVersion({ attempt: back, version: v('2'), unloadDeadlineSeconds: 20 }, call());
  expect(alone).toMatchObject({ aspired: ['1'], states: { 1: 'AVAILABLE' } });
  expect(world.s3.log().length).toBe(requests);
});

test('nothing served any more: the boot file forgets it first, the name stays registered', async () => {
  world = await World.start();
  const first = await world.attempt('1', [1, 1]);
  await world.bringUp(first);
  const { version: _version, source: _source, pin: _pin, ...nothing } = { ...first, token: [1, 2] as const };
  await world.the.beginAttempt(nothing, call());
  await world.the.drainVersion({ attempt: nothing, version: v('1'), drainSeconds: 0 }, call());
  const gone = await world.the.unloadVersion({ attempt: nothing, version: v('1'), unloadDeadlineSeconds: 20 }, call());
  expect(gone).toMatchObject({ aspired: [], staged: {} });
  expect(gone.promoted).toBeUndefined();
  expect(world.bootFile()).toBe('model_config_list: {}\n');
  expect(world.listed()).toEqual({ half: [] });
  expect(world.the.servingVersion(MODEL)).toBeUndefined();
});

test('every step twice is once', async () => {
  world = await World.start();
  const attempt = await world.attempt('1', [1, 1]);
  const twice = async <T>(step: () => Promise<T>): Promise<void> => {
    const first = await step();
    expect(await step()).toEqual(first);
  };
  await twice(() => world.the.beginAttempt(attempt, call()));
  await twice(() => world.the.downloadVersion(attempt, call()));
  const requests = world.s3.log().length;
  await twice(() => world.the.verifyVersion(attempt, call()));
  await twice(() => world.the.stageVersion(attempt, call()));
  await world.the.downloadVersion(attempt, call());
  expect(world.s3.log().length).toBe(requests); // Whole already: not even listed again.
  await world.the.reloadConfig(attempt, call());
  await world.the.reloadConfig(attempt, call());
  await twice(() => world.the.awaitAvailable({ attempt, version: v('1'), loadDeadlineSeconds: 20 }, call()));
  const next = await world.attempt('2', [2, 1]);
  await world.bringUp(next);
  await twice(() => world.the.drainVersion({ attempt: next, version: v('1'), drainSeconds: 0 }, call()));
  await twice(() => world.the.unloadVersion({ attempt: next, version: v('1'), unloadDeadlineSeconds: 20 }, call()));
});

test('where there is room for one version only: out with the one, in with the other; a restart in between brings back what was promoted', async () => {
  world = await World.start();
  await world.bringUp(await world.attempt('1', [1, 1]));
  const attempt = await world.attempt('2', [2, 1]);
  await world.stage(attempt);
  const empty = await world.the.unloadVersion({ attempt, version: v('1'), unloadDeadlineSeconds: 20 }, call());
  expect(empty).toMatchObject({ aspired: [], promoted: '1' });
  expect(world.listed()).toEqual({ half: [] });
  expect(world.bootFile()).toContain('versions: 1');
  expect(world.dir('models/half')).toEqual(['1', '2']); // What the boot file names stays on the disk, although nobody asked to retain it.
  await world.the.reloadConfig(attempt, call());
  expect(world.listed()).toEqual({ half: ['2'] });
  expect(await world.the.awaitAvailable({ attempt, version: v('2'), loadDeadlineSeconds: 20 }, call())).toMatchObject({ aspired: ['2'], promoted: '2' });
});

test('models do not disturb each other: two come up at once, both are in list and boot file', async () => {
  world = await World.start();
  const one = await world.attempt('1', [1, 1]);
  const other = { ...(await world.attempt('2', [1, 1])), model: 'other' as ModelName };
  await Promise.all([world.bringUp(one), world.bringUp(other)]);
  expect(world.listed()).toEqual({ half: ['1'], other: ['2'] });
  expect(world.bootFile()).toMatch(/name: "half"[^]*versions: 1[^]*name: "other"[^]*versions: 2/);
});

test('labels leave a version before it leaves the list, and go to what was promoted', async () => {
  world = await World.start();
  await world.bringUp(await world.attempt('1', [1, 1]));
  await world.the.close();
  const path = join(world.root, 'journal.json');
  await writeFile(path, (await readFile(path, 'utf8')).replace('"labels": {}', '"labels": {"stable": "1"}'));
  await world.startAgent();
  const attempt = await world.attempt('2', [2, 1]);
  await world.bringUp(attempt);
  const labels = (): unknown => {
    const config = world.simulator?.config().config;
    return config?.case === 'modelConfigList' ? config.value.config[0]?.versionLabels : undefined;
  };
  expect(labels()).toEqual({ stable: 1n });
  expect(await world.the.drainVersion({ attempt, version: v('1'), drainSeconds: 0 }, call())).toMatchObject({ labels: { stable: '2' }, aspired: ['1', '2'] });
  expect(labels()).toEqual({ stable: 2n });
});

test('the drain time is counted from its journalled start: an agent that comes back waits only for the rest', async () => {
  world = await World.start();
  await world.bringUp(await world.attempt('1', [1, 1]));
  const attempt = await world.attempt('2', [2, 1]);
  await world.bringUp(attempt);
  const began = performance.now();
  const cancel = new AbortController();
  let leftSec = Infinity;
  const first = world.the.drainVersion({ attempt, version: v('1'), drainSeconds: 3 }, call(cancel.signal, (details) => { leftSec = Number(details['leftSec']); })).catch((error: unknown) => error);
  await until(() => leftSec <= 1, 'two of the three seconds are over');
  cancel.abort(new Error('the worker goes'));
  await first;
  await world.the.close();
  await world.startAgent();
  expect((await world.the.beginAttempt(attempt, call())).drained).toEqual([]);
  const again = performance.now();
  expect(await world.the.drainVersion({ attempt, version: v('1'), drainSeconds: 3 }, call())).toMatchObject({ drained: ['1'], aspired: ['1', '2'] });
  expect(performance.now() - began).toBeGreaterThan(2990);
  expect(performance.now() - again).toBeLessThan(2500);
});
