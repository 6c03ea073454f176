// A version that comes as one archive (story 3: a bucket with 0002.zip in it): fetched, unpacked into staging, and from there on like any other.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseRequest } from '../../src/activities/request';
import { filesBelow } from '../../src/agent/tree';
import type { Attempt } from '../../src/domain/host';
import type { ModelName } from '../../src/domain/names';
import { tarGz, zip, type ZipEntry } from '../source/archive-writer';
import { made, signed } from '../source/signed';
import { call, until, v, World } from './world';

let world: World;
afterEach(() => world.stop());

const SAMPLE = join(__dirname, '../data/savedmodels/saved_model_half_plus_two_cpu/00000123');

async function entries(folder = '0002/'): Promise<ZipEntry[]> {
  return (await filesBelow(SAMPLE)).map((path) => ({ name: `${folder}${path}`, data: readFileSync(join(SAMPLE, path)) }));
}
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

test.each([
  ['0002.zip with one folder around everything', '0002.zip', async () => zip(await entries())],
  ['a zip without that folder', '2.zip', async () => zip(await entries(''))],
  ['a .tar.gz', '2.tar.gz', async () => tarGz((await entries('')).map(({ name, data }) => ({ name, data: data! })))],
])('%s becomes the version, with the digest its files have anywhere', async (_what, name, archive) => {
  world = await World.start({ 1: 'two' });
  const plain = (await world.bringUp(await world.attempt('1', [1, 1]))).staged[v('1')]?.digest;
  await world.s3.put('models', `half/${name}`, await archive());
  await world.s3.put('models', `half/${name}.bak`, 'its name begins the same');
  // As the request of a rollout comes to the agent: no slash is put after an archive.
  const { source } = parseRequest({ fleet: 'demo', model: 'half', version: '2', source: { uri: `s3://models/half/${name}` } });
  const attempt = await world.attempt('2', [2, 1], {}, world.s3, source?.uri.slice('s3://models/half/'.length));
  const served = await world.bringUp(attempt);
  expect(served).toMatchObject({ promoted: '2', states: { 2: 'AVAILABLE' }, staged: { 2: { digest: plain, pin: attempt.pin } } });
  expect(await filesBelow(join(world.root, 'models/half/2'))).toEqual(await filesBelow(join(world.root, 'models/half/1')));
  expect(world.dir('staging/half')).toEqual([]);
});

test('alone under a prefix, an archive is unpacked too', async () => {
  world = await World.start({});
  await world.s3.put('models', 'half/2/0002.zip', zip(await entries()));
  expect(await world.bringUp(await world.attempt('2', [1, 1]))).toMatchObject({ promoted: '2' });
});

describe('with its own manifest.json', () => {
  const manifest = (files: ZipEntry[]): ZipEntry => ({ name: '0002/manifest.json', data: Buffer.from(JSON.stringify({ files: files.map(({ name, data }) => ({ path: name.slice(5), size: data?.length, sha256: sha256(data!) })) })) });
  test('its files are held against it, and it is none of them', async () => {
    world = await World.start({});
    const files = await entries();
    await world.s3.put('models', 'half/0002.zip', zip([...files, manifest(files)]));
    await world.bringUp(await world.attempt('2', [1, 1], {}, world.s3, '0002.zip'));
    expect(world.dir('models/half/2')).not.toContain('manifest.json');
  });
  test.each([
    ['a file it does not name', (files: ZipEntry[]) => [...files, manifest(files.slice(1))]],
    ['a file it names and that is not there', (files: ZipEntry[]) => [...files.slice(1), manifest(files)]],
    ['other bytes', (files: ZipEntry[]) => [...files, manifest(files.map((file, i) => (i === 0 ? { ...file, data: Buffer.from('other') } : file)))]],
  ])('%s is an IntegrityMismatch, and nothing is staged', async (_what, change) => {
    world = await World.start({});
    await world.s3.put('models', 'half/0002.zip', zip(change(await entries())));
    const attempt = await world.attempt('2', [1, 1], {}, world.s3, '0002.zip');
    await world.the.beginAttempt(attempt, call());
    await expect(world.the.downloadVersion(attempt, call())).rejects.toMatchObject({ code: 'IntegrityMismatch' });
    expect(world.dir('models/half')).toEqual([]);
  });
});

