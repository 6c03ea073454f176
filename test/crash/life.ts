// The life of one version on one root, from the token to the removal of the version before, by the agent's own code; and what the journal may hold at each point of it.

import { createHash, randomUUID } from 'node:crypto';
import { BootFile } from '../../src/agent/boot';
import { onDisk } from '../../src/agent/disk-failure';
import { Fence } from '../../src/agent/fence';
import { Journal } from '../../src/agent/journal';
import { freshEntry, type ModelEntry } from '../../src/agent/journal-format';
import { ModelStore } from '../../src/agent/model-store';
import { Observer } from '../../src/agent/observe';
import { takePartial } from '../../src/agent/own-partial';
import { writePartialRecord } from '../../src/agent/partial-record';
import type { Parts } from '../../src/agent/parts';
import { RecordKeeper } from '../../src/agent/record-keeper';
import { stageVersion } from '../../src/agent/stage-step';
import { tidyPartial } from '../../src/agent/tidy';
import type { Attempt } from '../../src/domain/host';
import type { Digest, FleetName, ModelName, Pin, ServerName, Version } from '../../src/domain/names';
import type { ManifestFile } from '../../src/domain/source';
import { digestOf } from '../../src/source/manifest';
import { StagedFile } from '../../src/source/staged-file';

export const MODEL = 'half' as ModelName;
/** In order. What one of them wrote is never lost once it was acknowledged. */
export const STEPS = ['open', 'abort', 'own', 'fetch', 'verify', 'stage', 'promote', 'remove'] as const;
export type Step = (typeof STEPS)[number];

export const versionOf = (number: number): Version => String(number) as Version;
export const pinOf = (number: number): Pin => `pin:${createHash('sha256').update(`listing ${number}`).digest('hex')}` as Pin;

/** Another for each version, so that no file of one is ever right in another. The larger one needs several blocks and several writes. */
export function contentOf(number: number): ReadonlyMap<string, Buffer> {
  const file = (path: string, size: number): [string, Buffer] => [path, Buffer.alloc(size, `${path} of version ${number}\n`)];
  return new Map([file('saved_model.pb', 3_000), file('variables/variables.data-00000-of-00001', 40_000), file('variables/variables.index', 150)]);
}

export function digestOfContent(number: number): Digest {
  return digestOf([...contentOf(number)].map(([path, bytes]) => fileOf(path, bytes)));
}

