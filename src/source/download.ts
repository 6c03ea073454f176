// The bytes of a version into a directory: a few lanes, each taking the next file, whole or not at all done with.

import type { ListedFile, ManifestFile, SourceRef } from '../domain/source';
import type { SourceListing } from './listing';
import { readBody } from './object-body';
import { withRetries } from './retry';
import { openS3 } from './s3-client';
import type { S3Handle, S3Options } from './s3-client';
import type { SocketLedger } from './sockets';
import { StagedFile } from './staged-file';
import { BrokenBodyError } from './trouble';
import type { WatchdogLimits } from './watchdog';

/** A file as it is on the disk now: path relative to the destination, bytes, 64 hex digits. */
export type DownloadedFile = ManifestFile;

export interface DownloadOptions extends S3Options, WatchdogLimits {
  readonly signal: AbortSignal;
  /** Remembers every socket of this call, for the proof. */
  readonly sockets: SocketLedger;
  /** Files fetched at once. */
  readonly lanes?: number;
  /** Whole on this disk already: not fetched again where size and manifest agree. */
  readonly have?: readonly DownloadedFile[];
  /** Bytes of this version now on the disk, `have` included. Falls when a broken transfer begins anew. */
  readonly onProgress?: (bytesTotal: number) => void;
  /** A file is whole, closed and, where there is a manifest, equal to it. Not fsynced: staging does that for all at once. */
  readonly onFile?: (done: DownloadedFile) => void;
  readonly backoffMs?: number;
}

/** Enough to hide one server's round trips behind another's; more only queue on the same wire. */
const LANES = 8;

/**
 * Every listed file into `destination`, which exists. Resolves in the order of the listing. Rejects with the signal's reason, or as
 * SourceUnreachable, SourceChanged, IntegrityMismatch, InsufficientDisk. Once it has settled, its sockets and file handles are closed and
 * nothing of it writes any more; partial files stay where they are and are no part of any answer.
 */
export async function downloadFiles(ref: SourceRef, listing: SourceListing, destination: string, options: DownloadOptions): Promise<readonly DownloadedFile[]> {
  options.signal.throwIfAborted();
  const s3 = openS3(ref, options);
  const stop = new AbortController();
  const abort = (): void => stop.abort(options.signal.reason);
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    const work = new Work(listing, options);
    const lane = async (): Promise<void> => {
      for (let file = work.next(); file && !stop.signal.aborted; file = work.next()) await fetchFile(s3, file, destination, work, { ...options, signal: stop.signal });
    };
    const lanes = Array.from({ length: options.lanes ?? LANES }, () => lane().catch((error: unknown) => stop.abort(error)));
    await Promise.all(lanes);
    options.signal.throwIfAborted();
    stop.signal.throwIfAborted(); // With the first lane's failure, which stopped the others.
    return work.done();
  } finally {
    options.signal.removeEventListener('abort', abort);
    await s3.close();
  }
}

async function fetchFile(s3: S3Handle, file: ListedFile, destination: string, work: Work, options: DownloadOptions): Promise<void> {
  const wanted = work.manifest.get(file.path);
  const out = await StagedFile.create(destination, file.path);
  let sha256: string;
  try {
    sha256 = await withRetries({ ref: s3.ref, verb: 'get', key: file.key }, options, async () => {
      // What a broken transfer left is continued only where a hash of the whole file decides in the end.
      if (!wanted || out.size >= file.size) await restart(out, work);
      await readBody(s3, file, { ...options, from: out.size }, {
        begin: (at) => (at === out.size ? undefined : restart(out, work)),
        chunk: async (bytes) => {
          await out.write(bytes);
          work.advance(bytes.length);
        },
      });
      const found = out.sha256();
      if (wanted && found !== wanted.sha256) throw new BrokenBodyError('sha256', wanted.sha256, found);
      return found;
    });
  } finally {
    await out.close();
  }
  options.signal.throwIfAborted();
  work.finish({ path: file.path, size: file.size, sha256 });
}

async function restart(out: StagedFile, work: Work): Promise<void> {
  if (out.size === 0) return;
  work.advance(-out.size);
  await out.restart();
}

/** What is left to fetch, and what is done. */
class Work {
  readonly manifest: ReadonlyMap<string, ManifestFile>;
  readonly #listing: SourceListing;
  readonly #options: DownloadOptions;
  readonly #done = new Map<string, DownloadedFile>();
  readonly #left: ListedFile[];
  #bytes = 0;

  constructor(listing: SourceListing, options: DownloadOptions) {
    this.#listing = listing;
    this.#options = options;
    this.manifest = new Map((listing.manifest ?? []).map((file) => [file.path, file]));
    const have = new Map((options.have ?? []).map((file) => [file.path, file]));
    for (const { path, size } of listing.files) {
      const file = have.get(path);
      const wanted = this.manifest.get(path);
      if (file?.size !== size || (wanted && wanted.sha256 !== file.sha256)) continue;
      this.#done.set(path, file);
      this.#bytes += size;
    }
    // The largest first: begun last, it would run on alone.
    this.#left = listing.files.filter((file) => !this.#done.has(file.path)).sort((a, b) => a.size - b.size);
    options.onProgress?.(this.#bytes);
  }

  next(): ListedFile | undefined {
    return this.#left.pop();
  }

  advance(bytes: number): void {
    this.#bytes += bytes;
    this.#options.onProgress?.(this.#bytes);
  }

  finish(file: DownloadedFile): void {
    this.#done.set(file.path, file);
    this.#options.onFile?.(file);
  }

  done(): readonly DownloadedFile[] {
    return this.#listing.files.map(({ path }) => {
      const file = this.#done.get(path);
      if (!file) throw new Error(`${path} was neither fetched nor failed`);
      return file;
    });
  }
}
