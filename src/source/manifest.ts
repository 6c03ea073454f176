// What a version is (digest), what a listing said (pin), and the manifest.json that tells the first before any byte was read (DESIGN §4.4).

import { createHash } from 'node:crypto';
import { fail } from '../domain/failures';
import type { Digest, Pin } from '../domain/names';
import type { ListedFile, ManifestFile, SourceRef } from '../domain/source';
import { MAX_FILES } from './file-count';
import { reasonNotFileSet } from './key-path';
import type * as Shape from './manifest-shape';

export { MAX_FILES };
/** Beside the files of a version; itself neither staged nor digested. */
export const MANIFEST_NAME = 'manifest.json';
/** MAX_FILES lines with a path of 1,024 bytes and its quoting fit. */
export const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;

/** The files a manifest names. Throws IntegrityMismatch with the JSON path of what is wrong. `where` is for messages. */
export function parseManifest(text: string, where: string): readonly ManifestFile[] {
  const refuse = (path: string, why: string): never => {
    throw fail('IntegrityMismatch', `${where}${MANIFEST_NAME} ${path}: ${why}; want {"files": [{"path", "size", "sha256"}]}`, { file: MANIFEST_NAME, path, found: why });
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return refuse('$', `not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const { MANIFEST } = require('./manifest-shape') as typeof Shape; // When there is one: zod takes longer to load than a small version to fetch.
  const parsed = MANIFEST.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return refuse(jsonPath(issue?.path ?? []), issue?.message ?? 'not a manifest');
  }
  const { files } = parsed.data;
  const bad = reasonNotFileSet(files.map((file) => file.path));
  if (bad) return refuse(`$.files[path=${JSON.stringify(bad.path)}]`, bad.why);
  if (files.some((file) => file.path === MANIFEST_NAME)) return refuse('$.files', `it names ${MANIFEST_NAME} itself, which is no part of a version`);
  return files;
}

/** `sha256:` over the lines `path\0size\0sha256hex\n`, sorted by the UTF-8 bytes of the path. */
export function digestOf(files: readonly ManifestFile[]): Digest {
  return `sha256:${hashSorted('', files, (file) => `${file.path}\0${file.size}\0${file.sha256}\n`)}` as Digest;
}

/**
 * `pin:` over the place and what its listing said of every object, manifest.json included: changes when the source changes.
 * The place is part of it, so that equal bytes behind another endpoint have another pin and nothing of one is taken for the other.
 */
export function pinOf(ref: SourceRef, listed: readonly ListedFile[]): Pin {
  const place = `${ref.endpoint ?? ''}\0${ref.region}\0${ref.uri.replace(/\/$/, '')}\n`;
  return `pin:${hashSorted(place, listed, (file) => `${file.key}\0${file.size}\0${file.etag ?? ''}\0${file.versionId ?? ''}\n`)}` as Pin;
}

function hashSorted<T extends { readonly path: string }>(head: string, files: readonly T[], line: (file: T) => string): string {
  const hash = createHash('sha256').update(head);
  const rows = files.map((file) => ({ name: Buffer.from(file.path), line: line(file) }));
  for (const row of rows.sort((a, b) => Buffer.compare(a.name, b.name))) hash.update(row.line);
  return hash.digest('hex');
}

function jsonPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}.${String(part)}`), '$');
}
