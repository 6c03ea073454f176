// What one agent sees of one model: the observation every decision about a server starts from.

import type { Digest, Pin, Token, Version } from './names';

/** TensorFlow Serving's own states of a version (GetModelStatus). */
export type ServableState = 'START' | 'LOADING' | 'AVAILABLE' | 'UNLOADING' | 'END';

/** A complete, verified version in the model store. */
export interface Staged {
  readonly digest: Digest;
  /** The listing it was fetched from: the same pin means the same bytes without asking again. */
  readonly pin: Pin;
  readonly heldAgainst?: HeldAgainst;
}

/** What its files were held against when they arrived: by authority (`signature`, `manifest`, `checksum sha256`, `etag`, `size`), the files; of many the first few, and how many more. */
export type HeldAgainst = Readonly<Record<string, readonly string[]>>;

/** A version on its way to the disk. */
export interface PartialVersion {
  readonly version: Version;
  readonly pin: Pin;
  /** Bytes that are durable or at least written, of those wanted. */
  readonly bytes: number;
  readonly of: number;
  readonly phase: 'fetching' | 'fetched' | 'verified';
  /** Known once verified. */
  readonly digest?: Digest;
}

/** Plain JSON: it crosses Temporal. Only aspired, staged and goal versions are kept in it. */
export interface ModelView {
  readonly token: Token;
  readonly staged: Readonly<Record<Version, Staged>>;
  /** Versions of this model in the last list the server accepted in this incarnation. */
  readonly aspired: readonly Version[];
  /** The version that was AVAILABLE and probed: what a restart boots. */
  readonly promoted?: Version;
  /** What was promoted when the first attempt of this epoch came: what the rollout would go back to, whichever of its attempts asks. */
  readonly before?: { readonly epoch: number; readonly version?: Version };
  /** Per aspiration: listing a version again clears what was seen before (DESIGN §3). */
  readonly states: Readonly<Record<Version, ServableState>>;
  readonly labels: Readonly<Record<string, Version>>;
  readonly partial?: PartialVersion;
  /** Why a version is not where it should be, since when by the host's clock. */
  readonly waits: Readonly<Record<Version, { readonly on: string; readonly sinceMs: number }>>;
  /** Versions whose drain time has passed since labels left them. */
  readonly drained: readonly Version[];
  /** Changes when the model server restarts. */
  readonly incarnation: string;
}

/** What was served before the rollout of this token; where its host does not know of that rollout, what is promoted now. Nothing served is an answer. */
export function servedBefore({ before, promoted }: ModelView, [epoch]: Token): { readonly version?: Version } {
  const version = before?.epoch === epoch ? before.version : promoted;
  return version === undefined ? {} : { version };
}

/** That an attempt's effects have ended, read from the system after the fact (DESIGN §5). */
export interface Proof {
  readonly token: Token;
  /** Sockets the attempt opened that are still open. */
  readonly sockets: number;
  /** File handles open for writing below the attempt's staging path. */
  readonly writers: number;
  /** none: nothing was there or all is removed. kept: verified or resumable bytes, owned by the model, no writer. */
  readonly partial: 'none' | 'kept';
  /** Is the attempt's candidate in the list the server last accepted? */
  readonly aspired: boolean;
  /** Where socket and writer counts were read: the kernel's tables, or only this process's own where there is no /proc. */
  readonly readFrom: 'kernel' | 'process';
  /** From the call to the moment nothing of the attempt could act, milliseconds. */
  readonly stoppedMs: number;
  /** Host clock, epoch milliseconds, of the reading. */
  readonly atMs: number;
}
