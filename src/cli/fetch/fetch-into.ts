// A version into a directory that is there only once it is whole: staged beside it under a hidden name, checked, on the disk, then renamed.

import { mkdir, readdir, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { syncDirectory } from '../../agent/durable-file';
import { allocated } from '../../agent/tree';
import { fail } from '../../domain/failures';
import { directoriesOf, roomFor } from '../../domain/room';
import type { ManifestFile, SourceRef } from '../../domain/source';
import { fetchFiles } from '../../source/download';
import type { FetchedFile } from '../../source/own-download';
import { listSource } from '../../source/listing';
import type { SourceListing } from '../../source/listing';
import { digestOf } from '../../source/manifest';
import { linkEqualFiles } from '../../source/reuse';
import { openS3 } from '../../source/s3-client';
import { SocketLedger } from '../../source/sockets';
import { EXIT, Exit } from '../exit';
import type { Terminal } from '../terminal';
import type { FetchFlags } from './fetch';
import { FetchProgress } from './progress';

/** Gives the exit code. Throws Exit and SegueError. */
export async function fetchInto(uri: string, dest: string, flags: FetchFlags, terminal: Terminal): Promise<number> {
  const beganMs = performance.now();
  const stop = new AbortController();
  const interrupted = (): void => stop.abort(new Exit(EXIT.stopped, 'interrupted; the same command goes on where this one was'));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const found = await fetched(sourceOf(uri, flags), resolve(dest), flags, terminal, stop.signal);
    const seconds = Number(((performance.now() - beganMs) / 1000).toFixed(3));
    if (flags.output === 'json') terminal.out(JSON.stringify({ ...found, seconds }));
    else terminal.out(`${dest}: ${found.files} files, ${(found.bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s (${(found.fetchedBytes / 1e6).toFixed(1)} MB fetched, ${(found.reusedBytes / 1e6).toFixed(1)} MB reused)${found.digest === undefined ? '' : `\n${found.digest}`}`);
    return EXIT.ok;
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
}

interface Fetched {
  readonly files: number;
  readonly bytes: number;
  /** Over the network. */
  readonly fetchedBytes: number;
  /** Linked, or left by an interrupted fetch. */
  readonly reusedBytes: number;
  /** Where every sha256 was computed. */
  readonly digest?: string;
  /** Which code carried the bodies, and why: `own: …` or `sdk: …`. Absent where nothing was fetched. */
  readonly bodies?: string;
  /** What each file was held against. */
  readonly verified: Readonly<Record<string, string>>;
}

function sourceOf(uri: string, { endpoint, region, profile, credentials }: FetchFlags): SourceRef {
  return {
    uri, region: region ?? process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'] ?? 'us-east-1',
    credentials: credentials ?? (profile === undefined ? 'env' : `profile:${profile}`),
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

async function fetched(ref: SourceRef, dest: string, flags: FetchFlags, terminal: Terminal, signal: AbortSignal): Promise<Fetched> {
  await refuseOccupied(dest);
  const s3 = openS3(ref, { sockets: new SocketLedger() });
  try {
    const listing = await listSource(ref, { signal, s3 });
    const { pin, digest, bytes } = listing.resolved;
    if (digest !== undefined) refuseOther(flags.ifDigest, digest, ref);
    const staging = join(dirname(dest), `.${basename(dest)}.${pin.replace(/^pin:/, '').slice(0, 12)}.segue`);
    const fresh = await mkdir(staging, { recursive: true, mode: 0o750 }) !== undefined;
    const reused = await reusedFiles(listing, staging, flags.reuse ?? [], signal);
    await refuseFull(staging, listing, fresh ? new Set(reused.map(({ path }) => path)) : undefined);
    let received = 0;
    let bodies: string | undefined;
    const progress = new FetchProgress(bytes, terminal);
    const files = await fetchFiles(ref, listing, staging, {
      signal, s3, sockets: s3.sockets, verify: flags.verify, durable: true, have: reused.map((file) => ({ ...file, authority: 'manifest' as const })),
      onProgress: (now) => progress.at(now), onReceived: (more) => { received += more; }, onBody: ({ by, why }) => { bodies = `${by}: ${why}`; },
      ...(flags.lanes === undefined ? {} : { lanes: flags.lanes }), ...(flags.partSize === undefined ? {} : { partBytes: flags.partSize }), ...(flags.limitRate === undefined ? {} : { bytesPerSecond: flags.limitRate }),
    }).finally(() => progress.stop());
    const found = digestOfAll(files);
    if (flags.ifDigest !== undefined) refuseOther(flags.ifDigest, found, ref);
    await publish(staging, dest, listing.files.map(({ path }) => path));
    return { files: files.length, bytes, fetchedBytes: received, reusedBytes: Math.max(0, bytes - received), ...(found === undefined ? {} : { digest: found }), ...(bodies === undefined ? {} : { bodies }), verified: Object.fromEntries(files.map(({ path, authority }) => [path, authority])) };
  } finally {
    await s3.close();
  }
}

async function refuseOccupied(dest: string): Promise<void> {
  const there = await readdir(dest).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new Exit(EXIT.rejected, `${dest}: want nothing there, or an empty directory, found something else (${error.code})`);
  });
  if (there.length > 0) throw new Exit(EXIT.rejected, `${dest}: want nothing there, or an empty directory, found ${there.length} entries; a version is never written over another: name another directory, or remove this one`);
}

function refuseOther(want: string | undefined, found: string | undefined, ref: SourceRef): void {
  if (want === undefined || want === found) return;
  throw fail('IntegrityMismatch', `${ref.uri}: want ${want}, found ${found ?? 'no digest, because --verify sha256 was not asked for'}`, { want, found });
}

async function reusedFiles(listing: SourceListing, staging: string, directories: readonly string[], signal: AbortSignal): Promise<readonly ManifestFile[]> {
  return linkEqualFiles(listing, directories.map((directory) => resolve(directory)), staging, { signal, except: new Set() });
}

/** As an agent asks before its first byte. What is linked, or was left by an interrupted fetch, has its blocks already. @param there all that can be there; nothing: any may */
async function refuseFull(staging: string, { files }: SourceListing, there: ReadonlySet<string> | undefined): Promise<void> {
  const lacking = await Promise.all(files.map(async ({ path, size }) => ({ path, size: there?.has(path) === false ? size : Math.max(0, size - await allocated(staging, path)) })));
  const { bavail, bsize, ffree, files: inodes } = await statfs(staging);
  const want = roomFor(lacking.filter(({ size }) => size > 0), bsize);
  const found = { bytes: bavail * bsize, inodes: inodes === 0 ? Infinity : ffree }; // File systems that make inodes as they need them say that they have none at all.
  if (found.bytes < want.bytes || found.inodes < want.inodes) throw fail('InsufficientDisk', `${dirname(staging)} has ${found.bytes} bytes and ${found.inodes} inodes free, want ${want.bytes} and ${want.inodes}`, { want, found: { bytes: found.bytes, ...Number.isFinite(found.inodes) ? { inodes: found.inodes } : {} } });
}

function digestOfAll(files: readonly FetchedFile[]): string | undefined {
  const hashed = files.flatMap(({ path, size, sha256 }) => (sha256 === undefined ? [] : [{ path, size, sha256 }]));
  return hashed.length === files.length ? digestOf(hashed) : undefined;
}

/** Every file is on the disk; now its name, the directories', and then the one that shows it all (reliability reference §1.4). */
async function publish(staging: string, dest: string, paths: readonly string[]): Promise<void> {
  const directories = new Set(paths.flatMap(directoriesOf));
  for (const directory of [...directories].sort((a, b) => b.length - a.length)) await syncDirectory(join(staging, directory));
  await syncDirectory(staging);
  await rename(staging, dest).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST' || error.code === 'ENOTDIR') await refuseOccupied(dest);
    throw error;
  });
  await syncDirectory(dirname(dest));
  await removeOthers(dest);
}

/** What interrupted fetches of other objects to the same place left. */
async function removeOthers(dest: string): Promise<void> {
  const prefix = `.${basename(dest)}.`;
  for (const entry of await readdir(dirname(dest))) {
    if (entry.startsWith(prefix) && /^[0-9a-f]{12}\.segue$/.test(entry.slice(prefix.length))) await rm(join(dirname(dest), entry), { recursive: true, force: true });
  }
}
