// sources/storage_path/file_system_storage_path_source.cc: which versions of each model are wanted, by looking at the disk (reference §3).

import type { FileSystemStoragePathSourceConfig_ServableVersionPolicy as VersionPolicy } from '../../proto/gen/tensorflow_serving/config/file_system_storage_path_source_pb';
import type { Clock } from './clock';
import { joinPath, type FileSystemView } from './fs-view';
import type { AspiredVersion } from './manager';
import { compareBigint } from './servable-id';
import { ServingError } from './status';
import { PeriodicFunction } from './threads';
import { versionOfChild } from './version-names';

export interface ServableToMonitor {
  readonly name: string;
  readonly basePath: string;
  readonly policy: VersionPolicy | undefined;
}

export interface SourceOptions {
  /** --file_system_poll_wait_seconds: 0 polls once, negative never. */
  readonly pollWaitSeconds: number;
  readonly startDelayMs: number;
  readonly lateMs: number;
}

export type AspiredVersionsCallback = (name: string, versions: readonly AspiredVersion[]) => void;

export class FileSystemSource {
  #servables: readonly ServableToMonitor[];
  readonly #files: FileSystemView;
  readonly #aspire: AspiredVersionsCallback;
  readonly #warn: (text: string) => void;
  readonly #thread: PeriodicFunction | undefined;
  #stopped = false;

  constructor(
    clock: Clock, files: FileSystemView, options: SourceOptions, servables: readonly ServableToMonitor[],
    aspire: AspiredVersionsCallback, warn: (text: string) => void,
  ) {
    this.#servables = servables;
    this.#files = files;
    this.#aspire = aspire;
    this.#warn = warn;
    if (options.pollWaitSeconds > 0) {
      const { startDelayMs, lateMs } = options;
      this.#thread = new PeriodicFunction(clock, { everyMs: options.pollWaitSeconds * 1000, startDelayMs, lateMs }, () => this.#poll());
    } else if (options.pollWaitSeconds === 0) {
      void clock.sleep(options.startDelayMs).then(() => { if (!this.#stopped) this.#poll(); });
    }
  }

  get servables(): readonly ServableToMonitor[] {
    return this.#servables;
  }

  /** Models that are no longer listed lose all their versions now; everything else is seen at the next poll. */
  updateConfig(servables: readonly ServableToMonitor[]): void {
    const kept = new Set(servables.map(({ name }) => name));
    for (const name of this.#servables.map((servable) => servable.name).filter((old) => !kept.has(old)).toSorted()) this.#aspire(name, []);
    this.#servables = servables;
  }

  stop(): void {
    this.#stopped = true;
    this.#thread?.stop();
  }

  /** All or nothing: one unreadable base path freezes discovery for every model (s007). */
  #poll(): void {
    const found = new Map<string, AspiredVersion[]>();
    try {
      for (const servable of this.#servables) if (!found.has(servable.name)) found.set(servable.name, versionsOf(servable, this.#files, this.#warn));
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      this.#warn(`FileSystemStoragePathSource encountered a filesystem access error: ${error.message}`);
      return;
    }
    for (const [name, versions] of [...found].toSorted(([a], [b]) => (a < b ? -1 : 1))) this.#aspire(name, versions);
  }
}

/** What one model's policy wants of what is there. */
export function versionsOf(servable: ServableToMonitor, files: FileSystemView, warn: (text: string) => void): AspiredVersion[] {
  const { name, basePath, policy } = servable;
  if (!files.exists(basePath)) {
    throw new ServingError('NOT_FOUND', `Could not find base path ${basePath} for servable ${name} with error NOT_FOUND: ${basePath} not found`);
  }
  const choice = policy?.policyChoice;
  if (choice?.case === 'specific') {
    // No listing when each wanted number is there by its plain spelling; the list's own order and repetitions stay.
    const plain = choice.value.versions.map((version) => ({ version, path: joinPath(basePath, String(version)) }));
    if (plain.length > 0 && plain.every(({ path }) => files.exists(path))) return plain;
  }
  const children = [...new Set(files.children(basePath).map((child) => child.split('/', 1)[0] ?? child))].toSorted();
  const found = children.flatMap((child) => {
    const version = versionOfChild(child);
    return version === undefined ? [] : [{ version, path: joinPath(basePath, child) }];
  });
  const versions = wanted(choice, found, name, warn);
  if (versions.length === 0) {
    warn(`No versions of servable ${name} found under base path ${basePath}. Did you forget to name your leaf directory as a number (eg. '/1/')?`);
  }
  return versions;
}

function wanted(choice: VersionPolicy['policyChoice'] | undefined, found: readonly AspiredVersion[], name: string, warn: (text: string) => void): AspiredVersion[] {
  if (choice?.case === 'all') return [...found];
  // Of two spellings of one number the last in byte order counts (s032).
  const byVersion = [...new Map(found.map((entry) => [entry.version, entry])).values()].toSorted((a, b) => compareBigint(a.version, b.version));
  if (choice?.case === 'specific') {
    for (const version of new Set(choice.value.versions)) {
      if (!byVersion.some((entry) => entry.version === version)) {
        warn(`Version ${version} of servable ${name}, which was requested to be served as a 'specific' version in the servable's version policy, was not found in the file system`);
      }
    }
    return byVersion.filter(({ version }) => choice.value.versions.includes(version));
  }
  const count = choice?.case === 'latest' ? Math.max(choice.value.numVersions, 1) : 1;
  return byVersion.toReversed().slice(0, count);
}
