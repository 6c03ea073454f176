// What the agent remembers after it was killed, and what it refuses to take for a memory.

import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Journal } from '../../src/agent/journal';
import { freshEntry, parseJournal, type ModelEntry } from '../../src/agent/journal-format';
import type { Digest, ModelName, Pin, Version } from '../../src/domain/names';
import { removeScratch, scratch } from './scratch';

const model = 'half' as ModelName;
const v1 = '1' as Version;
const full: ModelEntry = {
  token: [1_700_000_000_000, 3], open: true, registered: 'asked', aspired: [v1], unsure: ['2' as Version], promoted: v1,
  candidate: { version: '2' as Version, token: [1, 1], sinceMs: 5, accepted: true }, lost: { version: '2' as Version, message: 'restarted' },
  labels: { stable: v1 }, staged: { [v1]: { digest: `sha256:${'a'.repeat(64)}` as Digest, pin: 'pin:b' as Pin } }, served: { [v1]: `sha256:${'a'.repeat(64)}` as Digest },
  partial: { version: '2' as Version, pin: 'pin:c' as Pin }, leaving: { [v1]: { drainSinceMs: 1, unlistedSinceMs: 2 } }, drained: [v1],
};
afterEach(removeScratch);

test('everything written is there for the next process', async () => {
  const root = await scratch();
  const first = await Journal.open(root);
  expect(first.isNew).toBe(true);
  await first.update(model, () => full);
  const next = await Journal.open(root);
  expect(next.isNew).toBe(false);
  expect(next.entry(model)).toEqual(full);
  expect(next.incarnation).toBe(first.incarnation);
});

test('a model nobody spoke of may not be acted on', async () => {
  expect((await Journal.open(await scratch())).entry(model)).toEqual(freshEntry);
  expect(freshEntry.open).toBe(false);
});

test('changes made while a write is under way are all there, in order, after the last of them resolves', async () => {
  const root = await scratch();
  const journal = await Journal.open(root);
  await Promise.all(Array.from({ length: 50 }, (_, index) => journal.update(model, (entry) => ({ ...entry, token: [entry.token[0] + 1, index] }))));
  expect((await Journal.open(root)).entry(model).token).toEqual([50, 49]);
});

test('a change that could not be written did not happen, nor what was built on it; the next one can', async () => {
  const root = await scratch();
  const journal = await Journal.open(root);
  await journal.update(model, (entry) => ({ ...entry, aspired: [v1] }));
  await mkdir(`${journal.path}.tmp`); // The temporary file cannot be opened.
  const outcomes = await Promise.allSettled([
    journal.update(model, (entry) => ({ ...entry, aspired: [] })),
    journal.update(model, (entry) => ({ ...entry, drained: [v1] })),
  ]);
  expect(outcomes.map((one) => one.status)).toEqual(['rejected', 'rejected']);
  expect(journal.entry(model)).toEqual({ ...freshEntry, aspired: [v1] });
  await rm(`${journal.path}.tmp`, { recursive: true, force: true });
  await journal.update(model, (entry) => ({ ...entry, labels: { stable: v1 } }));
  expect((await Journal.open(root)).entry(model)).toEqual({ ...freshEntry, aspired: [v1], labels: { stable: v1 } });
});

test('what was queued behind a failed write fails with it, because it was built on what did not last, even where the disk has recovered', async () => {
  const root = await scratch();
  const journal = await Journal.open(root);
  await journal.update(model, (entry) => ({ ...entry, aspired: [v1] }));
  await symlink(join(root, 'no such directory/file'), `${journal.path}.tmp`); // Fails once: the failed attempt removes it.
  const first = journal.update(model, (entry) => ({ ...entry, aspired: [] }));
  await Promise.resolve(); // The first write is under way.
  const outcomes = await Promise.allSettled([first, journal.update(model, (entry) => ({ ...entry, drained: [v1] }))]);
  expect(outcomes.map((one) => one.status)).toEqual(['rejected', 'rejected']);
  await journal.update(model, (entry) => ({ ...entry, labels: { stable: v1 } }));
  expect((await Journal.open(root)).entry(model)).toEqual({ ...freshEntry, aspired: [v1], labels: { stable: v1 } });
});

test('a torn journal is an error that names the file, at every length, and never an empty memory', async () => {
  const root = await scratch();
  const journal = await Journal.open(root);
  await journal.update(model, () => full);
  const text = await readFile(journal.path, 'utf8');
  for (let length = 0; length < text.trimEnd().length; length += 7) {
    await writeFile(journal.path, text.slice(0, length));
    await expect(Journal.open(root)).rejects.toMatchObject({ code: 'Bug', message: expect.stringContaining(journal.path) as string });
  }
});

test('a journal that cannot be read is not a missing one', async () => {
  const root = await scratch();
  await mkdir(join(root, 'journal.json'));
  await expect(Journal.open(root)).rejects.toMatchObject({ code: 'Bug', detail: { found: 'EISDIR' } });
});

describe('what is no journal of ours', () => {
  const rows: [reason: string, text: string, why: string][] = [
    ['another format', '{"format":2,"seeded":true,"incarnation":"x","models":{}}', 'format'],
    ['a key we never wrote', '{"format":1,"seeded":true,"incarnation":"x","models":{},"extra":1}', 'extra'],
    ['a version that is no canonical number', JSON.stringify({ format: 1, seeded: true, incarnation: 'x', models: { half: { ...full, aspired: ['007'] } } }), 'aspired'],
    ['an entry without a token', JSON.stringify({ format: 1, seeded: true, incarnation: 'x', models: { half: { ...full, token: undefined } } }), 'token'],
    ['a digest that is none', JSON.stringify({ format: 1, seeded: true, incarnation: 'x', models: { half: { ...full, served: { 1: 'md5:1' } } } }), 'served'],
    ['a list', '[]', 'object'],
  ];
  test.each(rows)('%s', (_reason, text, why) => expect(parseJournal(text)).toEqual({ why: expect.stringContaining(why) as string }));
});
