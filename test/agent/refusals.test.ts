// What the agent refuses, with which row of the failure table, and that the world is as before.

import { createHash } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest, ModelName, Version } from '../../src/domain/names';
import { ServingClient } from '../../src/serving/client';
import { call, MODEL, until, upload, v, World } from './world';

let world: World;
afterEach(() => world.stop());

const refusal = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'no failure', (error: unknown) => error);

test('an endpoint that is not allowed is refused before a socket exists, for looking and for fetching', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.close();
  await world.startAgent({ allowEndpoints: ['https://only.example'] });
  const seen = world.s3.log().length;
  await world.the.beginAttempt(attempt, call());
  await expect(world.attempt('1', [1, 1])).rejects.toMatchObject({ code: 'EndpointNotAllowed' });
  await expect(world.the.downloadVersion(attempt, call())).rejects.toMatchObject({ code: 'EndpointNotAllowed', detail: { want: ['https://only.example'], found: world.s3.url } });
  expect(world.s3.log().length).toBe(seen);
  expect(await world.s3.connections()).toBe(0);
});

test('a name that would be a path is refused, whatever parsed it before', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  for (const model of ['../x', '.sentinel', 'a/b', '', 'x'.repeat(256)]) await expect(world.the.beginAttempt({ ...attempt, model: model as ModelName }, call())).rejects.toMatchObject({ code: 'InvalidInput' });
  for (const version of ['0', '007', '../1', '9223372036854775808']) await expect(world.the.beginAttempt({ ...attempt, version: version as Version }, call())).rejects.toMatchObject({ code: 'InvalidInput' });
  await expect(world.the.abortAttempt({ ...attempt, model: '../x' as ModelName }, call())).rejects.toMatchObject({ code: 'InvalidInput' });
});

test('other content under a number that was served here is refused before anything is fetched', async () => {
  world = await World.start({ 1: 'two' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const reads = world.s3.log().length;
  const other = { ...(await world.attempt('1', [2, 1])), digest: `sha256:${'0'.repeat(64)}` as Digest };
  await expect(world.the.beginAttempt(other, call())).rejects.toMatchObject({ code: 'VersionReused', detail: { version: '1', want: other.digest } });
  expect(world.s3.log().slice(reads).filter((line) => line.operation === 'GetObject')).toEqual([]);
  expect(world.listed()).toEqual({ half: ['1'] });
});

test('what this agent listed for the rollout is not listed again for its download, and an object replaced since is not taken for it', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  const listings = (): number => world.s3.log().filter(({ operation }) => operation === 'ListObjectsV2').length;
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  await world.the.downloadVersion(attempt, call());
  expect(listings()).toBe(1);
  const next = await world.attempt('2', [2, 1]);
  await world.s3.put('models', 'half/2/assets/foo.txt', 'changed');
  await world.the.beginAttempt(next, call());
  await expect(world.the.downloadVersion(next, call())).rejects.toMatchObject({ code: 'SourceChanged', detail: { key: 'half/2/assets/foo.txt' } });
});

test('a source that changed since the rollout looked', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.close();
  await world.startAgent();
  await world.s3.put('models', 'half/1/assets/foo.txt', 'changed');
  await world.the.beginAttempt(attempt, call());
  await expect(world.the.downloadVersion(attempt, call())).rejects.toMatchObject({ code: 'SourceChanged', detail: { want: attempt.pin } });
  expect(world.dir('staging/half')).toEqual([]);
});

test('other bytes than the digest that is required; they do not stay', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1], { digest: `sha256:${'0'.repeat(64)}` as Digest });
  await world.the.beginAttempt(attempt, call());
  await world.the.downloadVersion(attempt, call());
  await expect(world.the.verifyVersion(attempt, call())).rejects.toMatchObject({ code: 'IntegrityMismatch', detail: { want: attempt.digest } });
  expect(world.dir('staging/half')).toEqual([]);
});

test('a disk that gives back other bytes than arrived', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  await world.the.downloadVersion(attempt, call());
  const [directory = ''] = world.dir('staging/half');
  await writeFile(join(world.root, 'staging/half', directory, 'assets/foo.txt'), 'x'.repeat(19));
  await expect(world.the.verifyVersion(attempt, call())).rejects.toMatchObject({ code: 'IntegrityMismatch', detail: { file: 'assets/foo.txt' } });
});

test('a file that nobody fetched', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  await world.the.downloadVersion(attempt, call());
  const [directory = ''] = world.dir('staging/half');
  await writeFile(join(world.root, 'staging/half', directory, 'extra'), 'x');
  await expect(world.the.verifyVersion(attempt, call())).rejects.toMatchObject({ code: 'IntegrityMismatch', detail: { file: 'extra' } });
});

