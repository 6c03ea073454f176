// The bytes of a version into a directory: what is there already is kept, the rest comes over one of two paths (body-path.ts).

import { fail } from '../domain/failures';
import type { ManifestFile, SourceRef } from '../domain/source';
import type { Authority } from './authority';
import { bodyPathFor } from './body-path';
import type { BodyPath } from './body-path';
import type { SourceListing } from './listing';
import { downloadOverLanes } from './own-download';
import type { FetchedFile, OwnDownloadOptions } from './own-download';
import { removePartLog } from './part-log';
import { OwnPathCannotError } from './part-request';
import type { Verify } from './part-file';
import { openS3 } from './s3-client';
import type { S3Handle, S3Options } from './s3-client';
import { downloadBySdk } from './sdk-download';
import type { SocketLedger } from './sockets';
import { endpointOf } from './uri';
import type { WatchdogLimits } from './watchdog';

/** A file as it is on the disk now: path relative to the destination, bytes, 64 hex digits; and what it was held against when it arrived. */
export interface DownloadedFile extends ManifestFile {
  readonly authority?: Authority | undefined;
}

export interface DownloadOptions extends S3Options, WatchdogLimits {
  readonly signal: AbortSignal;
  /** Remembers every socket of this call, for the proof. */
  readonly sockets: SocketLedger;
  /** Connections, and so requests, at once. */
  readonly lanes?: number;
  /** Whole on this disk already: not fetched again where size and manifest agree. */
  readonly have?: readonly DownloadedFile[];
  /** Bytes of this version now on the disk, `have` included. Falls when a broken transfer begins anew. */
  readonly onProgress?: (bytesTotal: number) => void;
  /** A file is whole, closed and, where there is a manifest, equal to it. Not fsynced: staging does that for all at once. */
  readonly onFile?: (done: DownloadedFile) => void;
  readonly backoffMs?: number;
  /** Otherwise as body-path.ts decides. */
  readonly body?: BodyPath['by'];
  /** Which code carries the bodies, and why: told when they begin, and again where the first one cannot go on. */
  readonly onBody?: (path: BodyPath) => void;
  /** Its checksums come after whatever else this process has to do: as in an agent, which has aborts to answer. */
  readonly behind?: boolean;
  /** All patience with this download; otherwise by its size. */
  readonly deadlineMs?: number;
}

export interface FetchOptions extends Omit<DownloadOptions, 'have' | 'onFile'> {
  readonly have?: readonly FetchedFile[];
  readonly onFile?: (done: FetchedFile) => void;
  /** sha256: of every file, beside what the source vouches for it by. checksum: only that. none: sizes alone. */
  readonly verify?: Verify;
  /** Every file is on the disk, not in the page cache, before it is told. */
  readonly durable?: boolean;
  readonly partBytes?: number;
  /** So many more bytes came over the network. */
  readonly onReceived?: (bytes: number) => void;
  /** For all lanes together. */
  readonly bytesPerSecond?: number;
  /** An open client of this source; otherwise one is opened and closed again. */
  readonly s3?: S3Handle;
}

/** Enough to hide one server's round trips behind another's; more only queue on the same wire. */
const LANES = 8;
/** A request's round trip is small against it, and the parts a kill loses are small against a version. */
export const PART_BYTES = 8 * 1024 * 1024;
/** A source this slow all the way is a broken one: the watchdog's floor alone would let a GiB take 12 days. */
const DEADLINE_BYTES_PER_SECOND = 128 * 1024;
/** For the smallest version: longer than every retry of its parts. */
const DEADLINE_MIN_MS = 10 * 60_000;

/**
 * Every listed file into `destination`, which exists. Resolves in the order of the listing. Rejects with the signal's reason, or as
 * SourceUnreachable, SourceChanged, IntegrityMismatch, InsufficientDisk. Once it has settled, its sockets and file handles are closed and
 * nothing of it writes any more; partial files stay where they are and are no part of any answer.
 */
export async function downloadFiles(ref: SourceRef, listing: SourceListing, destination: string, options: DownloadOptions): Promise<readonly DownloadedFile[]> {
  const { have = [], onFile, ...rest } = options;
  const told = onFile === undefined ? {} : { onFile: (file: FetchedFile) => onFile(hashed(file)) };
  const files = await fetchFiles(ref, listing, destination, { ...rest, have: have.map((file) => ({ ...file, authority: file.authority ?? ('size' as const) })), ...told });
  return files.map(hashed);
}

