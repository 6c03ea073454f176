// The disk under one root (DESIGN §7): what a server may see is whole, verified and durable, and comes and goes by one rename.

import { randomBytes } from 'node:crypto';
import { lstat, open, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../domain/failures';
import { basePath, sentinelPath, SENTINEL_VERSION } from '../domain/list';
import type { ModelName, Pin, Version } from '../domain/names';
import { diskFailure, isMissing, onDisk } from './disk-failure';
import { makeDirectory, syncDirectory } from './durable-file';
import { allEnded } from './live';

export class ModelStore {
  /** Trees of which an fsync failed and which could not be removed yet: never published, whatever a later fsync of them says. */
  readonly #condemned = new Set<string>();
  /** Models of which a version came or went, and no fsync has said yet that it lasts. */
  readonly #unsettled = new Set<ModelName>();

  /** @param root absolute; on one file system, or the rename that stages would be a copy. */
  constructor(readonly root: string) {}

  async prepare(): Promise<void> {
    await onDisk(`prepare ${this.root}`, async () => {
      await makeDirectory(join(sentinelPath(this.root), SENTINEL_VERSION));
      await makeDirectory(join(this.root, 'staging'));
      // A process before this one may have been killed between a rename and its fsync. What is seen below a base path is believed from here on.
      const models = join(this.root, 'models');
      for (const entry of await readdir(models, { withFileTypes: true })) if (entry.isDirectory()) await syncDirectory(join(models, entry.name));
      await syncDirectory(models);
    });
  }

  bootFile(): string {
    return join(this.root, 'boot.config');
  }

  versionPath(model: ModelName, version: Version): string {
    return join(basePath(this.root, model), version);
  }

  /** Never numeric below a base path, and another for each listing: bytes of one source are never taken for another's. */
  stagingPath(model: ModelName, version: Version, pin: Pin): string {
    return join(this.stagingOf(model), `${version}-${pin.replace(/^pin:/, '').slice(0, 12)}`);
  }

  stagingOf(model: ModelName): string {
    return join(this.root, 'staging', model);
  }

  /** Whole below the base path, and there to stay: what a power cut could still undo is made to last first. */
  async has(model: ModelName, version: Version): Promise<boolean> {
    if (!await this.isThere(this.versionPath(model, version))) return false;
    await this.#settle(model);
    return true;
  }

  /** A directory. */
  async isThere(path: string): Promise<boolean> {
    return onDisk(`look for ${path}`, async () => (await missingAs(undefined, stat(path)))?.isDirectory() ?? false);
  }

  /**
   * Makes every byte below the staging path last: before the rename, because a power cut would otherwise leave empty files under their final names.
   * A failed fsync condemns the whole tree, which is removed: its pages count as clean although they were never written (reliability reference §1.6).
   */
  async makeDurable(path: string, signal: AbortSignal): Promise<void> {
    try {
      if (this.#condemned.has(path)) throw new Error('an earlier fsync of it failed');
      await syncTree(path, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      this.#condemned.add(path);
      await this.discard(path);
      throw diskFailure(error, `fsync ${path}`);
    }
  }

  /** An fsync below it failed: of no use to anybody. */
  isCondemned(path: string): boolean {
    return this.#condemned.has(path);
  }

  /** The commit: visible, whole, by one rename. `assert` is called immediately before it. */
  async publish(from: string, model: ModelName, version: Version, assert: () => void): Promise<void> {
    const tried = `stage ${model}/${version}`;
    await onDisk(tried, async () => {
      await makeDirectory(basePath(this.root, model));
      await syncDirectory(join(this.root, 'models'));
    });
    assert();
    this.#unsettled.add(model);
    await onDisk(tried, () => rename(from, this.versionPath(model, version)));
    await this.#settle(model);
  }

  /** Out of the base path by one rename first, so that no server ever sees a part of it; then away. Twice is once. */
  async remove(model: ModelName, version: Version, assert: () => void): Promise<void> {
    const trash = `trash-${version}-`;
    await onDisk(`remove ${model}/${version}`, () => makeDirectory(this.stagingOf(model)));
    assert();
    this.#unsettled.add(model);
    await onDisk(`remove ${model}/${version}`, () => missingAs(undefined, rename(this.versionPath(model, version), join(this.stagingOf(model), `${trash}${randomBytes(4).toString('hex')}`))));
    await this.#settle(model);
    // Also what an earlier removal of this version could not remove any more.
    for (const entry of await list(this.stagingOf(model))) if (entry.startsWith(trash)) await this.discard(join(this.stagingOf(model), entry));
  }

  /** Removes something no server can see. The record first: what is left of the bytes is believed by nobody then. */
  async discard(path: string): Promise<void> {
    await onDisk(`remove ${path}`, async () => {
      await rm(`${path}.json`, { force: true });
      await removeTree(path);
    });
    this.#condemned.delete(path);
  }

  /** Makes what came to or went from a base path last. */
  async #settle(model: ModelName): Promise<void> {
    if (!this.#unsettled.has(model)) return;
    await onDisk(`fsync ${basePath(this.root, model)}`, async () => {
      await missingAs(undefined, syncDirectory(basePath(this.root, model)));
      await syncDirectory(this.stagingOf(model));
    });
    this.#unsettled.delete(model);
  }

  /** Removes everything below a model's staging directory but what `owned` names: trash, and bytes of attempts that are over. */
  async sweep(model: ModelName, owned: string | undefined): Promise<void> {
    for (const entry of await list(this.stagingOf(model))) {
      const path = join(this.stagingOf(model), entry);
      if (path !== owned && path !== `${owned}.json`) await this.discard(path);
    }
  }

  /** Models with a staging directory, whoever made it. */
  async stagedModels(): Promise<readonly ModelName[]> {
    return await list(join(this.root, 'staging')) as ModelName[];
  }
}

function list(path: string): Promise<readonly string[]> {
  return onDisk(`list ${path}`, () => missingAs([], readdir(path)));
}

async function missingAs<T, M>(instead: M, work: Promise<T>): Promise<T | M> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return instead;
    throw error;
  }
}

/** An abort waits for it, and on a busy machine each way to another thread and back takes milliseconds: Node's own `rm` goes there for a look at each name, too. A link is removed, and never followed. What we cannot name is left to `rm`. */
async function removeTree(path: string, isDirectory?: boolean): Promise<void> {
  if (isDirectory === undefined ? (await missingAs(undefined, lstat(path)))?.isDirectory() !== true : !isDirectory) return missingAs(undefined, unlink(path));
  await allEnded((await missingAs([], readdir(path, { withFileTypes: true }))).map((entry) => removeTree(join(path, entry.name), entry.isDirectory())));
  try {
    await missingAs(undefined, rmdir(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
    await rm(path, { recursive: true, force: true });
  }
}

/** Files before their directory; nothing but files and directories may be in a version. */
async function syncTree(path: string, signal: AbortSignal): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    signal.throwIfAborted();
    const child = join(path, entry.name);
    if (entry.isDirectory()) await syncTree(child, signal);
    else if (entry.isFile()) await syncFile(child);
    else throw fail('IntegrityMismatch', `${child}: want a file or a directory, found neither`, { path: child });
  }
  await syncDirectory(path);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