test('whole files that are no model the server can serve: said before any list changed', async () => {
  world = await World.start({});
  await upload(world.s3, '4', 'two', (path) => path.endsWith('variables.index'));
  const attempt = await world.attempt('4', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  await world.the.downloadVersion(attempt, call());
  const failure = await refusal(world.the.verifyVersion(attempt, call()));
  expect(failure).toMatchObject({ code: 'InvalidSavedModel', message: expect.stringContaining('variables/variables.index') as string });
  expect(world.listed()).toEqual({});
  expect(world.dir('models')).toEqual(['.sentinel']);
  expect(world.dir('staging/half')).toEqual([]);
});

test('a number that was served keeps its content for ever, even after its directory is gone', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const second = await world.attempt('2', [2, 1]);
  await world.bringUp(second);
  await world.the.unloadVersion({ attempt: second, version: v('1'), unloadDeadlineSeconds: 20 }, call());
  expect(world.dir('models/half')).toEqual(['2']);
  await upload(world.s3, '1', 'three'); // Other content under the old number.
  await expect(world.stage(await world.attempt('1', [3, 1]))).rejects.toMatchObject({ code: 'VersionReused' });
  await upload(world.s3, '2', 'two');
  await expect(world.stage(await world.attempt('2', [4, 1]))).rejects.toMatchObject({ code: 'VersionReused' });
  expect(world.dir('models/half')).toEqual(['2']);
  expect(world.listed()).toEqual({ half: ['2'] });
});

test('a listed number keeps its content even while nothing serves it', async () => {
  world = await World.start({ 1: 'two' });
  world.simulator?.faults.error({ what: 'load', version: 1n, code: 'DATA_LOSS' });
  const attempt = await world.attempt('1', [1, 1]);
  await expect(world.bringUp(attempt)).rejects.toMatchObject({ code: 'LoadFailed' });
  const elsewhere = await world.anotherS3({ 1: 'three' });
  const { pin, source } = await world.attempt('1', [1, 1], {}, elsewhere);
  await expect(world.stage({ ...attempt, ...(pin === undefined ? {} : { pin }), ...(source === undefined ? {} : { source }) })).rejects.toMatchObject({ code: 'VersionReused', message: expect.stringContaining('which is listed') as string });
});

test('what was put into staging after it was verified is not staged', async () => {
  world = await World.start({ 1: 'two' });
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  await world.the.downloadVersion(attempt, call());
  await world.the.verifyVersion(attempt, call());
  const [directory = ''] = world.dir('staging/half');
  await symlink('/etc/hostname', join(world.root, 'staging/half', directory, 'assets/link'));
  await expect(world.the.stageVersion(attempt, call())).rejects.toMatchObject({ code: 'IntegrityMismatch' });
  expect(world.dir('models/half')).toEqual([]);
  expect(world.dir('staging/half')).toEqual([]);
});

test('a number that nobody served may mean other content, and the same content is adopted without a second copy', async () => {
  world = await World.start({ 1: 'two' });
  const first = await world.stage(await world.attempt('1', [1, 1]));
  const elsewhere = await world.anotherS3({ 1: 'two' });
  const adopted = await world.stage(await world.attempt('1', [1, 2], {}, elsewhere));
  expect(adopted.staged['1' as Version]?.digest).toBe(first.staged['1' as Version]?.digest);
  await upload(world.s3, '1', 'three');
  const replaced = await world.stage(await world.attempt('1', [1, 3]));
  expect(replaced.staged['1' as Version]?.digest).not.toBe(first.staged['1' as Version]?.digest);
  expect(world.dir('staging/half')).toEqual([]);
});

test('a directory of unknown origin under the number is adopted only when it is byte for byte the version', async () => {
  world = await World.start({ 1: 'two' });
  await mkdir(join(world.root, 'models/half/1'), { recursive: true });
  await writeFile(join(world.root, 'models/half/1/saved_model.pb'), 'not ours');
  const view = await world.stage(await world.attempt('1', [1, 1]));
  expect(view.staged).toHaveProperty('1');
  expect(world.dir('models/half/1')).toEqual(['assets', 'saved_model.pb', 'variables']);
});

test('a load that fails is told in the server\'s own words; the version before serves on', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  world.simulator?.faults.error({ what: 'load', version: 2n, code: 'DATA_LOSS', message: 'TensorBundle at P shard 0: Checksum does not match' });
  const attempt = await world.attempt('2', [2, 1]);
  await expect(world.bringUp(attempt)).rejects.toMatchObject({ code: 'LoadFailed', message: expect.stringContaining('DATA_LOSS: TensorBundle at P shard 0: Checksum does not match') as string });
  const { view } = await world.the.abortAttempt(attempt, call());
  expect(view).toMatchObject({ aspired: ['1'], promoted: '1', states: { 1: 'AVAILABLE', 2: 'END' } });
  expect(world.bootFile()).not.toContain('versions: 2');
});

test('a version that is not AVAILABLE in time', async () => {
  world = await World.start({ 1: 'two' });
  world.simulator?.faults.delay({ what: 'load', version: 1n, ms: 60_000 });
  const attempt = await world.attempt('1', [1, 1]);
  await expect(world.bringUp(attempt, { loadDeadlineSeconds: 0.5 })).rejects.toMatchObject({ code: 'ProgressDeadlineExceeded', detail: { found: 'LOADING' } });
  expect(world.bootFile()).toBe('model_config_list: {}\n');
});