function hashed({ path, size, sha256, authority }: FetchedFile): DownloadedFile {
  if (sha256 === undefined) throw new Error(`${path} was fetched without its sha256`);
  return { path, size, sha256, authority };
}

/** As `downloadFiles`, for whoever chooses how much is checked and how durable it is. */
export async function fetchFiles(ref: SourceRef, listing: SourceListing, destination: string, options: FetchOptions): Promise<readonly FetchedFile[]> {
  options.signal.throwIfAborted();
  const s3 = options.s3 ?? openS3(ref, options);
  const done = kept(listing, options.have ?? []);
  const before = [...done.values()].reduce((sum, { size }) => sum + size, 0);
  options.onProgress?.(before);
  const deadline = new Deadline(listing, ref, options.signal, options.deadlineMs ?? deadlineMsFor(listing.resolved.bytes));
  const run = {
    ...options, signal: deadline.signal, lanes: options.lanes ?? LANES, partBytes: options.partBytes ?? PART_BYTES, verify: options.verify ?? 'sha256', durable: options.durable ?? false,
    onProgress: (bytes: number) => options.onProgress?.(before + bytes),
    onFile: (fetched: FetchedFile) => {
      const file: FetchedFile = fetched.authority === 'manifest' && listing.signedBy !== undefined ? { ...fetched, authority: 'signature' } : fetched;
      done.set(file.path, file);
      options.onFile?.(file);
    },
  };
  try {
    if (done.size < listing.files.length) await overEitherPath(s3, listing, done, destination, run, options.body === undefined ? bodyPathFor(s3.location) : { by: options.body, why: 'asked for' });
    deadline.signal.throwIfAborted();
    await removePartLog(destination); // Also one that another life left when it was done.
    return listing.files.map(({ path }) => done.get(path) ?? neverDone(path));
  } finally {
    deadline.stop();
    if (options.s3 === undefined) await s3.close();
  }
}

async function overEitherPath(s3: S3Handle, listing: SourceListing, done: ReadonlyMap<string, FetchedFile>, destination: string, options: OwnDownloadOptions & Pick<DownloadOptions, 'onBody'>, body: BodyPath): Promise<void> {
  const left = (): ReadonlySet<string> => new Set(listing.files.map(({ path }) => path).filter((path) => !done.has(path)));
  options.onBody?.(body);
  if (body.by === 'sdk') return downloadBySdk(s3, listing, left(), destination, options);
  const before = new Set(left());
  try {
    return await downloadOverLanes(s3, listing, before, destination, options);
  } catch (error) {
    if (!(error instanceof OwnPathCannotError)) throw error;
    options.onBody?.({ by: 'sdk', why: error.message });
  }
  const bytes = listing.files.filter(({ path }) => before.has(path) && done.has(path)).reduce((sum, { size }) => sum + size, 0);
  return downloadBySdk(s3, listing, left(), destination, { ...options, onProgress: (now) => options.onProgress(bytes + now) });
}

/** What needs no fetching: of the listed size and, where there is a manifest, the listed bytes. */
function kept(listing: SourceListing, have: readonly FetchedFile[]): Map<string, FetchedFile> {
  const manifest = new Map((listing.manifest ?? []).map((file) => [file.path, file.sha256]));
  const sizes = new Map(listing.files.map((file) => [file.path, file.size]));
  return new Map(have.filter(({ path, size, sha256 }) => sizes.get(path) === size && (manifest.get(path) ?? sha256) === sha256).map((file) => [file.path, file]));
}

function neverDone(path: string): never {
  throw new Error(`${path} was neither fetched nor failed`);
}

/** Of a version of so many bytes: a source as slow as the slowest that is bearable, and a start. */
export function deadlineMsFor(bytes: number): number {
  return DEADLINE_MIN_MS + (bytes / DEADLINE_BYTES_PER_SECOND) * 1000;
}

/** The end of all patience with one download. */
class Deadline {
  readonly signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;

  constructor({ resolved: { bytes } }: SourceListing, ref: SourceRef, signal: AbortSignal, ms: number) {
    const late = new AbortController();
    this.#timer = setTimeout(() => late.abort(fail('SourceUnreachable', `get ${ref.uri} at ${endpointOf(ref)}: ${bytes} bytes not there after ${Math.round(ms / 1000)} s`, { tried: 'get', uri: ref.uri, want: bytes })), Math.min(ms, MAX_TIMER_MS));
    this.signal = AbortSignal.any([signal, late.signal]);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** What setTimeout can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;