describe('on a host that takes signed versions only', () => {
  const mine = made();
  const filesOf = (files: ZipEntry[]): Record<string, Buffer> => Object.fromEntries(files.map(({ name, data }) => [name.replace('0002/', ''), data!]));
  const start = async (archive: (files: ZipEntry[]) => ZipEntry[]): Promise<Attempt> => {
    world = await World.start({}, { signatures: { keys: [mine.trusted], otherwise: 'off', byModel: new Map([['half', 'require' as const]]) } });
    await world.s3.put('models', 'half/0002.zip', zip(archive(await entries())));
    return world.attempt('2', [1, 1], {}, world.s3, '0002.zip');
  };
  test('an archive with its signature inside is one', async () => {
    const attempt = await start((files) => [...files, { name: '0002/model.sig', data: Buffer.from(signed(mine, filesOf(files))) }]);
    expect(await world.bringUp(attempt)).toMatchObject({ promoted: '2' });
    expect(world.dir('models/half/2')).not.toContain('model.sig');
  });
  test.each<[string, (files: ZipEntry[]) => ZipEntry[], string]>([
    ['an unsigned one', (files) => files, 'SignatureRejected'],
    ['one that somebody else signed', (files) => [...files, { name: '0002/model.sig', data: Buffer.from(signed(made(), filesOf(files))) }], 'SignatureRejected'],
    ['one with a file more than was signed', (files) => [...files, { name: '0002/model.sig', data: Buffer.from(signed(mine, filesOf(files.slice(1)))) }], 'IntegrityMismatch'],
  ])('%s is refused before anything is staged', async (_what, archive, code) => {
    const attempt = await start(archive);
    await world.the.beginAttempt(attempt, call());
    await expect(world.the.downloadVersion(attempt, call())).rejects.toMatchObject({ code });
    expect(world.dir('models/half')).toEqual([]);
  });
  test('an archive that was signed as a whole is one', async () => {
    world = await World.start({}, { signatures: { keys: [mine.trusted], otherwise: 'require', byModel: new Map() } });
    const archive = zip(await entries());
    await world.s3.put('models', 'half/2/0002.zip', archive);
    await world.s3.put('models', 'half/2/model.sig', signed(mine, { '0002.zip': archive }));
    expect(await world.bringUp(await world.attempt('2', [1, 1]))).toMatchObject({ promoted: '2' });
  });
  test('another model with a looser rule does not lend it what it listed', async () => {
    const attempt = await start((files) => files);
    await world.s3.put('models', 'half/2/saved_model.pb', 'unsigned');
    const source = { ...attempt.source!, uri: 's3://models/half/2/' };
    const { pin } = await world.the.resolveSource({ ...attempt, model: 'other' as ModelName, version: v('2'), source }, call());
    await world.the.beginAttempt({ ...attempt, source, pin }, call());
    await expect(world.the.downloadVersion({ ...attempt, source, pin }, call())).rejects.toMatchObject({ code: 'SignatureRejected' });
  });
});

test.each([
  ['a way out of the directory', [{ name: '../../boot.config', data: Buffer.from('x') }], 'InvalidSavedModel'],
  ['a link', [{ name: '0002/saved_model.pb', mode: 0o120777, data: Buffer.from('/etc/passwd') }], 'InvalidSavedModel'],
  ['its own name inside', [{ name: 'saved_model.pb', data: Buffer.from('x') }, { name: '0002.ZIP', data: Buffer.from('x') }], 'InvalidSavedModel'],
])('%s is refused by the name of the entry, and the root is as before', async (_what, bad, code) => {
  world = await World.start({});
  await world.s3.put('models', 'half/0002.zip', zip(bad));
  const attempt = await world.attempt('2', [1, 1], {}, world.s3, '0002.zip');
  await world.the.beginAttempt(attempt, call());
  await expect(world.the.downloadVersion(attempt, call())).rejects.toMatchObject({ code, detail: { entry: expect.any(String) as string } });
  expect(world.bootFile()).toBe('model_config_list: {}\n');
  await world.the.abortAttempt(attempt, call());
  expect(world.dir('models/half')).toEqual([]);
});

test('a damaged archive is an IntegrityMismatch', async () => {
  world = await World.start({});
  const whole = zip(await entries());
  whole[whole.indexOf('PK\x03\x04', 1) - 3]! ^= 0xff; // In the packed bytes of the first file.
  await world.s3.put('models', 'half/0002.zip', whole);
  const attempt = await world.attempt('2', [1, 1], {}, world.s3, '0002.zip');
  await world.the.beginAttempt(attempt, call());
  await expect(world.the.downloadVersion(attempt, call())).rejects.toMatchObject({ code: 'IntegrityMismatch' });
});

test('aborted while it is unpacked: nothing but the fetched archive is left, and the next attempt does not fetch it again', async () => {
  world = await World.start({});
  await world.s3.put('models', 'half/0002.zip', zip([...await entries(), { name: '0002/assets/large', data: Buffer.alloc(128 * 2 ** 20), method: 0 }]));
  const attempt = await world.attempt('2', [1, 1], {}, world.s3, '0002.zip');
  await world.the.beginAttempt(attempt, call());
  const told: Readonly<Record<string, unknown>>[] = [];
  const work = world.the.downloadVersion(attempt, call(undefined, (details) => told.push(details))).then(() => 'done', (error: unknown) => error);
  await until(() => told.some(({ waiting, bytes }) => waiting === '0002.zip to be unpacked' && Number(bytes) > 2 ** 20), 'it is being unpacked');
  const { proof } = await world.the.abortAttempt(attempt, call());
  expect(proof).toMatchObject({ sockets: 0, writers: 0, partial: 'kept' });
  expect(await work).not.toBe('done');
  const [staging] = world.dir('staging/half').filter((name) => !name.endsWith('.json'));
  expect(await filesBelow(join(world.root, `staging/half/${staging}`))).toEqual(['0002.zip']);
  const reads = (): number => world.s3.log().filter(({ operation }) => operation === 'GetObject').length;
  const before = reads();
  expect(await world.bringUp({ ...attempt, token: [1, 2] })).toMatchObject({ promoted: '2' });
  expect(reads()).toBe(before);
});