describe('a probe', () => {
  const rows: [reason: string, probe: object, found: string][] = [
    ['with another value', { inputs: { x: [2] }, expect: { y: [4] }, tolerance: 1e-6 }, 'y[0] = 3'],
    ['of a signature that is not there', { signature: 'other', inputs: {}, tolerance: 0 }, 'serving_default'],
    ['of an output that is not there', { inputs: { x: [2] }, expect: { z: [4] }, tolerance: 0 }, 'no output z'],
    ['with inputs the model does not take', { inputs: { wrong: [2] }, tolerance: 0 }, 'INVALID_ARGUMENT'],
    ['with ragged inputs', { inputs: { x: [[1], 2] }, tolerance: 0 }, 'ragged'],
  ];
  test.each(rows)('%s: wanted and found are said, nothing is promoted', async (_reason, probe, found) => {
    world = await World.start({ 1: 'two' });
    const attempt = await world.attempt('1', [1, 1]);
    const failure = await refusal(world.bringUp(attempt, { probe: probe as never }));
    expect(failure).toMatchObject({ code: 'ProbeMismatch', message: expect.stringContaining(found) as string });
    expect(world.the.servingVersion(MODEL)).toBeUndefined();
    expect(world.bootFile()).toBe('model_config_list: {}\n');
  });
});

test('a version held by requests in flight is named as such; its directory stays until it has ended', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  const attempt = await world.attempt('2', [2, 1]);
  await world.bringUp(attempt);
  world.simulator?.faults.delay({ what: 'predict', version: 1n, ms: 2500 });
  const client = new ServingClient(`unix:${world.socket}`);
  const def = (await client.metadata(MODEL, v('1')))['serving_default'];
  if (def === undefined) throw new Error('no signature');
  const held = client.predict(MODEL, v('1'), { name: 'serving_default', def }, { x: [2] });
  const waits: unknown[] = [];
  await until(() => (world.simulator?.core.manager.basic.handlesHeld ?? 0) > 0, 'a handle is held');
  await expect(world.the.unloadVersion({ attempt, version: v('1'), unloadDeadlineSeconds: 1 }, call(undefined, (details) => waits.push(details['waiting'])))).rejects.toMatchObject({ code: 'DrainTimeout', detail: { on: 'handles', found: 'UNLOADING' } });
  expect(waits).toContain('handles');
  expect(world.dir('models/half')).toEqual(['1', '2']);
  await expect(held).resolves.toMatchObject({ version: '1' });
  expect(await world.the.unloadVersion({ attempt, version: v('1'), unloadDeadlineSeconds: 20 }, call())).toMatchObject({ aspired: ['2'] });
  expect(world.dir('models/half')).toEqual(['2']);
  client.close();
});

test('no more than two downloads at once, and the third says what it waits for', async () => {
  world = await World.start({ 1: 'two' });
  world.s3.fault({ key: '*', fault: { kind: 'stall', afterBytes: 1 } });
  const attempts = await Promise.all(['a', 'b', 'c'].map(async (model) => ({ ...(await world.attempt('1', [1, 1])), model: model as ModelName })));
  const cancel = new AbortController();
  const waits: unknown[] = [];
  for (const attempt of attempts) await world.the.beginAttempt(attempt, call());
  const downloads = attempts.map((attempt) => refusal(world.the.downloadVersion(attempt, call(cancel.signal, (details) => waits.push(details['waiting'])))));
  await until(() => waits.includes('a download slot of this host'), 'the third waits');
  await until(async () => world.dir('staging/a').length > 0 && world.dir('staging/b').length > 0, 'two run');
  expect(world.dir('staging/c')).toEqual([]);
  cancel.abort(new Error('enough'));
  expect(await Promise.all(downloads)).toEqual([cancel.signal.reason, cancel.signal.reason, cancel.signal.reason]);
});

test('heartbeats say how far a download is', async () => {
  world = await World.start({ 1: 'two' });
  const news: Readonly<Record<string, unknown>>[] = [];
  const attempt = await world.attempt('1', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  const view = await world.the.downloadVersion(attempt, call(undefined, (details) => news.push(details)));
  expect(news.at(-1)).toMatchObject({ step: 'downloadVersion', bytes: view.partial?.of, of: view.partial?.of, mbps: expect.any(Number) as number });
});

test('the digest is the one anybody can compute from the files', async () => {
  world = await World.start({});
  const files = { 'saved_model.pb': 'a', 'variables/variables.index': 'b' };
  for (const [path, text] of Object.entries(files)) await world.s3.put('models', `half/9/${path}`, text);
  const attempt = await world.attempt('9', [1, 1]);
  await world.the.beginAttempt(attempt, call());
  await world.the.downloadVersion(attempt, call());
  const lines = Object.entries(files).map(([path, text]) => `${path}\0${text.length}\0${createHash('sha256').update(text).digest('hex')}\n`).join('');
  const digest = `sha256:${createHash('sha256').update(lines).digest('hex')}` as Digest;
  const wrong = await refusal(world.the.verifyVersion({ ...attempt, digest }, call()));
  expect(wrong).toMatchObject({ code: 'InvalidSavedModel' }); // The digest was right; the bytes are no model.
});
