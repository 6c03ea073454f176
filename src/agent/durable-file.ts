// One small file, replaced so that whoever looks, after any crash, finds the content before or the content after (reliability reference §1.4).

import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { diskFailure, isMissing, onDisk } from './disk-failure';

/** temp, fsync, rename, fsync of the parent. A failed attempt leaves the old content, or the new one where only what follows the rename failed; the next one begins with a fresh file, because a failed fsync marks its pages clean. */
export async function replaceDurably(path: string, content: string): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    // Both at once, at the beginning and at the end: on a busy machine each way to libuv's threads and back takes milliseconds, and an abort waits for all of them.
    const opened = await Promise.allSettled([open(temporary, 'w', 0o644), open(dirname(path), 'r')]);
    try {
      const [file, directory] = opened.map(valueOf) as [FileHandle, FileHandle];
      await file.writeFile(content);
      await file.sync();
      await rename(temporary, path);
      await directory.sync();
    } finally {
      await Promise.all(opened.flatMap((one) => (one.status === 'fulfilled' ? one.value.close() : [])));
    }
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // Best effort: the next attempt truncates it.
    throw diskFailure(error, `write ${path}`);
  }
}

function valueOf<T>(one: PromiseSettledResult<T>): T {
  if (one.status === 'rejected') throw one.reason;
  return one.value;
}

/** What a process before this one wrote and may not have lived to fsync: its name and its bytes last from here on. Nothing to do where it is not there. */
export async function makeLast(path: string): Promise<void> {
  await onDisk(`fsync ${path}`, async () => {
    const file = await open(path, 'r').catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (file === undefined) return;
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await syncDirectory(dirname(path));
  });
}

/** The directory and those above it, where they are missing. Node's own recursive mkdir tells a full disk as ENOENT. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (isMissing(error) && dirname(path) !== path) {
      await makeDirectory(dirname(path));
      await mkdir(path);
    } else if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await stat(path)).isDirectory()) {
      throw error;
    }
  }
}

/** Makes renames and new names in a directory last. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
