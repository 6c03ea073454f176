// The boot file: what a restarted server begins with.

import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { BootFile } from '../../src/agent/boot';
import { Journal } from '../../src/agent/journal';
import { ModelStore } from '../../src/agent/model-store';
import type { ModelName, Version } from '../../src/domain/names';
import { namesInBootText } from '../../src/serving/model-list';
import { removeScratch, scratch } from './scratch';

afterEach(removeScratch);

async function parts(): Promise<{ journal: Journal; store: ModelStore; boot: BootFile }> {
  const root = await scratch();
  const journal = await Journal.open(root);
  const store = new ModelStore(root);
  return { journal, store, boot: new BootFile(journal, store) };
}

test('models promoted in the same instant are all in it, and it is never torn', async () => {
  const { journal, store, boot } = await parts();
  const names = Array.from({ length: 12 }, (_, index) => `m${index}` as ModelName);
  await Promise.all(names.map(async (model) => {
    await journal.update(model, (entry) => ({ ...entry, promoted: '1' as Version }));
    await boot.write();
  }));
  expect(namesInBootText(await readFile(store.bootFile(), 'utf8'))).toEqual(names.toSorted());
});

test('a failed write is told to its own caller, and the next one succeeds', async () => {
  const { journal, store, boot } = await parts();
  await mkdir(`${store.bootFile()}.tmp`);
  await expect(boot.write()).rejects.toMatchObject({ code: 'Bug' });
  await rm(`${store.bootFile()}.tmp`, { recursive: true });
  await journal.update('half' as ModelName, (entry) => ({ ...entry, promoted: '1' as Version }));
  await boot.write();
  expect(namesInBootText(await readFile(store.bootFile(), 'utf8'))).toEqual(['half']);
});

test('what is merely found there is written again: the process that wrote it may have been killed before its fsync', async () => {
  const { store, boot } = await parts();
  await writeFile(store.bootFile(), 'model_config_list: {}\n');
  const found = (await stat(store.bootFile())).ino;
  await boot.write();
  const written = (await stat(store.bootFile())).ino;
  expect(written).not.toBe(found);
  await boot.write();
  expect((await stat(store.bootFile())).ino).toBe(written); // Known to last by now.
});

describe('whose it is, where there is no journal', () => {
  const rows: [reason: string, text: string | undefined, foreign: boolean][] = [
    ['none', undefined, false],
    ['an empty list', 'model_config_list {}', false],
    ['a list with a model', 'model_config_list { config { name: "a" } }', true],
    ['an empty file, which is no list', '', true],
    ['a torn one', 'model_config_list { conf', true],
  ];
  test.each(rows)('%s', async (_reason, text, foreign) => {
    const { store, boot } = await parts();
    if (text !== undefined) await writeFile(store.bootFile(), text);
    expect(await boot.isForeign()).toBe(foreign);
  });
});
