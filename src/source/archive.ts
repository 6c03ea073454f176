// A version that comes as one archive: `N.zip`, `000N.zip`, `.tar`, `.tar.gz`. From the staged archive into the staging directory, regular files only, by our own
// writer: reading zip and tar is the work of libraries, what may become a file is decided in archive-plan.ts (reliability reference §6).

import { rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SegueError, fail } from '../domain/failures';
import type { ManifestFile } from '../domain/source';
import { ARCHIVE_LIMITS, ArchivePlan } from './archive-plan';
import type { ArchiveLimits } from './archive-plan';
import { walkTar } from './archive-tar';
import type { Visit } from './archive-tar';
import { walkZip } from './archive-zip';
import { StagedFile } from './staged-file';

export interface UnpackOptions {
  readonly signal: AbortSignal;
  readonly limits?: Partial<ArchiveLimits>;
  /** Asked once, with what the archive says it unpacks to, before the first byte is written: rejects where there is no room. */
  readonly room?: (bytes: number) => Promise<void>;
  /** Bytes written until now. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Every file of the archive below `destination`, which exists; gives what was written, in the archive's order. One folder around everything (`0002/saved_model.pb`) is
 * left out. All names, kinds and declared sizes are looked at before the first byte is written. Fails as InvalidSavedModel where an entry can never be a file of a version or a
 * cap is passed (entry and reason named), as IntegrityMismatch where the archive is damaged, as InsufficientDisk; rejects with the signal's reason. After a failure no file
 * of the archive is left in `destination`.
 */
export async function unpackArchive(archive: string, destination: string, options: UnpackOptions): Promise<readonly ManifestFile[]> {
  const limits = { ...ARCHIVE_LIMITS, ...options.limits };
  const name = basename(archive);
  const written: ManifestFile[] = [];
  let begun: string | undefined;
  try {
    const { size } = await stat(archive);
    const walk = (visit: Visit): Promise<void> => (/\.zip$/i.test(name) ? walkZip(archive, name, limits, options.signal, visit) : walkTar(archive, name, size, limits, options.signal, visit));
    const plan = new ArchivePlan(name, size, limits);
    await walk(async (entry) => plan.add(entry));
    const paths = plan.paths();
    await options.room?.(plan.bytes);
    let bytes = 0;
    await walk(async (entry, body) => {
      begun = entry.kind === 'file' ? paths.get(entry.name) : undefined;
      if (begun === undefined) return;
      const from = bytes;
      written.push(await writeFile(destination, begun, body(), options.signal, (done) => options.onProgress?.(bytes = from + done)));
    });
    return written;
  } catch (error) {
    for (const path of [...written.map((file) => file.path), ...(begun === undefined ? [] : [begun])]) await rm(join(destination, path), { force: true });
    options.signal.throwIfAborted();
    throw explained(error, name);
  }
}

async function writeFile(destination: string, path: string, body: AsyncIterable<Buffer>, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<ManifestFile> {
  const out = await StagedFile.create(destination, path);
  try {
    for await (const chunk of body) {
      signal.throwIfAborted();
      await out.write(chunk);
      onBytes(out.size);
    }
    return { path, size: out.size, sha256: out.sha256() };
  } finally {
    await out.close();
  }
}

/** What the readers of zip, tar and gzip say of bytes is about the archive; what the system says is not. */
function explained(error: unknown, archive: string): unknown {
  if (error instanceof SegueError || !isNamed(error)) return error;
  const { name, code = '', message, syscall } = error;
  if (syscall !== undefined || (name !== 'Error' && !code.startsWith('Z_'))) return error;
  // yauzl refuses such names before we see them.
  const badName = /^(?:invalid characters in fileName|absolute path|invalid relative path): ([^]*)$/.exec(message);
  if (badName !== null) return fail('InvalidSavedModel', `unpack ${archive}, entry ${JSON.stringify(badName[1]?.slice(0, 300))}: ${message.slice(0, message.indexOf(':'))}`, { file: archive, entry: badName[1] }, error);
  return fail('IntegrityMismatch', `unpack ${archive}: ${message}`, { file: archive, found: message }, error);
}

function isNamed(error: unknown): error is { readonly name: string; readonly message: string; readonly code?: string; readonly syscall?: string } {
  return typeof error === 'object' && error !== null && 'message' in error;
}
