// Stopping a stale load: what is left of it is read from outside, not from the agent's answer.

import { existsSync, readFileSync } from 'node:fs';
import promises from 'node:fs/promises';
import { join } from 'node:path';
import type { Attempt } from '../../src/domain/host';
import type { ModelName } from '../../src/domain/names';
import { call, MODEL, until, upload, v, World } from './world';

let world: World;
afterEach(() => world.stop());

const outcome = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'ended well', (error: unknown) => error);

test('a load from an endpoint that stalls is stopped and gone before the load from the good endpoint begins', async () => {
  world = await World.start({ 1: 'two' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const stale = await world.anotherS3({ 2: 'three' });
  stale.fault({ key: '*variables.data*', fault: { kind: 'stall', afterBytes: 5 } });
  const good = await world.anotherS3({ 2: 'three' });

  const first = await world.attempt('2', [2, 1], { retain: [v('1')] }, stale);
  await world.the.beginAttempt(first, call());
  const download = outcome(world.the.downloadVersion(first, call()));
  await until(() => stale.log().some((line) => line.fault !== undefined), 'the endpoint stalls');
  await until(() => world.openBelowStaging() > 0, 'a file is open');

  const { proof, view } = await world.the.abortAttempt(first, call());
  expect(await download).toMatchObject({ code: 'StaleAttempt' });
  expect(proof).toMatchObject({ token: [2, 1], sockets: 0, writers: 0, aspired: false, readFrom: 'kernel' });
  expect(proof.stoppedMs).toBeLessThan(250);
  expect(view).toMatchObject({ aspired: ['1'], promoted: '1' });
  expect((await world.the.abortAttempt(first, call())).proof).toEqual(proof); // Of the same stop, read once.
  expect(world.openBelowStaging()).toBe(0);
  expect(world.listed()).toEqual({ half: ['1'] });
  await until(async () => await stale.connections() === 0, 'the endpoint sees no connection');

  const second = await world.attempt('2', [2, 2], { retain: [v('1')] }, good);
  const served = await world.bringUp(second, { probe: { inputs: { x: [2] }, expect: { y: [4] }, tolerance: 1e-6 } });
  expect(served).toMatchObject({ promoted: '2', probed: 'predict' });
  const closed = Math.max(...stale.log().map((line) => line.closedAtMs ?? Infinity));
  const begun = Math.min(...good.log().filter((line) => line.operation === 'GetObject').map((line) => line.atMs));
  expect(closed).toBeLessThanOrEqual(begun);
  expect(world.dir('staging/half')).toEqual([]);
});

test('whole files stay for a later attempt of the same listing, half-written ones do not; nothing is fetched twice', async () => {
  world = await World.start({ 1: 'two' });
  world.s3.fault({ key: '*saved_model.pb', fault: { kind: 'stall', afterBytes: 5000 } });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  const download = outcome(world.the.downloadVersion(attempt, call()));
  await until(async () => world.dir('staging/half').some((name) => name.endsWith('.json')) && world.s3.log().filter((line) => line.operation === 'GetObject' && line.endedAtMs !== undefined).length >= 3, 'three files are whole');
  await until(() => existsSync(join(world.root, 'staging/half', world.dir('staging/half')[0] ?? '', 'saved_model.pb')), 'the stalled one is begun');
  const { proof } = await world.the.abortAttempt(attempt, call());
  await download;
  expect(proof).toMatchObject({ sockets: 0, writers: 0, partial: 'kept' });
  const [directory = ''] = world.dir('staging/half');
  expect(world.dir(`staging/half/${directory}`)).not.toContain('saved_model.pb');
  expect(world.dir(`staging/half/${directory}/variables`)).toEqual(['variables.data-00000-of-00001', 'variables.index']);

  world.s3.clearFaults();
  const before = world.s3.log().length;
  const again = { ...attempt, token: [1, 2] as const };
  const view = await world.the.beginAttempt(again, call());
  expect(view.partial?.bytes).toBeGreaterThan(0);
  await world.the.downloadVersion(again, call());
  expect(world.s3.log().slice(before).filter((line) => line.operation === 'GetObject').map((line) => line.key)).toEqual(['half/1/saved_model.pb']);

  const { version: _version, source: _source, pin: _pin, ...other } = { ...attempt, token: [1, 3] as const };
  expect((await world.the.beginAttempt(other, call())).partial).toBeUndefined(); // Of no use to an attempt at something else.
  expect(world.dir('staging/half')).toEqual([]);
});

test('what is aborted stays aborted: late work of the same token is refused, and the answer to a second abort is the same', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  await world.stage(attempt);
  const { proof } = await world.the.abortAttempt(attempt, call());
  for (const late of [() => world.the.beginAttempt(attempt, call()), () => world.the.downloadVersion(attempt, call()), () => world.the.stageVersion(attempt, call()), () => world.the.reloadConfig(attempt, call())]) {
    await expect(late()).rejects.toMatchObject({ code: 'StaleAttempt' });
  }
  const again = await world.the.abortAttempt(attempt, call());
  // Asked again, it tells of the same stop.
  expect(again.proof).toEqual({ ...proof, atMs: again.proof.atMs });
  expect(world.listed()).toEqual({});
});

test('two who ask for one stop are given one answer, also where the first of them goes away in the middle', async () => {
  world = await World.start();
  await world.bringUp(await world.attempt('1', [1, 1]));
  world.simulator?.faults.delay({ what: 'load', model: MODEL, version: 2n, ms: 60_000 });
  const attempt = await world.attempt('2', [2, 1]);
  await world.stage(attempt);
  await world.the.reloadConfig(attempt, call());
  const [one, other] = await Promise.all([world.the.abortAttempt(attempt, call()), world.the.abortAttempt(attempt, call())]);
  expect(other).toEqual(one);
  expect(one.proof).toMatchObject({ token: [2, 1], aspired: false });

  world.s3.fault({ key: '*saved_model.pb', fault: { kind: 'stall', afterBytes: 5 } });
  const next = await world.attempt('3', [2, 2]);
  await world.the.beginAttempt(next, call());
  const download = outcome(world.the.downloadVersion(next, call()));
  await until(() => world.openBelowStaging() > 0, 'a file is open');
  const leaves = new AbortController();
  const first = outcome(world.the.abortAttempt(next, call(leaves.signal)));
  const second = world.the.abortAttempt(next, call());
  leaves.abort(new Error('it went away'));
  expect(await first).toMatchObject({ message: 'it went away' });
  expect((await second).proof).toMatchObject({ token: [2, 2], sockets: 0, writers: 0, aspired: false });
  expect(world.openBelowStaging()).toBe(0);
  await download;
});

test('an abort that arrives before its begin closes the token it names', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.abortAttempt(attempt, call());
  await expect(world.the.beginAttempt(attempt, call())).rejects.toMatchObject({ code: 'StaleAttempt' });
  await expect(world.the.downloadVersion(attempt, call())).rejects.toMatchObject({ code: 'StaleAttempt' });
});

