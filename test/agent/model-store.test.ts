// What is on the disk, and when a server can see it.

import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelStore } from '../../src/agent/model-store';
import { readPartialRecord, writePartialRecord, type PartialRecord } from '../../src/agent/partial-record';
import type { ModelName, Pin, Version } from '../../src/domain/names';
import { removeScratch, scratch } from './scratch';

const model = 'half' as ModelName;
const v1 = '1' as Version;
const pin = `pin:${'ab'.repeat(32)}` as Pin;
const yes = (): void => undefined;
const never = new AbortController().signal;

async function storeWith(version = v1): Promise<{ store: ModelStore; staging: string }> {
  const store = new ModelStore(await scratch());
  await store.prepare();
  const staging = store.stagingPath(model, version, pin);
  await mkdir(join(staging, 'variables'), { recursive: true });
  await writeFile(join(staging, 'saved_model.pb'), 'graph');
  await writeFile(join(staging, 'variables/variables.index'), 'index');
  return { store, staging };
}
afterEach(removeScratch);

test('the sentinel is an empty directory below a path no model uses', async () => {
  const store = new ModelStore(await scratch());
  await store.prepare();
  await store.prepare();
  expect(readdirSync(join(store.root, 'models/.sentinel/0'))).toEqual([]);
});

test('nothing below a base path before the rename, all of it after', async () => {
  const { store, staging } = await storeWith();
  await store.makeDurable(staging, never);
  expect(existsSync(join(store.root, 'models/half'))).toBe(false);
  await store.publish(staging, model, v1, yes);
  expect(await store.has(model, v1)).toBe(true);
  expect(existsSync(staging)).toBe(false);
  expect(await readFile(join(store.versionPath(model, v1), 'variables/variables.index'), 'utf8')).toBe('index');
});

test('a fence that fell before the rename keeps the version invisible', async () => {
  const { store, staging } = await storeWith();
  await expect(store.publish(staging, model, v1, () => { throw new Error('stale'); })).rejects.toThrow('stale');
  expect(await store.has(model, v1)).toBe(false);
  expect(existsSync(staging)).toBe(true);
});

test('a version is never staged over another one', async () => {
  const { store, staging } = await storeWith();
  await mkdir(store.versionPath(model, v1), { recursive: true });
  await writeFile(join(store.versionPath(model, v1), 'saved_model.pb'), 'served');
  await expect(store.publish(staging, model, v1, yes)).rejects.toMatchObject({ code: 'Bug', detail: { found: 'ENOTEMPTY' } });
  expect(await readFile(join(store.versionPath(model, v1), 'saved_model.pb'), 'utf8')).toBe('served');
});

test('what is no file is never made durable: a link could lead anywhere', async () => {
  const { store, staging } = await storeWith();
  await symlink('/etc/hostname', join(staging, 'assets'));
  await expect(store.makeDurable(staging, never)).rejects.toMatchObject({ code: 'IntegrityMismatch' });
  expect(existsSync(staging)).toBe(false);
});

test('a tree whose fsync failed and that could not be removed either is never published, although the next fsync of it succeeds', async () => {
  const { store, staging } = await storeWith();
  await symlink('/etc/hostname', join(staging, 'assets')); // Refused by makeDurable, as an fsync would be.
  const discard = jest.spyOn(store, 'discard').mockRejectedValueOnce(new Error('the disk is read-only by now'));
  await expect(store.makeDurable(staging, never)).rejects.toThrow('read-only');
  expect(store.isCondemned(staging)).toBe(true);
  await rm(join(staging, 'assets'));
  await expect(store.makeDurable(staging, never)).rejects.toMatchObject({ code: 'Bug', message: expect.stringContaining('an earlier fsync of it failed') as string });
  expect(discard).toHaveBeenCalledTimes(2);
  expect(existsSync(staging)).toBe(false);
  expect(store.isCondemned(staging)).toBe(false);
});

test('a removal that was interrupted is finished by the next one', async () => {
  const { store } = await storeWith();
  await mkdir(join(store.stagingOf(model), 'trash-1-0badcafe/variables'), { recursive: true });
  await store.remove(model, v1, yes);
  expect(readdirSync(store.stagingOf(model)).filter((name) => name.startsWith('trash'))).toEqual([]);
});

test('removal leaves the base path by one rename, leaves no trash, and is nothing the second time', async () => {
  const { store, staging } = await storeWith();
  await store.publish(staging, model, v1, yes);
  await store.remove(model, v1, yes);
  await store.remove(model, v1, yes);
  expect(await store.has(model, v1)).toBe(false);
  expect(readdirSync(store.stagingOf(model))).toEqual([]);
  expect(readdirSync(join(store.root, 'models/half'))).toEqual([]); // The base path stays: a missing one would freeze discovery for all models.
});

test('a fence that fell before the removal keeps the version', async () => {
  const { store, staging } = await storeWith();
  await store.publish(staging, model, v1, yes);
  await expect(store.remove(model, v1, () => { throw new Error('stale'); })).rejects.toThrow('stale');
  expect(await store.has(model, v1)).toBe(true);
});

test('the sweep keeps what is owned, with its record, and nothing else', async () => {
  const { store, staging } = await storeWith();
  const record: PartialRecord = { version: v1, pin, of: 10, files: [{ path: 'a', size: 10, sha256: 'c'.repeat(64) }], phase: 'fetching', writer: 'me' };
  await writePartialRecord(staging, record);
  await mkdir(store.stagingPath(model, '2' as Version, pin), { recursive: true });
  await mkdir(join(store.stagingOf(model), 'trash-1-abc'));
  await writeFile(join(store.stagingOf(model), '2-x.json'), '{');
  await store.sweep(model, staging);
  expect(readdirSync(store.stagingOf(model)).sort()).toEqual([`1-${'ab'.repeat(6)}`, `1-${'ab'.repeat(6)}.json`]);
  expect(await readPartialRecord(staging)).toEqual(record);
  await store.sweep(model, undefined);
  expect(readdirSync(store.stagingOf(model))).toEqual([]);
});

test('a link in staging is removed, at any depth, and what it points to is not', async () => {
  const { store } = await storeWith();
  const elsewhere = join(store.root, 'elsewhere');
  await mkdir(elsewhere);
  await writeFile(join(elsewhere, 'kept'), 'kept');
  const trash = join(store.stagingOf(model), 'trash-1-abc');
  await mkdir(trash);
  await symlink(elsewhere, join(trash, 'directory'));
  await symlink(join(elsewhere, 'kept'), join(trash, 'file'));
  await symlink(elsewhere, join(store.stagingOf(model), '2-x'));
  await store.sweep(model, undefined);
  expect([readdirSync(store.stagingOf(model)), readdirSync(elsewhere)]).toEqual([[], ['kept']]);
});

test('what has a name that is no text is removed, too', async () => {
  const { store } = await storeWith();
  const deep = join(store.stagingOf(model), '2-x', 'deep');
  await mkdir(deep, { recursive: true });
  await writeFile(Buffer.concat([Buffer.from(join(deep, 'name-')), Buffer.of(0xff)]), 'bytes');
  await store.sweep(model, undefined);
  expect(readdirSync(store.stagingOf(model))).toEqual([]);
});

test('a torn record is no record: the bytes are fetched again', async () => {
  const { staging } = await storeWith();
  await writeFile(`${staging}.json`, '{"version":"1",');
  expect(await readPartialRecord(staging)).toBeUndefined();
});
