// Is there room for a version beside all that must stay, before its first byte; and where there is not, how much is missing and what could go.

import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { basePath } from '../domain/list';
import { fail, type SegueError } from '../domain/failures';
import type { Attempt } from '../domain/host';
import { compareVersions, type ModelName, type Version } from '../domain/names';
import { roomFor, type Coming, type Room } from '../domain/room';
import { isMissing, onDisk } from './disk-failure';
import type { Parts } from './parts';
import { listedOf } from './view';

/** Enough to make room; a failure travels through history, where a long list has no place. */
const SHOWN = 5;

/** Fails as InsufficientDisk, naming what is missing and what could go. What is on the disk already counts for itself: files that are whole are not asked for again. */
export async function assertRoom(parts: Parts, attempt: Attempt, coming: readonly Coming[]): Promise<void> {
  const { free, blockBytes } = await freeBelow(parts.store.root);
  const want = roomFor(coming, blockBytes);
  if (free.bytes >= want.bytes && free.inodes >= want.inodes) return;
  throw await insufficient(parts, attempt, want, free);
}

/**
 * A disk that filled up although there was room: somebody else writes to it too. What was fetched is given back, so that the journal can still be written and the model
 * server can live; then the failure says what is missing. Any other error is as it was.
 */
export async function giveBack(parts: Parts, attempt: Attempt, stagingPath: string, coming: readonly Coming[], error: SegueError): Promise<SegueError> {
  if (error.code !== 'InsufficientDisk' || 'couldGo' in error.detail) return error; // With it: refused before anything was written.
  await parts.store.discard(stagingPath);
  const { free, blockBytes } = await freeBelow(parts.store.root);
  return insufficient(parts, attempt, roomFor(coming, blockBytes), free, error);
}

async function freeBelow(root: string): Promise<{ readonly free: Room; readonly blockBytes: number }> {
  const { bavail, bsize, files, ffree } = await onDisk('ask for the free space', () => statfs(root));
  // File systems that make inodes as they need them say that they have none at all.
  return { free: { bytes: bavail * bsize, inodes: files === 0 ? Infinity : ffree }, blockBytes: bsize };
}

async function insufficient(parts: Parts, { model, version }: Attempt, want: Room, free: Room, cause?: unknown): Promise<SegueError> {
  const { root } = parts.store;
  const missing = { bytes: Math.max(0, want.bytes - free.bytes), inodes: Math.max(0, want.inodes - free.inodes) };
  const lacks = [...missing.bytes > 0 ? [`${missing.bytes} bytes`] : [], ...missing.inodes > 0 ? [`${missing.inodes} inodes`] : []];
  const could = await whatCouldGo(parts, model);
  const shown = could.slice(0, SHOWN).map((one) => `${one.model}/${one.version} (${one.bytes} bytes, ${one.why})`).join(', ');
  const more = could.length > SHOWN ? ` and ${could.length - SHOWN} more` : '';
  const found = Number.isFinite(free.inodes) ? `${free.bytes} bytes and ${free.inodes} inodes` : `${free.bytes} bytes`;
  return fail('InsufficientDisk',
    `${parts.server}: ${model}/${version} to ${root}: want ${want.bytes} bytes and ${want.inodes} inodes free, found ${found}: ${lacks.length === 0 ? 'it filled up while it was written' : `${lacks.join(' and ')} missing`}; ${could.length === 0 ? 'no version here could go' : `what could go: ${shown}${more}`}`,
    { server: parts.server, want, found: { bytes: free.bytes, ...Number.isFinite(free.inodes) ? { inodes: free.inodes } : {} }, missing, couldGo: could.slice(0, SHOWN) }, cause);
}

interface CouldGo {
  readonly model: ModelName;
  readonly version: Version;
  readonly bytes: number;
  readonly why: string;
}

/** Versions on the disk that no list names and no restart boots. The largest first. They are a person's to remove: the fleet retains what a rollback needs. */
async function whatCouldGo({ journal, store }: Parts, model: ModelName): Promise<readonly CouldGo[]> {
  const could: CouldGo[] = [];
  for (const one of new Set([model, ...journal.models.keys()])) {
    const entry = journal.entry(one);
    for (const version of await versionsBelow(basePath(store.root, one))) {
      if (entry.promoted === version || listedOf(entry).includes(version)) continue;
      could.push({ model: one, version, bytes: await sizeBelow(store.versionPath(one, version)), why: entry.staged[version] === undefined ? 'not on record' : 'kept for going back' });
    }
  }
  return could.sort((a, b) => b.bytes - a.bytes);
}

async function versionsBelow(base: string): Promise<readonly Version[]> {
  return (await namesBelow(base)).filter((name) => /^[1-9][0-9]{0,18}$/.test(name)).map((name) => name as Version).sort(compareVersions);
}

/** Versions come and go while we look. */
async function sizeBelow(path: string): Promise<number> {
  const sizes = await Promise.all((await namesBelow(path, true)).map(async (name) => {
    const one = await orMissing(undefined, stat(join(path, name)));
    return one?.isFile() === true ? one.size : 0;
  }));
  return sizes.reduce((sum, size) => sum + size, 0);
}

function namesBelow(path: string, recursive = false): Promise<readonly string[]> {
  return onDisk(`list ${path}`, () => orMissing([], readdir(path, { recursive })));
}

async function orMissing<T, M>(instead: M, work: Promise<T>): Promise<T | M> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return instead;
    throw error;
  }
}
