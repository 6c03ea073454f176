// A version that came as one archive: unpacked beside it in staging, and the archive removed. What is known of the version are its files from then on.

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../domain/failures';
import type { Attempt } from '../domain/host';
import type { ManifestFile } from '../domain/source';
import { unpackArchive } from '../source/archive';
import type { DownloadedFile } from '../source/download';
import { MANIFEST_NAME, parseManifest } from '../source/manifest';
import { SIGNATURE_NAME, unsigned, verifySignature, type Signatures } from '../source/signature';
import { onDisk } from './disk-failure';
import type { Live } from './live';

/**
 * @param path staging directory with the archive in it, whole
 * @param room rejects as InsufficientDisk where so many bytes have no place
 * Fails as InvalidSavedModel where an entry can never be a file of a version, as IntegrityMismatch where the archive is damaged or its own manifest.json or model.sig says
 * other files, as SignatureRejected. An interrupted one is begun anew: the archive is removed last.
 */
export async function unpackFetched(attempt: Attempt, path: string, { path: archive, authority }: DownloadedFile, signatures: Signatures, room: (bytes: number) => Promise<void>, live: Live): Promise<readonly DownloadedFile[]> {
  const told = (bytes: number): void => live.report({ step: 'downloadVersion', waiting: `${archive} to be unpacked`, bytes });
  told(0);
  const unpacked = await unpackArchive(join(path, archive), path, { signal: live.signal, room, onProgress: told });
  const where = `${attempt.model}/${attempt.version} in ${archive}: `;
  const files = unpacked.filter((file) => file.path !== MANIFEST_NAME && file.path !== SIGNATURE_NAME);
  const inside = await hold(unpacked, files, path, where, signatures);
  live.assert();
  for (const name of [MANIFEST_NAME, SIGNATURE_NAME, archive]) await onDisk(`remove ${name}`, () => rm(join(path, name), { force: true }));
  return files.map((file) => ({ ...file, authority: inside ?? authority }));
}

/** As beside other sources: manifest.json and model.sig vouch for the files, and are none of them. */
async function hold(unpacked: readonly ManifestFile[], files: readonly ManifestFile[], path: string, where: string, { policy, keys }: Signatures): Promise<'signature' | 'manifest' | undefined> {
  const read = async (name: string): Promise<string | undefined> => (unpacked.some((file) => file.path === name) ? onDisk(`read ${name}`, () => readFile(join(path, name), 'utf8')) : undefined);
  const manifest = await read(MANIFEST_NAME);
  if (manifest !== undefined) same(files, new Map(parseManifest(manifest, where).map((file) => [file.path, file.sha256])), where, MANIFEST_NAME);
  const without = manifest === undefined ? undefined : 'manifest';
  if (policy === 'off') return without;
  const signature = await read(SIGNATURE_NAME);
  if (signature === undefined) {
    if (policy === 'require') throw unsigned(where);
    return without;
  }
  same(files, verifySignature(signature, keys, where).sha256, where, SIGNATURE_NAME);
  return 'signature';
}

/** Both ways. */
function same(files: readonly ManifestFile[], said: ReadonlyMap<string, string>, where: string, by: string): void {
  const left = new Map([...said].filter(([path]) => path !== MANIFEST_NAME && path !== SIGNATURE_NAME));
  const differ = (file: string, want: string, found: string): Error => fail('IntegrityMismatch', `unpack ${where}${by} and ${file} differ: want ${want}, found ${found}`, { file, want, found });
  for (const file of files) {
    const want = left.get(file.path);
    if (want !== file.sha256) throw differ(file.path, want === undefined ? 'no such file' : `sha256:${want}`, `sha256:${file.sha256}`);
    left.delete(file.path);
  }
  for (const [missing, sha256] of left) throw differ(missing, `sha256:${sha256}`, 'no file');
}
