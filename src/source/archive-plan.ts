// What an archive may become on disk: decided over all of its entries before a byte is written. No I/O.

import { fail } from '../domain/failures';
import type { SegueError } from '../domain/failures';
import { reasonNotFileSet, reasonNotPath } from './key-path';
import { MAX_FILES } from './manifest';

/** One entry as the archive describes it. */
export interface ArchiveEntry {
  /** As stored; directories often with `/` at the end. */
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link' | 'special';
  /** Of the file once unpacked, as declared. */
  readonly bytes: number;
  /** At least where its packed bytes lie in the archive, where the format says so. */
  readonly packed?: { readonly from: number; readonly to: number };
  /** Why nobody can read its bytes: encrypted, packed by something unknown. */
  readonly unreadable?: string;
}

export interface ArchiveLimits {
  /** Files and directories together. */
  readonly maxEntries: number;
  /** Unpacked. The caller knows its free disk. */
  readonly maxBytes: number;
  /** Unpacked bytes for each packed one, of the whole archive. */
  readonly maxRatio: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  /** A version has at most MAX_FILES files; as many again for directories. */
  maxEntries: 2 * MAX_FILES,
  /** More than any model a server holds in memory. */
  maxBytes: 2 ** 40,
  /** Deflate can do 1,032. Weights do 1.1; a table that is still all zeros does more. */
  maxRatio: 200,
};

/** Small archives may be as dense as they like: a file of zeros is no bomb. */
const RATIO_FROM_BYTES = 64 * 2 ** 20;

/** May this many bytes come out of an archive of that many? */
export function tooManyBytes(bytes: number, archiveBytes: number, limits: ArchiveLimits): string | undefined {
  if (bytes > limits.maxBytes) return `it unpacks to more than ${limits.maxBytes} bytes`;
  if (bytes > RATIO_FROM_BYTES && bytes > archiveBytes * limits.maxRatio) return `it unpacks to more than ${limits.maxRatio} times its ${archiveBytes} bytes`;
  return undefined;
}

/** Throws InvalidSavedModel, naming the entry and the reason. */
export class ArchivePlan {
  private readonly entries: ArchiveEntry[] = [];
  #bytes = 0;
  constructor(private readonly archive: string, private readonly archiveBytes: number, private readonly limits: ArchiveLimits) {}

  add(entry: ArchiveEntry): void {
    this.#bytes += entry.bytes;
    const why = this.entries.push(entry) > this.limits.maxEntries ? `the archive has more than ${this.limits.maxEntries} entries` : reasonNotEntry(entry) ?? tooManyBytes(this.#bytes, this.archiveBytes, this.limits);
    if (why !== undefined) throw refused(this.archive, entry.name, why);
  }

  /** Unpacked, as declared. */
  get bytes(): number {
    return this.#bytes;
  }

  /** By the entry's name: the path its file gets, without the one folder around everything. */
  paths(): ReadonlyMap<string, string> {
    const shared = overlapping(this.entries);
    if (shared !== undefined) throw refused(this.archive, shared.name, 'its packed bytes are another entry\'s too');
    const files = this.entries.filter(({ kind }) => kind === 'file').map(({ name }) => name);
    if (files.length === 0 || files.length > MAX_FILES) throw refused(this.archive, '', `want 1 to ${MAX_FILES} files, found ${files.length}`);
    const bad = reasonNotFileSet(files.map(withoutDot)) ?? directoryOverFile(this.entries);
    if (bad !== undefined) throw refused(this.archive, bad.path, bad.why);
    const top = topFolder(files.map(withoutDot));
    const paths = new Map(files.map((name) => [name, withoutDot(name).slice(top.length)]));
    // It is unpacked beside the archive itself.
    const own = [...paths].find(([, path]) => path.toLowerCase() === this.archive.toLowerCase());
    if (own !== undefined) throw refused(this.archive, own[0], 'it has the name of the archive itself');
    return paths;
  }
}

function reasonNotEntry({ name, kind, unreadable }: ArchiveEntry): string | undefined {
  switch (kind) {
    case 'link': return 'it is a link; only files and directories are unpacked';
    case 'special': return 'it is neither a file nor a directory';
    case 'file': return unreadable ?? reasonNotPath(withoutDot(name));
    // `./` is the archive's own root.
    case 'directory': return directoryPath(name) === '' ? undefined : reasonNotPath(directoryPath(name));
  }
}

/** `tar -C DIR .` begins each name so. */
function withoutDot(name: string): string {
  return name.replace(/^(\.\/)+/, '');
}

function directoryPath(name: string): string {
  const path = withoutDot(name).replace(/\/$/, '');
  return path === '.' ? '' : path;
}

/** Directories come with the files in them; one in a file's place, by whatever spelling, means two readers would unpack two things. */
function directoryOverFile(entries: readonly ArchiveEntry[]): { readonly path: string; readonly why: string } | undefined {
  const files = entries.filter(({ kind }) => kind === 'file').map(({ name }) => withoutDot(name));
  const directories = new Set(entries.filter(({ kind }) => kind === 'directory').map(({ name }) => directoryPath(name)));
  directories.delete('');
  // A file in each: then the rules for files say it all, twins among directories included.
  const bad = reasonNotFileSet([...files, ...[...directories].map((path) => `${path}/\u{10ffff}`)]);
  return bad === undefined ? undefined : { path: bad.path.replace(/\/\u{10ffff}$/u, ''), why: bad.why.replace('/\u{10ffff}', '') };
}

/** A zip bomb of a few megabytes unpacks the same packed bytes a million times. */
function overlapping(entries: readonly ArchiveEntry[]): ArchiveEntry | undefined {
  let end = 0;
  const placed = entries.flatMap((entry) => (entry.packed === undefined ? [] : [{ entry, ...entry.packed }])).sort((a, b) => a.from - b.from);
  for (const { entry, from, to } of placed) {
    if (from < end) return entry;
    end = to;
  }
  return undefined;
}

/** `0002/` where everything is in it and the graph directly so; nothing otherwise. */
function topFolder(files: readonly string[]): string {
  const top = files[0]?.slice(0, files[0].indexOf('/') + 1) ?? '';
  const graph = files.includes(`${top}saved_model.pb`) || files.includes(`${top}saved_model.pbtxt`);
  return top !== '' && graph && files.every((file) => file.startsWith(top)) ? top : '';
}

export function refused(archive: string, entry: string, why: string): SegueError {
  return fail('InvalidSavedModel', `unpack ${archive}${entry === '' ? '' : `, entry ${JSON.stringify(entry.slice(0, 300))}`}: ${why}`, { file: archive, entry, found: why });
}