test('a greater token stops the lower one, takes its place, and a late abort of the lower changes nothing', async () => {
  world = await World.start({ 1: 'two' });
  const stale = await world.anotherS3({ 2: 'three' });
  stale.fault({ key: '*', fault: { kind: 'stall', afterBytes: 1 } });
  const lower = await world.attempt('2', [1, 1], {}, stale);
  await world.the.beginAttempt(lower, call());
  const download = outcome(world.the.downloadVersion(lower, call()));
  await until(() => stale.log().some((line) => line.fault !== undefined), 'the endpoint stalls');
  await upload(world.s3, '2', 'three');
  const greater = await world.attempt('2', [2, 1]);
  await world.the.beginAttempt(greater, call());
  expect(await download).toMatchObject({ code: 'StaleAttempt' });
  expect(world.openBelowStaging()).toBe(0);
  await until(async () => await stale.connections() === 0, 'the endpoint sees no connection');
  expect(world.dir('staging/half')).toEqual([]);
  const { proof } = await world.the.abortAttempt(lower, call());
  expect(proof).toMatchObject({ token: [1, 1], sockets: 0, aspired: false });
  expect(await world.bringUp(greater)).toMatchObject({ promoted: '2', token: [2, 1] });
});

test('the next attempt of a rollout overtakes the one before: it begins when nothing of that is left, and is told what was served before both', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const first = await world.attempt('2', [2, 1], { retain: [v('1')] });
  expect(await world.bringUp(first)).toMatchObject({ promoted: '2', aspired: ['1', '2'], before: { epoch: 2, version: '1' } });
  await world.the.drainVersion({ attempt: first, version: v('1'), drainSeconds: 0 }, call());
  await world.the.unloadVersion({ attempt: first, version: v('1'), unloadDeadlineSeconds: 10 }, call());
  // It does not know yet what the first one saw, so it asks for nothing to be retained.
  const second = { ...first, token: [2, 2] as const, retain: [] };
  expect(await world.the.beginAttempt(second, call())).toMatchObject({ promoted: '2', before: { epoch: 2, version: '1' } });
  expect(world.dir('models/half')).toEqual(['1', '2']);
  expect((await world.the.abortAttempt(first, call())).proof).toMatchObject({ token: [2, 1], sockets: 0, writers: 0, aspired: false });
  const newer = await world.attempt('2', [3, 1]);
  expect(await world.the.beginAttempt(newer, call())).toMatchObject({ before: { epoch: 3, version: '2' } });
});

