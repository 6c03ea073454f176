// A version that came as one archive: unpacked beside it in staging, and the archive removed. What is known of the version are its files from then on.

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../domain/failures';
import type { Attempt } from '../domain/host';
import type { ManifestFile } from '../domain/source';
import { unpackArchive } from '../source/archive';
import { MANIFEST_NAME, parseManifest } from '../source/manifest';
import { onDisk } from './disk-failure';
import type { Live } from './live';

/**
 * @param path staging directory with the archive in it, whole
 * @param room rejects as InsufficientDisk where so many bytes have no place
 * Fails as InvalidSavedModel where an entry can never be a file of a version, as IntegrityMismatch where the archive is damaged or its own manifest.json says other files.
 * An interrupted one is begun anew: the archive is removed last.
 */
export async function unpackFetched(attempt: Attempt, path: string, archive: string, room: (bytes: number) => Promise<void>, live: Live): Promise<readonly ManifestFile[]> {
  const told = (bytes: number): void => live.report({ step: 'downloadVersion', waiting: `${archive} to be unpacked`, bytes });
  told(0);
  const unpacked = await unpackArchive(join(path, archive), path, { signal: live.signal, room, onProgress: told });
  const files = await withoutManifest(attempt, path, archive, unpacked);
  live.assert();
  await onDisk(`remove ${archive}`, () => rm(join(path, archive)));
  return files;
}

/** As beside other sources: it vouches for the files, and is none of them. */
async function withoutManifest({ model, version }: Attempt, path: string, archive: string, unpacked: readonly ManifestFile[]): Promise<readonly ManifestFile[]> {
  if (!unpacked.some((file) => file.path === MANIFEST_NAME)) return unpacked;
  const files = unpacked.filter((file) => file.path !== MANIFEST_NAME);
  const text = await onDisk(`read ${MANIFEST_NAME}`, () => readFile(join(path, MANIFEST_NAME), 'utf8'));
  const named = new Map(parseManifest(text, `${model}/${version} in ${archive}: `).map((file) => [file.path, file]));
  for (const file of files) {
    const want = named.get(file.path);
    if (want?.size !== file.size || want.sha256 !== file.sha256) throw mismatch(archive, file.path, want === undefined ? 'no such file' : `${want.size} bytes sha256:${want.sha256}`, `${file.size} bytes sha256:${file.sha256}`);
    named.delete(file.path);
  }
  for (const [missing, { size }] of named) throw mismatch(archive, missing, `${size} bytes`, 'no file');
  await onDisk(`remove ${MANIFEST_NAME}`, () => rm(join(path, MANIFEST_NAME)));
  return files;
}

function mismatch(archive: string, file: string, want: string, found: string): Error {
  return fail('IntegrityMismatch', `unpack ${archive}: its ${MANIFEST_NAME} and ${file} differ: want ${want}, found ${found}`, { file, want, found });
}
