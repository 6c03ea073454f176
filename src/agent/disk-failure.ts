// What an error of the file system means in words of the failure table.

import { fail, SegueError } from '../domain/failures';

const FULL = new Set(['ENOSPC', 'EDQUOT']);
/** An I/O error, a file system that was made read-only after one, rights that somebody took: for the people of that host. */
const REFUSED = new Set(['EIO', 'EROFS', 'EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ESTALE', 'ENODEV', 'ENXIO', 'ELOOP']);

/** @param tried such as `stage ranker/43`. */
export function diskFailure(error: unknown, tried: string): SegueError {
  if (error instanceof SegueError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  const found = error instanceof Error ? error.message : String(error);
  if (code !== undefined && FULL.has(code)) return fail('InsufficientDisk', `${tried}: no space left on the disk (${found})`, { tried, found: code }, error);
  return fail(code !== undefined && REFUSED.has(code) ? 'DiskFailed' : 'Bug', `${tried}: ${found}`, { tried, found: code ?? 'no code' }, error);
}

/** What the file system refuses, as a row of the failure table. */
export async function onDisk<T>(tried: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw diskFailure(error, tried);
  }
}

/** The same for work that a signal can end: its reason stays what it is. */
export async function onDiskUntil<T>(signal: AbortSignal, tried: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw signal.aborted ? error : diskFailure(error, tried);
  }
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}
