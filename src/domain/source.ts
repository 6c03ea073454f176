// Where bytes come from, and what a look at that place says.

import type { Digest, Pin } from './names';

/** One source, with everything needed to reach it: nothing about a source is process-wide. No secret: credentials are a reference the agent resolves. */
export interface SourceRef {
  /** `s3://bucket/prefix/` (the trailing slash is implied), or one archive: `s3://bucket/prefix/0002.zip`. */
  readonly uri: string;
  /** Base URL of the S3 endpoint; absent: AWS's own for the region. */
  readonly endpoint?: string;
  readonly region: string;
  /** `env`: the agent's default chain. `anonymous`: unsigned. `profile:NAME`, `file:NAME`: known to the agent. */
  readonly credentials: string;
}

/** Does a file or a URI of this name stand for one archive that holds a version? With a trailing slash it is a prefix like any other. */
export function isArchive(name: string): boolean {
  return /\.(zip|tar|tar\.gz|tgz)$/i.test(name);
}

/** One object under the prefix, as the listing describes it. `path` is relative to the prefix, with `/`. */
export interface ListedFile {
  readonly path: string;
  readonly key: string;
  readonly size: number;
  readonly etag?: string;
  readonly versionId?: string;
}

/** One line of `manifest.json`. */
export interface ManifestFile {
  readonly path: string;
  readonly size: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
}

/** What enters history about a source: never the listing itself. */
export interface ResolvedSource {
  readonly pin: Pin;
  /** Known beforehand only where the source has a `manifest.json`. */
  readonly digest?: Digest;
  readonly files: number;
  readonly bytes: number;
}
