// An agent without a journal does not know what its server lists, and no RPC reads it. Until it does, nothing is reloaded: a list without a model somebody needs would
// unload it (DESIGN §6). It learns the names from its fleet and from the disk, and what the server says of them becomes its journal.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { compareVersions, type Digest, type ModelName, type Pin, type Version } from '../domain/names';
import type { Staged } from '../domain/view';
import { digestOf } from '../source/manifest';
import { freshEntry, type ModelEntry } from './journal-format';
import type { Parts } from './parts';
import { hashTree } from './tree';
import { isReal } from './view';

/** What is stable in the fleet, by model. */
export type Seed = Readonly<Record<ModelName, { readonly version: Version; readonly digest?: Digest }>>;

/** Nothing, once it is seeded; else why it cannot be yet, in one sentence. Changes nothing of the server. */
export async function seedFrom(parts: Parts, stable: Seed, signal: AbortSignal): Promise<string | undefined> {
  const { journal, boot, server } = parts;
  if (journal.seeded) return undefined;
  const named = await boot.names();
  const unknown = named === undefined ? ['something that is no model list'] : named.filter((name) => stable[name as ModelName] === undefined);
  if (unknown.length > 0) return `${server}: the boot file names ${unknown.join(', ')}, of which neither a journal nor the fleet knows anything; adopt it: segue adopt ${parts.store.bootFile()} --root ${parts.store.root} --serving ${parts.client.address}`;
  const entries = new Map<ModelName, ModelEntry>();
  for (const model of new Set([...Object.keys(stable) as ModelName[], ...await modelsOnDisk(parts)])) {
    const entry = await entryOf(parts, model, stable[model]?.version, signal);
    if (typeof entry === 'string') return entry;
    if (entry !== undefined) entries.set(model, entry);
  }
  await adopt(parts, entries);
  return undefined;
}

/** What is journalled from now on is what was found; the next list says the same again. */
async function adopt({ journal, boot, list, log, server }: Parts, entries: ReadonlyMap<ModelName, ModelEntry>): Promise<void> {
  await writeSeed({ journal, boot }, entries);
  list.doubtful('its list was learned from the server', false);
  log(`${server}: seeded with ${[...entries].map(([model, { promoted }]) => `${model}/${promoted ?? 'nothing'}`).join(', ') || 'nothing: the server knows no model of this fleet or disk'}`);
}

export async function writeSeed({ journal, boot }: Pick<Parts, 'journal' | 'boot'>, entries: ReadonlyMap<ModelName, ModelEntry>): Promise<void> {
  // Who may act was decided by tokens that came meanwhile: what is learned of the server says nothing about that.
  for (const [model, entry] of entries) await journal.update(model, ({ token, open }) => ({ ...entry, token, open }));
  await journal.updateAll((entry) => entry, { seeded: true });
  await boot.write();
}

/** The entry, or nothing where the server does not know the name, or why that cannot be said yet. */
export async function entryOf(parts: Pick<Parts, 'client' | 'store' | 'server'>, model: ModelName, wanted: Version | undefined, signal: AbortSignal): Promise<ModelEntry | string | undefined> {
  const { client, store, server } = parts;
  const status = await client.status(model, { signal }).catch((error: unknown) => `${server}: ${model}: the model server does not answer: ${(error as Error).message}`);
  if (typeof status === 'string') return status === 'unknown model' ? undefined : status;
  const moving = [...status].find(([version, { state }]) => isReal(version) && (state === 'LOADING' || state === 'START' || state === 'UNLOADING'));
  if (moving !== undefined) return `${server}: ${model}/${moving[0]} is ${moving[1].state}; looked at again when it rests`;
  const up = [...status].filter(([version, { state }]) => isReal(version) && state === 'AVAILABLE').map(([version]) => version).sort(compareVersions);
  const staged: Record<Version, Staged> = {};
  for (const version of up) {
    // Stable in the fleet and served from memory, its files gone: it stays listed, and the fleet brings the bytes back.
    if (version === wanted && !await store.has(model, version)) continue;
    if (!await store.has(model, version)) return `${server}: the model server has ${model}/${version} AVAILABLE, and ${store.versionPath(model, version)} is not there: it reads another place, or its files were just removed`;
    staged[version] = { digest: digestOf(await hashTree(store.versionPath(model, version), signal)), pin: 'pin:adopted' as Pin };
  }
  const promoted = wanted !== undefined && up.includes(wanted) ? wanted : up.at(-1);
  const served = Object.fromEntries(Object.entries(staged).map(([version, { digest }]) => [version, digest]));
  // A name with a history only may have left the list since: asked for again, it is registered without loading anything.
  return { ...freshEntry, registered: up.length > 0 ? 'yes' : 'asked', aspired: up, staged, served, ...(promoted === undefined ? {} : { promoted }) };
}

async function modelsOnDisk({ store }: Parts): Promise<readonly ModelName[]> {
  const names = await readdir(join(store.root, 'models')).catch(() => []);
  return names.filter((name) => !name.startsWith('.')) as ModelName[];
}
