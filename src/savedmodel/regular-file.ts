// Opening what must be an ordinary file: a model directory is other people's data, and a pipe or device in it must not hang or feed us for ever.

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from './finding';

/** The open file and its length, or undefined where nothing is there. Throws InvalidSavedModel (`layout`) where something else is. */
export async function openRegular(dir: string, path: string): Promise<{ readonly handle: FileHandle; readonly size: number } | undefined> {
  let handle: FileHandle;
  try {
    // O_NONBLOCK: opening a pipe without a writer would wait for one.
    handle = await open(join(dir, path), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO' || code === 'EISDIR') throw invalid('layout', path, `want a regular file, found ${code}`);
    throw error;
  }
  const stat = await handle.stat();
  if (stat.isFile()) return { handle, size: stat.size };
  await handle.close();
  throw invalid('layout', path, 'want a regular file, found something else');
}

/** The whole file, or undefined where nothing is there. More than `limit` bytes are not read: InvalidSavedModel (`limit`). */
export async function readRegular(dir: string, path: string, limit: number): Promise<Uint8Array | undefined> {
  const file = await openRegular(dir, path);
  if (file === undefined) return undefined;
  try {
    if (file.size > limit) throw invalid('limit', path, `has ${file.size} bytes, at most ${limit} are read`);
    const bytes = Buffer.allocUnsafeSlow(file.size);
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await file.handle.read(bytes, at, Math.min(bytes.length - at, 16 * 2 ** 20), at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return bytes.subarray(0, at);
  } finally {
    await file.handle.close();
  }
}
