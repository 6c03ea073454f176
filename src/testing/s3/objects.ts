// What a bucket holds: in memory, with versions where asked for, or the files of a directory as they are at this moment.

import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { partsOf } from './checksums';

export interface StoredObject {
  readonly key: string;
  readonly size: number;
  /** Quoted, as on the wire: the MD5 of the bytes, or of the MD5s of the parts it was put in. */
  readonly etag: string;
  readonly partBytes?: number;
  readonly modifiedMs: number;
  readonly versionId?: string;
  /** Header name → value, such as `x-amz-checksum-sha256`. */
  readonly checksums: Readonly<Record<string, string>>;
  /** The bytes from `from` up to and without `to`. */
  read(from: number, to: number): AsyncIterable<Buffer>;
}

export interface Bucket {
  /** The newest of each key, in the order of the keys' UTF-8 bytes. */
  list(): Promise<readonly StoredObject[]>;
  get(key: string, versionId?: string): Promise<StoredObject | undefined>;
  put(key: string, bytes: Buffer, checksums?: Readonly<Record<string, string>>, partBytes?: number): Promise<StoredObject>;
  delete(key: string): Promise<void>;
}

export interface Objects {
  bucket(name: string): Promise<Bucket | undefined>;
  create(name: string): Promise<Bucket>;
}

export function inMemory(options: { readonly versioning: boolean }): Objects {
  const buckets = new Map<string, Bucket>();
  return {
    bucket: (name) => Promise.resolve(buckets.get(name)),
    create: (name) => {
      const bucket = buckets.get(name) ?? new MemoryBucket(options.versioning);
      buckets.set(name, bucket);
      return Promise.resolve(bucket);
    },
  };
}

class MemoryBucket implements Bucket {
  /** Newest last; one only without versioning. */
  readonly #objects = new Map<string, StoredObject[]>();
  readonly #versioning: boolean;

  constructor(versioning: boolean) {
    this.#versioning = versioning;
  }

  list(): Promise<readonly StoredObject[]> {
    return Promise.resolve(sorted([...this.#objects.values()].flatMap((versions) => versions.slice(-1))));
  }

  get(key: string, versionId?: string): Promise<StoredObject | undefined> {
    const versions = this.#objects.get(key) ?? [];
    return Promise.resolve(versionId === undefined ? versions.at(-1) : versions.find((one) => one.versionId === versionId));
  }

  put(key: string, bytes: Buffer, checksums: Readonly<Record<string, string>> = {}, partBytes?: number): Promise<StoredObject> {
    const object: StoredObject = {
      key,
      size: bytes.length,
      etag: partBytes === undefined ? etagOf(bytes) : etagOfParts(partsOf(bytes, partBytes)),
      ...(partBytes === undefined ? {} : { partBytes }),
      modifiedMs: Date.now(),
      ...(this.#versioning ? { versionId: randomBytes(16).toString('base64url') } : {}),
      checksums,
      read: async function* (from, to) {
        for (let at = from; at < to; at += CHUNK) yield bytes.subarray(at, Math.min(at + CHUNK, to));
      },
    };
    this.#objects.set(key, [...(this.#versioning ? (this.#objects.get(key) ?? []) : []), object]);
    return Promise.resolve(object);
  }

  delete(key: string): Promise<void> {
    this.#objects.delete(key);
    return Promise.resolve();
  }
}

const CHUNK = 64 * 1024;

/** Every directory below `root` is a bucket, every file below that an object. Read afresh for each request. */
export function inDirectory(root: string): Objects {
  const etags = new Map<string, string>();
  const open = async (name: string): Promise<Bucket | undefined> => {
    if (!safe(name)) return undefined;
    const found = await stat(join(root, name)).catch(() => undefined);
    return found?.isDirectory() ? new DirectoryBucket(join(root, name), etags) : undefined;
  };
  return {
    bucket: open,
    create: async (name) => {
      if (!safe(name)) throw new Error(`${JSON.stringify(name)} cannot be a bucket in a directory`);
      await mkdir(join(root, name), { recursive: true });
      return new DirectoryBucket(join(root, name), etags);
    },
  };
}

class DirectoryBucket implements Bucket {
  readonly #directory: string;
  /** MD5 by path, size and time of change: hashed once, not for every listing. */
  readonly #etags: Map<string, string>;

  constructor(directory: string, etags: Map<string, string>) {
    this.#directory = directory;
    this.#etags = etags;
  }

  async list(): Promise<readonly StoredObject[]> {
    const entries = await readdir(this.#directory, { recursive: true, withFileTypes: true });
    const keys = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(this.#directory.length + 1));
    const objects = await Promise.all(keys.map((key) => this.get(key.split(sep).join('/'))));
    return sorted(objects.filter((object) => object !== undefined));
  }

  async get(key: string): Promise<StoredObject | undefined> {
    if (!safe(key)) return undefined;
    const file = join(this.#directory, key);
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) return undefined;
    const identity = `${file}\0${found.size}\0${found.mtimeMs}`;
    const etag = this.#etags.get(identity) ?? etagOf(await readFile(file));
    this.#etags.set(identity, etag);
    return {
      key,
      size: found.size,
      etag,
      modifiedMs: found.mtimeMs,
      checksums: {},
      read: (from, to) => (from < to ? createReadStream(file, { start: from, end: to - 1, highWaterMark: CHUNK }) : nothing()),
    };
  }

  async put(key: string, bytes: Buffer): Promise<StoredObject> {
    if (!safe(key)) throw new Error(`${JSON.stringify(key)} cannot be a file`);
    const file = join(this.#directory, key);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, bytes);
    const object = await this.get(key);
    if (!object) throw new Error(`${file} vanished while it was put`);
    return object;
  }

  async delete(key: string): Promise<void> {
    if (safe(key)) await rm(join(this.#directory, key), { force: true });
  }
}

async function* nothing(): AsyncIterable<Buffer> {}

/** No way out of the directory. */
function safe(key: string): boolean {
  return key !== '' && !key.includes('\0') && key.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

export function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

function etagOfParts(parts: readonly Buffer[]): string {
  return `"${createHash('md5').update(Buffer.concat(parts.map((part) => createHash('md5').update(part).digest()))).digest('hex')}-${parts.length}"`;
}

function sorted(objects: readonly StoredObject[]): readonly StoredObject[] {
  const named = objects.map((object) => ({ object, name: Buffer.from(object.key) }));
  return named.sort((a, b) => Buffer.compare(a.name, b.name)).map(({ object }) => object);
}