test('the first call of an attempt that overtakes may be its download: what it overtakes is stopped before, and what is served by then is left as it is', async () => {
  world = await World.start({ 1: 'two' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const stale = await world.anotherS3({ 2: 'three' });
  stale.fault({ key: '*variables.data*', fault: { kind: 'stall', afterBytes: 5 } });
  const good = await world.anotherS3({ 2: 'three' });
  const first = await world.attempt('2', [2, 1], {}, stale);
  await world.the.beginAttempt(first, call());
  const download = outcome(world.the.downloadVersion(first, call()));
  await until(() => world.openBelowStaging() > 0, 'a file is open');

  const second = await world.attempt('2', [2, 2], { begins: true }, good);
  expect(await world.the.downloadVersion(second, call())).toMatchObject({ token: [2, 2], before: { epoch: 2, version: '1' }, partial: { version: '2', phase: 'fetched' } });
  expect(await download).toMatchObject({ code: 'StaleAttempt' });
  expect((await world.the.abortAttempt(first, call())).proof).toMatchObject({ token: [2, 1], sockets: 0, writers: 0 });
  await expect(world.the.downloadVersion({ ...first, begins: true }, call())).rejects.toMatchObject({ code: 'StaleAttempt' });
  expect(await world.bringUp(second)).toMatchObject({ promoted: '2' });

  await upload(good, '2', 'two');
  const third = await world.attempt('2', [2, 3], { begins: true }, good);
  const before = good.log().length;
  const view = await world.the.downloadVersion(third, call());
  expect(view).toMatchObject({ token: [2, 3], promoted: '2', states: { 2: 'AVAILABLE' } });
  expect(view).not.toHaveProperty('partial');
  expect(good.log()).toHaveLength(before);
});

test('the first call of an attempt that nobody has told a listing fetches by its own, which is made once, and keeps what is there of it; told another one, it fetches that', async () => {
  world = await World.start({ 1: 'two' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const good = await world.anotherS3({ 2: 'three' });
  const { pin: _pin, ...listed } = await world.attempt('2', [2, 1], { begins: true }, good);
  const source = { ...listed.source!, region: 'eu-west-1' }; // Not the one that was just listed.
  const unpinned = { ...listed, source };
  const before = good.log().length;
  const lists = (): number => good.log().slice(before).filter(({ operation }) => operation === 'ListObjectsV2').length;
  good.fault({ on: 'ListObjectsV2', times: 1, fault: { kind: 'slowHeaders', ms: 300 } });
  const [{ pin }, view] = await Promise.all([world.the.resolveSource({ ...unpinned, version: v('2'), source }, call()), world.the.downloadVersion(unpinned, call())]);
  expect(view.partial).toMatchObject({ version: '2', pin, phase: 'fetched' });
  expect(lists()).toBe(1);
  const gets = (): number => good.log().slice(before).filter(({ operation }) => operation === 'GetObject').length;
  const fetched = gets();
  expect((await world.the.downloadVersion({ ...unpinned, token: [2, 2] }, call())).partial).toMatchObject({ pin, phase: 'fetched' });
  expect([gets(), lists()]).toEqual([fetched, 2]);
  await upload(good, '2', 'two');
  const { pin: other } = await world.the.resolveSource({ ...unpinned, version: v('2'), source }, call());
  const { begins: _begins, ...told } = unpinned;
  expect((await world.the.downloadVersion({ ...told, token: [2, 2], pin: other }, call())).partial).toMatchObject({ pin: other, phase: 'fetched' });
});

test('whole bytes of the source that was given up are not taken for those of the next one; what a host lists by itself and cannot fetch is no failure of the source', async () => {
  world = await World.start({ 1: 'two' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const first = await world.attempt('2', [2, 1], {}, await world.anotherS3({ 2: 'three' }));
  await world.the.beginAttempt(first, call());
  expect((await world.the.downloadVersion(first, call())).partial).toMatchObject({ pin: first.pin, phase: 'fetched' });
  const good = await world.anotherS3({ 2: 'three' });
  const { pin, ...unpinned } = await world.attempt('2', [2, 2], { begins: true }, good);
  expect(pin).not.toBe(first.pin);
  expect((await world.the.downloadVersion(unpinned, call())).partial).toMatchObject({ pin, phase: 'fetched' });

  const empty = await world.anotherS3();
  const nothing = { ...unpinned, token: [2, 3] as const, source: { ...unpinned.source!, endpoint: empty.url } };
  const view = await world.the.downloadVersion(nothing, call());
  expect(view).toMatchObject({ token: [2, 3], aspired: ['1'] });
  const { begins: _begins, ...told } = nothing;
  await expect(world.the.downloadVersion({ ...told, pin: first.pin! }, call())).rejects.toMatchObject({ code: 'SourceMissing' });
});

test('an abort that is asked for again, after a greater token has begun, is answered with the proof that was read the first time', async () => {
  world = await World.start({ 1: 'two' });
  world.s3.fault({ times: 1, fault: { kind: 'stall', afterBytes: 5 } });
  const lower = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(lower, call());
  const download = outcome(world.the.downloadVersion(lower, call()));
  await until(() => world.openBelowStaging() > 0, 'a file is open');
  const { proof } = await world.the.abortAttempt(lower, call());
  expect(proof).toMatchObject({ token: [1, 1], readFrom: 'kernel' });
  await world.the.downloadVersion({ ...lower, token: [1, 2], begins: true }, call());
  expect((await world.the.abortAttempt(lower, call())).proof).toEqual(proof);
  await download;
});

test('a reload that waits for a new name to be known, and is aborted, does not list afterwards, not even in the journal', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  await world.stage(attempt);
  const written: string[] = [];
  const rename = promises.rename;
  promises.rename = (from, to) => {
    if (String(to).endsWith('journal.json')) written.push(readFileSync(String(from), 'utf8'));
    return rename(from, to);
  };
  try {
    const reloading = outcome(world.the.reloadConfig(attempt, call()));
    await until(() => world.listed()['half'] !== undefined, 'the server has the name by its sentinel');
    expect((await world.the.abortAttempt(attempt, call())).proof).toMatchObject({ aspired: false });
    expect(await reloading).toMatchObject({ code: 'StaleAttempt' });
    await until(() => readFileSync(join(world.root, 'journal.json'), 'utf8').includes('"registered": "yes"'), 'the name is known');
    // Takes its turn after whatever was left behind.
    expect(await world.bringUp({ ...attempt, token: [2, 1] })).toMatchObject({ promoted: '1' });
    expect(written.filter((one) => /"candidate": \{[^}]*"token": \[\s*1,/.test(one))).toEqual([]);
    expect(written.some((one) => /"candidate": \{[^}]*"token": \[\s*2,/.test(one))).toBe(true);
  } finally {
    promises.rename = rename;
  }
});

describe('an abort that is overtaken after the load has stopped, and before it has looked at what is left, gives what was read then', () => {
  test.each([
    ['by the next attempt, which begins', (greater: Attempt) => world.the.downloadVersion({ ...greater, begins: true }, call())],
    ['by a newer rollout, which fences', (greater: Attempt) => world.the.abortAttempt({ ...greater, token: [2, 0] }, call())],
  ] as const)('%s', async (_by, overtake) => {
    world = await World.start({ 1: 'two' });
    const stale = await world.anotherS3({ 1: 'two' });
    stale.fault({ fault: { kind: 'stall', afterBytes: 5 } });
    const lower = await world.attempt('1', [1, 1], {}, stale);
    await world.the.beginAttempt(lower, call());
    const download = outcome(world.the.downloadVersion(lower, call()));
    await until(() => world.openBelowStaging() > 0, 'a file is open');
    const rename = promises.rename;
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => { release = resolve; });
    promises.rename = async (from, to) => {
      if (String(to).endsWith('journal.json')) await held;
      return rename(from, to);
    };
    try {
      const abort = world.the.abortAttempt(lower, call());
      expect(await download).toMatchObject({ code: 'StaleAttempt' });
      const { pin: _pin, ...greater } = { ...lower, token: [1, 2] as const, source: { ...lower.source!, endpoint: world.s3.url } };
      const overtaking = overtake(greater);
      release();
      expect((await abort).proof).toMatchObject({ token: [1, 1], sockets: 0, writers: 0, aspired: false, readFrom: 'kernel' });
      await overtaking;
    } finally {
      promises.rename = rename;
    }
  });
});

test('an abort of a token that is just being overtaken is answered when its effect has ended, with what was left then', async () => {
  world = await World.start({ 1: 'two' });
  world.s3.fault({ fault: { kind: 'stall', afterBytes: 5 } });
  const lower = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(lower, call());
  const download = outcome(world.the.downloadVersion(lower, call()));
  await until(() => world.openBelowStaging() > 0, 'a file is open');
  const fence = world.the.abortAttempt({ ...lower, token: [2, 0] }, call());
  await until(() => /"token": \[\s*2,/.test(readFileSync(join(world.root, 'journal.json'), 'utf8')), 'the greater token is journalled');
  const { proof } = await world.the.abortAttempt(lower, call());
  expect(proof).toMatchObject({ token: [1, 1], sockets: 0, writers: 0, aspired: false, readFrom: 'kernel' });
  expect(world.openBelowStaging()).toBe(0);
  await Promise.all([download, fence]);
});

test('a retry of a call that is still running takes over from it', async () => {
  world = await World.start({ 1: 'two' });
  world.s3.fault({ key: '*saved_model.pb', times: 1, fault: { kind: 'stall', afterBytes: 1 } });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  const lost = outcome(world.the.downloadVersion(attempt, call()));
  await until(() => world.s3.log().some((line) => line.fault !== undefined), 'the first call hangs');
  expect((await world.the.downloadVersion(attempt, call())).partial?.phase).toBe('fetched');
  expect(await lost).toMatchObject({ code: 'StaleAttempt' });
});

test('Temporal\'s own cancellation stops a download within a tenth of a second, with its reason', async () => {
  world = await World.start({ 1: 'two' });
  world.s3.fault({ key: '*', fault: { kind: 'stall', afterBytes: 1 } });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  const cancel = new AbortController();
  const download = outcome(world.the.downloadVersion(attempt, call(cancel.signal)));
  await until(() => world.openBelowStaging() > 0, 'files are open');
  const at = performance.now();
  const reason = new Error('cancelled by the server');
  cancel.abort(reason);
  expect(await download).toBe(reason);
  expect(performance.now() - at).toBeLessThan(100);
  expect(world.openBelowStaging()).toBe(0);
});

test('a candidate that is loading leaves the list cleanly: the version before serves every prediction, the load ends, the next candidate waits for that', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  world.simulator?.faults.delay({ what: 'load', model: MODEL, version: 2n, ms: 3000 });
  const attempt = await world.attempt('2', [2, 1], { retain: [v('1')] });
  await world.stage(attempt);
  await world.the.reloadConfig(attempt, call());
  const available = outcome(world.the.awaitAvailable({ attempt, version: v('2'), loadDeadlineSeconds: 20 }, call()));

  const stop = await world.keepPredicting('1');
  await until(async () => (await world.statusOf('2')) === 'LOADING', 'version 2 is loading');

  const { proof, view } = await world.the.abortAttempt(attempt, call());
  expect(await available).toMatchObject({ code: 'StaleAttempt' });
  expect(proof).toMatchObject({ aspired: false });
  expect(world.listed()).toEqual({ half: ['1'] });
  expect(view).toMatchObject({ aspired: ['1'], states: { 2: 'LOADING' }, waits: { 2: { on: 'the load to end' } } });

  const next = { ...attempt, token: [2, 2] as const };
  expect(await world.the.beginAttempt(next, call())).toMatchObject({ staged: { 2: expect.anything() as unknown } });
  await expect(world.the.reloadConfig(next, call())).rejects.toMatchObject({ code: 'StoreBusy', detail: { found: 'LOADING' } });
  const ended = await world.the.unloadVersion({ attempt: next, version: v('2'), unloadDeadlineSeconds: 10 }, call());
  expect(ended.states).toMatchObject({ 1: 'AVAILABLE', 2: 'END' });
  const { sent, versions, wrong } = await stop();
  expect({ versions, wrong }).toEqual({ versions: ['1'], wrong: [] });
  expect(sent).toBeGreaterThan(50);
  world.simulator?.faults.clear();
  await world.the.reloadConfig(next, call());
  expect(await world.the.awaitAvailable({ attempt: next, version: v('2'), loadDeadlineSeconds: 20 }, call())).toMatchObject({ promoted: '2' });
});

test('a candidate whose load never began leaves a START for ever, which counts as ended soon after it left the list', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  await world.simulator?.stop();
  await world.startServer({ numLoadThreads: 1 });
  world.simulator?.faults.delay({ what: 'load', model: 'busy', version: 1n, ms: 60_000 });
  const busy = { ...(await world.attempt('1', [1, 1])), model: 'busy' as ModelName };
  await world.stage(busy);
  await world.the.reloadConfig(busy, call());
  await until(() => world.the.beginAttempt(busy, call()).then((view) => view.states[v('1')] === 'LOADING'), 'the only load thread is busy');
  const attempt = await world.attempt('2', [2, 1]);
  await world.stage(attempt);
  await world.the.reloadConfig(attempt, call());
  await until(() => world.the.beginAttempt(attempt, call()).then((view) => view.states[v('2')] === 'START'), 'version 2 waits for a load thread');
  const { view } = await world.the.abortAttempt(attempt, call());
  expect(view.states).toMatchObject({ 2: 'START' });
  const next = { ...attempt, token: [2, 2] as const };
  await world.the.beginAttempt(next, call());
  expect((await world.the.unloadVersion({ attempt: next, version: v('2'), unloadDeadlineSeconds: 10 }, call())).states).toMatchObject({ 2: 'END' });
});

test('begin of a greater token takes a lower one\'s candidate off the list', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  world.simulator?.faults.delay({ what: 'load', version: 2n, ms: 60_000 });
  const lower = await world.attempt('2', [2, 1]);
  await world.stage(lower);
  await world.the.reloadConfig(lower, call());
  expect(world.listed()).toEqual({ half: ['1', '2'] });
  const view = await until(async () => {
    const seen = await world.the.beginAttempt(lower, call());
    return seen.states[v('2')] === 'LOADING' && world.the.beginAttempt({ ...lower, token: [3, 1], version: v('1') }, call());
  }, 'version 2 is loading');
  expect(world.listed()).toEqual({ half: ['1'] });
  expect(view).toMatchObject({ aspired: ['1'], states: { 2: 'LOADING' } });
  expect(world.dir('models/half')).toEqual(['1', '2']); // The server may still read it.
});

test('a server that is away does not keep an abort from its proof, where nothing of the attempt was ever listed', async () => {
  world = await World.start({ 1: 'two' });
  world.s3.fault({ key: '*', fault: { kind: 'stall', afterBytes: 1 } });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  const download = outcome(world.the.downloadVersion(attempt, call()));
  await until(() => world.openBelowStaging() > 0, 'files are open');
  await world.simulator?.stop();
  const { proof, view } = await world.the.abortAttempt(attempt, call());
  expect(await download).toMatchObject({ code: 'StaleAttempt' });
  expect(proof).toMatchObject({ sockets: 0, writers: 0, aspired: false });
  expect(proof.stoppedMs).toBeLessThan(250);
  expect(view.states).toEqual({});
});

/** Version 1 is served, version 2 was listed beside it, and then the server went away. */
async function candidateOnServerThatIsAway(): Promise<Attempt> {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  world.simulator?.faults.delay({ what: 'load', version: 2n, ms: 60_000 });
  const attempt = await world.attempt('2', [2, 1]);
  await world.stage(attempt);
  await world.the.reloadConfig(attempt, call());
  await world.simulator?.stop();
  return attempt;
}

test('a candidate on a server that is away is journalled as gone at once, and proved gone when the server is back', async () => {
  const attempt = await candidateOnServerThatIsAway();
  await expect(world.the.abortAttempt(attempt, call())).rejects.toMatchObject({ code: 'ServerUnreachable' });
  // Whoever names no version asks for no proof of one, and his answer is nobody else's.
  const { version: _version, ...nameless } = attempt;
  const early = world.the.abortAttempt(nameless, call());
  await expect(world.the.abortAttempt(attempt, call())).rejects.toMatchObject({ code: 'ServerUnreachable' });
  await early.catch(() => undefined);
  await world.startServer();
  const { proof, view } = await until(async () => world.the.abortAttempt(attempt, call()).catch(() => undefined), 'the proof is given');
  expect(proof).toMatchObject({ aspired: false });
  expect(view).toMatchObject({ aspired: ['1'], promoted: '1' });
  expect(world.listed()).toEqual({ half: ['1'] });
});

test('a greater token takes the lower one\'s candidate off the journalled list at once, also while the server is away', async () => {
  const attempt = await candidateOnServerThatIsAway();
  const beginning = outcome(world.the.beginAttempt({ ...attempt, token: [2, 2] }, call()));
  // Its list may still name the candidate: that is no proof.
  const proof = outcome(world.the.abortAttempt(attempt, call()));
  await until(() => !readFileSync(join(world.root, 'journal.json'), 'utf8').includes('"candidate"'), 'nothing wants the candidate any more', 5_000);
  expect(await beginning).toMatchObject({ code: 'ServerUnreachable' });
  expect(await proof).toMatchObject({ code: 'ServerUnreachable' });
  await world.startServer();
  expect((await until(async () => world.the.abortAttempt(attempt, call()).catch(() => undefined), 'the proof is given')).proof).toMatchObject({ token: [2, 1], aspired: false });
  expect(world.listed()).toEqual({ half: ['1'] });
  expect(await until(async () => world.the.beginAttempt({ ...attempt, token: [2, 2] }, call()).catch(() => undefined), 'it begins')).toMatchObject({ aspired: ['1'], promoted: '1' });
});
