// The files below a directory, and their checksums as they are on the disk now.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fail } from '../domain/failures';
import type { ManifestFile } from '../domain/source';
import { diskFailure, onDisk } from './disk-failure';

const readBytes = 1024 * 1024; // Few system calls, little memory.

/** Paths of all files relative to `dir`, with `/`. Fails as IntegrityMismatch where something is neither file nor directory. */
export async function filesBelow(dir: string, prefix = ''): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await onDisk(`list ${join(dir, prefix)}`, () => readdir(join(dir, prefix), { withFileTypes: true }))) {
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) found.push(...await filesBelow(dir, path));
    else if (entry.isFile()) found.push(path);
    else throw fail('IntegrityMismatch', `${join(dir, path)}: want a file or a directory, found neither`, { path });
  }
  return found;
}

/** Reads the whole file. `onBytes` is told as it goes. Rejects with the signal's reason when aborted. */
export async function hashFile(dir: string, path: string, signal: AbortSignal, onBytes: (bytes: number) => void = () => undefined): Promise<ManifestFile> {
  const hash = createHash('sha256');
  let size = 0;
  try {
    await pipeline(createReadStream(join(dir, path), { highWaterMark: readBytes }), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        size += chunk.length;
        onBytes(chunk.length);
      }
    }, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw diskFailure(error, `read ${join(dir, path)}`);
  }
  return { path, size, sha256: hash.digest('hex') };
}

export async function hashTree(dir: string, signal: AbortSignal, onBytes?: (bytes: number) => void): Promise<readonly ManifestFile[]> {
  const files: ManifestFile[] = [];
  for (const path of await filesBelow(dir)) files.push(await hashFile(dir, path, signal, onBytes));
  return files;
}

/** Removes every file that `keep` does not name. */
export async function keepOnly(dir: string, keep: ReadonlySet<string>): Promise<void> {
  for (const path of await filesBelow(dir)) if (!keep.has(path)) await onDisk(`remove ${join(dir, path)}`, () => rm(join(dir, path)));
}

export async function sizeOf(dir: string, path: string): Promise<number | undefined> {
  return (await stat(join(dir, path)).catch(() => undefined))?.size; // Not there, or not to be read: not whole either way.
}

/** Bytes of the disk it has already; a file half written has fewer than its size. */
export async function allocated(dir: string, path: string): Promise<number> {
  return ((await stat(join(dir, path)).catch(() => undefined))?.blocks ?? 0) * 512;
}
