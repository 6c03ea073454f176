// A small file in one go, in a thread that hashes: made, written, hashed, on the disk and closed for one message, because each of these steps alone would cost the thread that reads as much as the body does.

import type Fs from 'node:fs';
import type { Checksum, Sum } from './checksum';

/** Where there are fewer small files than this, a thread takes longer to start than they take to write. */
export const WHOLE_FROM_FILES = 32;

export interface WholeFile {
  /** Absolute, in a directory that is there. */
  readonly path: string;
  /** Within the memory shared with the thread. */
  readonly at: number;
  readonly length: number;
  readonly sums: readonly { readonly name: string; readonly sum: Sum }[];
  /** On the disk before it is told. */
  readonly durable: boolean;
}

/** What a file that is made is opened with. */
export interface Made {
  readonly flags: number;
  readonly mode: number;
}

/**
 * Runs in a thread, as text: uses nothing from outside itself. As staged-file.ts does, it never opens what is there. Stopped on the way it writes no further. The file is
 * closed whatever happens. Gives nothing where it was stopped, else what the hashes are to be asked for.
 */
export function putWhole(fs: typeof Fs, { flags, mode }: Made, { path, durable }: Pick<WholeFile, 'path' | 'durable'>, bytes: Uint8Array, hashes: readonly Checksum[], stopped: () => boolean): boolean {
  if (stopped()) return false;
  let fd: number;
  try {
    fd = fs.openSync(path, flags, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    fs.rmSync(path, { force: true });
    fd = fs.openSync(path, flags, mode);
  }
  try {
    for (let done = 0; done < bytes.length;) {
      if (stopped()) return false;
      done += fs.writeSync(fd, bytes, done, bytes.length - done, done);
    }
    for (const hash of hashes) {
      if (stopped()) return false;
      hash.update(bytes);
    }
    if (stopped()) return false;
    if (durable) fs.fdatasyncSync(fd);
    return true;
  } finally {
    fs.closeSync(fd);
  }
}
