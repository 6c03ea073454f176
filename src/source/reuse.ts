// Equal content that is on this disk already is linked, never fetched: what changed between two versions is usually one shard of many.

import { link, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ManifestFile } from '../domain/source';
import { HashThreads } from './hash-threads';
import type { SourceListing } from './listing';
import { placeOf } from './staged-file';
import { orAbort } from './watchdog';

export interface ReuseOptions {
  readonly signal: AbortSignal;
  /** These are there already. */
  readonly except: ReadonlySet<string>;
  /** Its checksums come after whatever else this process has to do. */
  readonly behind?: boolean;
}

/** Hashed at once: more only compete for the threads. */
const AT_ONCE = 2;

/**
 * Hard-links into `destination` every file whose content, by the sha256 its manifest names, lies in one of the directories: of the same path first, else of the same
 * size. What lies there is hashed now, so that no record has to be believed. Without a manifest nothing is known before it is fetched, and nothing is linked.
 */
export async function linkEqualFiles(listing: SourceListing, directories: readonly string[], destination: string, { signal, except, behind }: ReuseOptions): Promise<readonly ManifestFile[]> {
  const wanted = (listing.manifest ?? []).filter(({ path, size }) => size > 0 && !except.has(path));
  if (wanted.length === 0 || directories.length === 0) return [];
  const bySize = await filesBySize(directories, new Set(wanted.map(({ size }) => size)));
  const hashes = new HashThreads(new SharedArrayBuffer(0), () => undefined, behind);
  const digests = new Map<string, Promise<string | undefined>>();
  const sha256Of = (file: string, size: number): Promise<string | undefined> => {
    const known = digests.get(file) ?? orAbort(hashFile(hashes, file, size), signal);
    digests.set(file, known);
    return known;
  };
  const linked: ManifestFile[] = [];
  const left = [...wanted];
  const worker = async (): Promise<void> => {
    for (let file = left.pop(); file !== undefined; file = left.pop()) {
      const candidates = [...bySize.get(file.size) ?? []].sort((a, b) => Number(b.path === file?.path) - Number(a.path === file?.path));
      for (const { absolute } of candidates) {
        signal.throwIfAborted();
        if (await sha256Of(absolute, file.size) !== file.sha256 || !await linkFile(absolute, destination, file.path)) continue;
        linked.push(file);
        break;
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    await hashes.close();
  }
  return linked;
}

interface Candidate {
  readonly path: string;
  readonly absolute: string;
}

async function filesBySize(directories: readonly string[], sizes: ReadonlySet<number>): Promise<ReadonlyMap<number, readonly Candidate[]>> {
  const found = new Map<number, Candidate[]>();
  for (const directory of directories) {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []); // Gone, or never there: nothing to reuse.
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const absolute = join(entry.parentPath, entry.name);
      const size = await sizeOf(absolute);
      if (size !== undefined && sizes.has(size)) found.set(size, [...found.get(size) ?? [], { path: absolute.slice(directory.length + 1), absolute }]);
    }
  }
  return found;
}

async function sizeOf(file: string): Promise<number | undefined> {
  return (await lstat(file).catch(() => undefined))?.size;
}

/** Nothing where it cannot be read, or is of another size by now. */
async function hashFile(hashes: HashThreads, file: string, size: number): Promise<string | undefined> {
  const hash = hashes.open([{ algorithm: 'sha256' }]);
  const failure = await new Promise<Error | undefined>((resolve) => { hash.readFile(file, { from: 0, to: size }, resolve); });
  return failure === undefined ? (await hash.digest()).sha256 : undefined;
}

/** False where this file system, or these rights, do not allow it: then it is fetched. What an earlier life left under the name gives way. */
async function linkFile(from: string, destination: string, path: string): Promise<boolean> {
  const to = await placeOf(destination, path, new Set());
  await rm(to, { force: true });
  return link(from, to).then(() => true, () => false);
}
