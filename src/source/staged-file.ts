// One file of a partial version while it is written: created below its destination and nowhere else, hashed as it grows.

import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { close, constants, fstat, open as openDescriptor } from 'node:fs';
import { lstat, mkdir, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fail } from '../domain/failures';
import { reasonNotPath } from './key-path';
import type { Made } from './whole-file';

const [openFile, closeFile, statFile] = [promisify(openDescriptor), promisify(close), promisify(fstat)];

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
    return onDisk(path, async () => new StagedFile(await openNew(destination, path, new Set(), (file) => open(file, NEW, FILE_MODE)), path));
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

/** As `StagedFile.create`, for whoever writes by himself: gives the descriptor. @param directories those below `destination` that were looked at already */
export async function createFile(destination: string, path: string, directories: Set<string>): Promise<number> {
  return onDisk(path, () => openNew(destination, path, directories, (file) => openFile(file, NEW, FILE_MODE)));
}

/** What an earlier life left under this name, to go on with; nothing where it is not a file of this size, or is a link, or shares its bytes. */
export async function reopenFile(destination: string, path: string, size: number): Promise<number | undefined> {
  const file = await onDisk(path, () => placeOf(destination, path, new Set()));
  const fd = await openFile(file, constants.O_RDWR | constants.O_NOFOLLOW).catch(() => undefined);
  if (fd === undefined) return undefined;
  const found = await statFile(fd);
  if (found.isFile() && found.size === size && found.nlink === 1) return fd;
  await closeFile(fd);
  return undefined;
}

const NEW = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** As `createFile`, for the thread that does it by itself. */
export const MADE: Made = { flags: NEW, mode: FILE_MODE };

/** Where the file goes, its directories made one by one: Node's recursive mkdir tells a full disk as a missing directory. */
export async function placeOf(destination: string, path: string, directories: Set<string>): Promise<string> {
  const why = reasonNotPath(path);
  if (why !== undefined) throw new Error(`${JSON.stringify(path)} reached the disk unchecked: ${why}`);
  const components = path.split('/');
  const name = components.pop() ?? '';
  let directory = destination;
  for (const component of components) {
    directory = join(directory, component);
    if (directories.has(directory)) continue;
    await mkdir(directory, { mode: DIRECTORY_MODE }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    if (!(await lstat(directory)).isDirectory()) throw new Error(`${directory}: want a directory, found something else`);
    directories.add(directory);
  }
  return join(directory, name);
}

async function openNew<T>(destination: string, path: string, directories: Set<string>, open: (file: string) => Promise<T>): Promise<T> {
  const file = await placeOf(destination, path, directories);
  try {
    return await open(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await rm(file, { force: true });
    return await open(file);
  }
}

async function onDisk<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw diskFailure(path, error);
  }
}

/** A full disk is a row; any other trouble of our own disk is not one the source could explain. */
export function diskFailure(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' ? fail('InsufficientDisk', `write ${path}: ${code}`, { file: path, found: code }, error) : error;
}
