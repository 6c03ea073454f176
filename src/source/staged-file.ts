// One file of a partial version while it is written: created below its destination and nowhere else, hashed as it grows.

import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../domain/failures';
import { reasonNotPath } from './key-path';

/** Readable by the model server's group once staged; nobody else's business. */
const FILE_MODE = 0o640;
const DIRECTORY_MODE = 0o750;

export class StagedFile {
  readonly #handle: FileHandle;
  readonly #path: string;
  #hash: Hash = createHash('sha256');
  #size = 0;

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  /**
   * Removes what an older attempt left under this name, then creates the file anew. Never opens what is there: it might be a link, or share
   * its bytes with a version that is served. Nor does it pass a link among the directories below `destination`.
   */
  static async create(destination: string, path: string): Promise<StagedFile> {
    const why = reasonNotPath(path);
    if (why !== undefined) throw new Error(`${JSON.stringify(path)} reached the disk unchecked: ${why}`);
    return onDisk(path, async () => {
      const components = path.split('/');
      const name = components.pop() ?? '';
      let directory = destination;
      for (const component of components) {
        directory = join(directory, component);
        await mkdir(directory, { mode: DIRECTORY_MODE }).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
        });
        if (!(await lstat(directory)).isDirectory()) throw new Error(`${directory}: want a directory, found something else`);
      }
      const file = join(directory, name);
      await rm(file, { force: true });
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      return new StagedFile(await open(file, flags, FILE_MODE), path);
    });
  }

  get size(): number {
    return this.#size;
  }

  async write(bytes: Buffer): Promise<void> {
    await onDisk(this.#path, async () => {
      for (let done = 0; done < bytes.length; ) {
        done += (await this.#handle.write(bytes, done, bytes.length - done, this.#size + done)).bytesWritten;
      }
    });
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  /** Forgets everything written. */
  async restart(): Promise<void> {
    await onDisk(this.#path, () => this.#handle.truncate(0));
    this.#hash = createHash('sha256');
    this.#size = 0;
  }

  /** Of everything written, 64 lower-case hex digits. */
  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  async close(): Promise<void> {
    await onDisk(this.#path, () => this.#handle.close());
  }
}

/** A full disk is a row; any other trouble of our own disk is not one the source could explain. */
async function onDisk<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT') throw fail('InsufficientDisk', `write ${path}: ${code}`, { file: path, found: code }, error);
    throw error;
  }
}
