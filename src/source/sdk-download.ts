// A version's bytes through the SDK's own streams: a few lanes, each taking the next file, whole or not at all done with. Slower than own-download.ts; reads whatever the SDK can.

import type { ListedFile, ManifestFile } from '../domain/source';
import type { SourceListing } from './listing';
import { readBody } from './object-body';
import type { OwnDownloadOptions } from './own-download';
import { withRetries } from './retry';
import type { S3Handle } from './s3-client';
import { StagedFile } from './staged-file';
import { BrokenBodyError } from './trouble';

/** These files of the listing into `destination`. Once it has settled nothing of it writes. */
export async function downloadBySdk(s3: S3Handle, listing: SourceListing, paths: ReadonlySet<string>, destination: string, options: OwnDownloadOptions): Promise<void> {
  const stop = new AbortController();
  const abort = (): void => stop.abort(options.signal.reason);
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    const work = new Work(listing, paths, options);
    const lane = async (): Promise<void> => {
      for (let file = work.next(); file && !stop.signal.aborted; file = work.next()) await fetchFile(s3, file, destination, work, { ...options, signal: stop.signal });
    };
    await Promise.all(Array.from({ length: options.lanes }, () => lane().catch((error: unknown) => stop.abort(error))));
    options.signal.throwIfAborted();
    stop.signal.throwIfAborted(); // With the first lane's failure, which stopped the others.
  } finally {
    options.signal.removeEventListener('abort', abort);
  }
}

async function fetchFile(s3: S3Handle, file: ListedFile, destination: string, work: Work, options: OwnDownloadOptions): Promise<void> {
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
          options.onReceived?.(bytes.length);
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
  options.onFile({ path: file.path, size: file.size, sha256, authority: wanted ? 'manifest' : 'size' });
}

async function restart(out: StagedFile, work: Work): Promise<void> {
  if (out.size === 0) return;
  work.advance(-out.size);
  await out.restart();
}

/** What is left to fetch. */
class Work {
  readonly manifest: ReadonlyMap<string, ManifestFile>;
  readonly #options: OwnDownloadOptions;
  readonly #left: ListedFile[];
  #bytes = 0;

  constructor(listing: SourceListing, paths: ReadonlySet<string>, options: OwnDownloadOptions) {
    this.#options = options;
    this.manifest = new Map((listing.manifest ?? []).map((file) => [file.path, file]));
    // The largest first: begun last, it would run on alone.
    this.#left = listing.files.filter(({ path }) => paths.has(path)).sort((a, b) => a.size - b.size);
  }

  next(): ListedFile | undefined {
    return this.#left.pop();
  }

  advance(bytes: number): void {
    this.#bytes += bytes;
    this.#options.onProgress(this.#bytes);
  }
}
