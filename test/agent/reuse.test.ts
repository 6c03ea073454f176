// A second version fetches what changed: files that are equal in a version on this disk are linked (performance reference §4).

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { filesBelow } from '../../src/agent/tree';
import { call, v, World } from './world';

let world: World;
afterEach(() => world.stop());

const SAMPLE = join(__dirname, '../data/savedmodels/saved_model_half_plus_two_cpu/00000123');

/** What lies under this version in the bucket, vouched for by a manifest. */
async function vouch(version: string): Promise<void> {
  const files = (await filesBelow(SAMPLE)).map((path) => ({ path, bytes: readFileSync(join(SAMPLE, path)) }));
  await world.s3.put('models', `half/${version}/manifest.json`, JSON.stringify({ files: files.map(({ path, bytes }) => ({ path, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') })) }));
}
const fetchedOf = (version: string): readonly string[] => world.s3.log().filter(({ operation, key }) => operation === 'GetObject' && key.startsWith(`half/${version}/`) && !key.endsWith('manifest.json')).map(({ key }) => key);

test('an identical version costs no object byte and is served from files of its own directory', async () => {
  world = await World.start({ 1: 'two', 2: 'two' });
  await vouch('1');
  await vouch('2');
  await world.bringUp(await world.attempt('1', [1, 1]));
  const served = await world.bringUp(await world.attempt('2', [2, 1]));
  expect(served).toMatchObject({ promoted: '2', states: { 2: 'AVAILABLE' } });
  expect(served.staged[v('2')]?.digest).toBe(served.staged[v('1')]?.digest);
  expect([fetchedOf('1').length > 0, fetchedOf('2')]).toEqual([true, []]);
  const [one, two] = ['1', '2'].map((version) => statSync(join(world.root, `models/half/${version}/saved_model.pb`)));
  expect(two?.ino).toBe(one?.ino);
});

test('what is staged already is not fetched by another listing either, nor left in staging', async () => {
  world = await World.start({ 1: 'two' });
  await vouch('1');
  const first = await world.attempt('1', [1, 1]);
  await world.stage(first);
  const before = fetchedOf('1').length;
  const { pin, ...unpinned } = { ...first, token: [1, 2] as const, source: { ...first.source!, region: 'eu-west-1' }, begins: true as const };
  expect((await world.the.resolveSource({ ...unpinned, version: v('1') }, call())).pin).not.toBe(pin);
  const view = await world.the.downloadVersion(unpinned, call());
  expect(view).toMatchObject({ token: [1, 2], staged: { 1: { pin } } });
  expect(view).not.toHaveProperty('partial');
  expect([fetchedOf('1').length, world.dir('staging/half')]).toEqual([before, []]);
});

test('where a file on this disk is not what it was, the true one is fetched', async () => {
  world = await World.start({ 1: 'three', 2: 'two' });
  await vouch('2');
  await world.bringUp(await world.attempt('1', [1, 1]));
  await world.bringUp(await world.attempt('2', [2, 1]));
  const differing = (await filesBelow(SAMPLE)).filter((path) => !readFileSync(join(world.root, 'models/half/1', path)).equals(readFileSync(join(world.root, 'models/half/2', path))));
  expect(fetchedOf('2').map((key) => key.slice('half/2/'.length)).sort()).toEqual(expect.arrayContaining([...differing].sort()));
  for (const path of await filesBelow(SAMPLE)) expect(readFileSync(join(world.root, 'models/half/2', path)).equals(readFileSync(join(SAMPLE, path)))).toBe(true);
});