function fileOf(path: string, bytes: Buffer): ManifestFile {
  return { path, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** One process of the agent, without its model server. */
export interface Host {
  readonly parts: Parts;
  readonly fence: Fence;
}

/** What `openAgent` does before anything else. */
export async function openHost(root: string): Promise<Host> {
  const journal = await Journal.open(root);
  const store = new ModelStore(root);
  await store.prepare();
  const boot = new BootFile(journal, store);
  if (journal.isNew) await journal.updateAll((entry) => entry, { seeded: !await boot.isForeign() });
  if (journal.seeded || await boot.isMissing()) await boot.write();
  // The steps below ask neither the model server nor the list.
  const parts = { fleet: 'demo', server: 'edge-a', processId: randomUUID(), journal, store, boot, observer: new Observer(1) } as unknown as Parts;
  for (const model of new Set([...journal.models.keys(), ...await store.stagedModels()])) await tidyPartial(parts, model, 'kept');
  return { parts, fence: new Fence(journal) };
}

/** Brings one version from nothing to promoted, and removes the one before. Every part of it may be done already, by a process that died or an attempt that failed. */
export async function live({ parts, fence }: Host, number: number, attemptNumber: number, done: (step: Step) => Promise<void>): Promise<void> {
  const { journal, store, boot } = parts;
  const [version, pin] = [versionOf(number), pinOf(number)];
  const attempt: Attempt = { fleet: 'demo' as FleetName, server: 'edge-a' as ServerName, model: MODEL, token: [number, attemptNumber], version, pin, retain: [] };
  const path = store.stagingPath(MODEL, version, pin);
  await fence.open(attempt);
  await tidyPartial(parts, MODEL, 'kept'); // As beginAttempt does.
  await done('open');
  if (!await store.has(MODEL, version)) {
    // As downloadVersion and verifyVersion write, without a bucket and a SavedModel; the first download is aborted.
    await takePartial(parts, MODEL, { version, pin });
    await onDisk('download', () => halfOf(path));
    await tidyPartial(parts, MODEL, 'gone');
    await done('abort');
    await takePartial(parts, MODEL, { version, pin });
    await done('own');
    const record = { version, pin, of: 0, writer: parts.processId };
    const keeper = new RecordKeeper(path, { ...record, files: [], phase: 'fetching' });
    // A file of a download that cannot be written is told by name where the disk is full; the rest is named by the wrapper around every activity.
    const files = await onDisk('download', () => fetchInto(path, number, keeper));
    await keeper.finish({ ...record, files, phase: 'fetched' });
    await done('fetch');
    await writePartialRecord(path, { ...record, files, phase: 'verified', digest: digestOfContent(number) });
    await done('verify');
  }
  await stageVersion(parts, attempt, { signal: new AbortController().signal, assert: () => undefined, report: () => undefined });
  if (!await store.has(MODEL, version)) throw new Error(`staged ${version}, and it is not there`);
  await done('stage');
  await journal.update(MODEL, (entry) => ({ ...entry, aspired: [version], promoted: version, served: { [version]: digestOfContent(number) } }));
  await boot.write();
  await done('promote');
  const before = versionOf(number - 1);
  await store.remove(MODEL, before, () => undefined);
  await journal.update(MODEL, (entry) => ({ ...entry, staged: Object.fromEntries(Object.entries(entry.staged).filter(([one]) => one !== before)) }));
  await done('remove');
}

async function halfOf(path: string): Promise<void> {
  const file = await StagedFile.create(path, 'variables/variables.index');
  try {
    await file.write(Buffer.alloc(100));
  } finally {
    await file.close();
  }
}

async function fetchInto(path: string, number: number, record: RecordKeeper): Promise<readonly ManifestFile[]> {
  const files: ManifestFile[] = [];
  try {
    for (const [name, bytes] of contentOf(number)) {
      const file = await StagedFile.create(path, name);
      try {
        for (let at = 0; at < bytes.length; at += 16_384) await file.write(bytes.subarray(at, at + 16_384));
      } finally {
        await file.close();
      }
      files.push({ path: name, size: bytes.length, sha256: file.sha256() });
      record.add(fileOf(name, bytes));
    }
  } finally {
    await record.quiet();
  }
  return files;
}

/**
 * Every content the journal's entry goes through in the life of a version, in order, and how many of them are surely behind once so many steps were acknowledged.
 * @param done steps acknowledged, 0 to 8
 */
export function entriesAfter(number: number, done: number): readonly ModelEntry[] {
  const firstAfter = [0, 1, 3, 4, 4, 4, 6, 7, 8];
  return entriesOf(number).slice(firstAfter[done], (firstAfter[done + 1] ?? 8) + 1);
}

function entriesOf(number: number): readonly ModelEntry[] {
  const [version, pin, digest] = [versionOf(number), pinOf(number), digestOfContent(number)];
  const before = settled(number - 1);
  const opened = { ...before, token: [number, 1] as const, open: true, before: beforeOf(number) };
  const owned = { ...opened, partial: { version, pin } };
  const staging = { ...owned, staged: { ...before.staged, [version]: { digest, pin, heldAgainst } } };
  const { partial: _partial, ...staged } = staging;
  return [before, opened, owned, opened, owned, staging, staged, { ...staged, aspired: [version], promoted: version, served: { [version]: digest } }, settled(number)];
}

/** Nobody but their sizes vouches for these. */
const heldAgainst = { size: [...contentOf(1).keys()] };

function settled(number: number): ModelEntry {
  if (number === 0) return freshEntry;
  const [version, pin] = [versionOf(number), pinOf(number)];
  const digest = digestOfContent(number);
  return { ...freshEntry, token: [number, 1], open: true, before: beforeOf(number), aspired: [version], promoted: version, staged: { [version]: { digest, pin, heldAgainst } }, served: { [version]: digest } };
}

/** What was promoted when this version's token came. */
function beforeOf(number: number): NonNullable<ModelEntry['before']> {
  return { epoch: number, ...(number === 1 ? {} : { version: versionOf(number - 1) }) };
}
