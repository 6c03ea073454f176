// What is under a URI right now: every object, held against its manifest.json where there is one. Touches nothing.

import { createHash } from 'node:crypto';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { _Object as ListedObject, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { fail } from '../domain/failures';
import type { SegueError } from '../domain/failures';
import { isArchive } from '../domain/source';
import type { ListedFile, ManifestFile, ResolvedSource, SourceRef } from '../domain/source';
import { reasonNotFileSet } from './key-path';
import { MANIFEST_NAME, MAX_FILES, MAX_MANIFEST_BYTES, digestOf, parseManifest, pinOf } from './manifest';
import { readBody } from './object-body';
import { SIGNATURE_NAME, unsigned, verifySignature, type Signatures, type SignedFiles } from './signature';
import { withRetries } from './retry';
import { openS3 } from './s3-client';
import type { S3Handle, S3Options } from './s3-client';
import { endpointOf } from './uri';
import { orAbort, watched } from './watchdog';

export interface SourceListing {
  readonly resolved: ResolvedSource;
  /** Sorted by the server, without manifest.json, model.sig and directory markers. */
  readonly files: readonly ListedFile[];
  /** Exactly the same paths and sizes as `files`, where a signature or a manifest.json says what they are. */
  readonly manifest?: readonly ManifestFile[];
  /** The hint of the key whose signature `manifest` is, where one was asked for and right. */
  readonly signedBy?: string;
}

export interface ListOptions extends S3Options {
  readonly signal: AbortSignal;
  /** An open client of this source; otherwise one is opened and closed again. */
  readonly s3?: S3Handle;
  /** Absent: signatures are not looked at. */
  readonly signatures?: Signatures;
  readonly backoffMs?: number;
  readonly idleTimeoutMs?: number;
}

/**
 * Fails as SourceMissing (no bucket, or nothing under the prefix), SourceUnreachable (network, refusal, no credentials), IntegrityMismatch
 * (manifest or signature and listing differ, or the manifest is none), SignatureRejected (none where one is required, none by a trusted key, or wrong), SourceChanged (the manifest was replaced meanwhile), and InvalidSavedModel where the
 * keys can never be the files of a version: a name no disk shall see, twins, more than 10,000.
 */
export async function listSource(ref: SourceRef, options: ListOptions): Promise<SourceListing> {
  const s3 = options.s3 ?? openS3(ref, options);
  try {
    const listed = await listAll(s3, options);
    const files = listed.filter(({ path }) => path !== MANIFEST_NAME && path !== SIGNATURE_NAME);
    const said = await readManifest(s3, listed, options);
    if (said) agree(ref, MANIFEST_NAME, said.files, files);
    const signed = await readSigned(s3, listed, options);
    const manifest = signed === undefined ? said?.files : signedManifest(ref, signed, files, said);
    if (files.length === 0) throw nothingThere(ref);
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    return {
      resolved: { pin: pinOf(ref, listed), ...(manifest && !isOneArchive(files) ? { digest: digestOf(manifest) } : {}), files: files.length, bytes },
      files,
      ...(manifest ? { manifest } : {}),
      ...(signed === undefined ? {} : { signedBy: signed.hint }),
    };
  } finally {
    if (!options.s3) await s3.close();
  }
}

/** What is in an archive is known once it is unpacked; a manifest beside it vouches for the archive. */
export function isOneArchive(files: readonly { readonly path: string }[]): boolean {
  return files.length === 1 && files.every(({ path }) => isArchive(path));
}

async function listAll(s3: S3Handle, options: ListOptions): Promise<readonly ListedFile[]> {
  const listed: ListedFile[] = [];
  for (let token: string | undefined, more = true; more; ) {
    const page = await withRetries({ ref: s3.ref, verb: 'list' }, options, () => listPage(s3, token, options));
    for (const object of page.Contents ?? []) {
      const file = fileOf(s3, object);
      if (file) listed.push(file);
    }
    const count = listed.filter(({ path }) => path !== MANIFEST_NAME && path !== SIGNATURE_NAME).length;
    if (count > MAX_FILES) throw unusable(s3.ref, `more than ${MAX_FILES} objects`, { found: count, want: MAX_FILES });
    more = page.IsTruncated === true && page.NextContinuationToken !== undefined;
    token = page.NextContinuationToken;
  }
  if (listed.length === 0) throw nothingThere(s3.ref);
  const bad = reasonNotFileSet(listed.map((file) => file.path));
  if (bad) throw unusable(s3.ref, `${JSON.stringify(bad.path)} cannot become a file: ${bad.why}`, { file: bad.path, found: bad.why });
  return listed;
}

async function listPage(s3: S3Handle, token: string | undefined, options: ListOptions): Promise<ListObjectsV2CommandOutput> {
  const { bucket, prefix, key = prefix } = s3.location;
  const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: key, ...(token === undefined ? {} : { ContinuationToken: token }) });
  return watched(options, () => 'a page of the listing', (signal, watchdog) => {
    watchdog.wait();
    return orAbort(s3.client.send(command, { abortSignal: signal }), signal);
  });
}

/** Nothing for a directory marker, which some tools leave as an empty object with a trailing slash. */
function fileOf(s3: S3Handle, object: ListedObject): ListedFile | undefined {
  const { Key: key = '', Size: size = 0 } = object;
  const { prefix } = s3.location;
  if (!key.startsWith(prefix)) throw unusable(s3.ref, `the listing of ${prefix} names ${JSON.stringify(key)}`, { file: key });
  // The prefix of one archive is the beginning of other names too.
  if (s3.location.key !== undefined && key !== s3.location.key) return undefined;
  const path = key.slice(prefix.length);
  if (size === 0 && (path === '' || path.endsWith('/'))) return undefined;
  return { path, key, size, ...(object.ETag === undefined ? {} : { etag: object.ETag }) };
}

interface Said { readonly files: readonly ManifestFile[]; readonly sha256: string }

async function readManifest(s3: S3Handle, listed: readonly ListedFile[], options: ListOptions): Promise<Said | undefined> {
  const text = await readBeside(s3, listed, MANIFEST_NAME, options);
  if (text === undefined) return undefined;
  const files = parseManifest(text, placeOf(s3)).filter(({ path }) => path !== SIGNATURE_NAME);
  return { files, sha256: createHash('sha256').update(text).digest('hex') };
}

async function readSigned(s3: S3Handle, listed: readonly ListedFile[], options: ListOptions): Promise<SignedFiles | undefined> {
  const { policy, keys } = options.signatures ?? { policy: 'off', keys: [] };
  if (policy === 'off') return undefined;
  const text = await readBeside(s3, listed, SIGNATURE_NAME, options);
  if (text !== undefined) return verifySignature(text, keys, placeOf(s3));
  // An archive may bring its signature inside.
  if (policy === 'require' && !isOneArchive(listed)) throw unsigned(placeOf(s3));
  return undefined;
}

/** What the signature says, with the sizes of the listing; a manifest.json has to say the same. */
function signedManifest(ref: SourceRef, { sha256 }: SignedFiles, files: readonly ListedFile[], said: Said | undefined): readonly ManifestFile[] {
  const sizes = new Map(files.map(({ path, size }) => [path, size]));
  const signed = [...sha256].filter(([path]) => path !== MANIFEST_NAME && path !== SIGNATURE_NAME).map(([path, hash]): ManifestFile => ({ path, size: sizes.get(path) ?? 0, sha256: hash }));
  agree(ref, SIGNATURE_NAME, signed, files);
  const other = said?.files.find((file) => sha256.get(file.path) !== file.sha256)?.path ?? (said !== undefined && (sha256.get(MANIFEST_NAME) ?? said.sha256) !== said.sha256 ? MANIFEST_NAME : undefined);
  if (other !== undefined) throw fail('IntegrityMismatch', `${ref.uri} at ${endpointOf(ref)}: ${MANIFEST_NAME} and ${SIGNATURE_NAME} differ in ${other}`, { file: other });
  return signed;
}

async function readBeside(s3: S3Handle, listed: readonly ListedFile[], name: string, options: ListOptions): Promise<string | undefined> {
  const file = listed.find(({ path }) => path === name);
  if (!file) return undefined;
  if (file.size > MAX_MANIFEST_BYTES) {
    throw fail('IntegrityMismatch', `${s3.ref.uri}: ${name} has ${file.size} bytes, at most ${MAX_MANIFEST_BYTES} are read`, { file: file.path, want: MAX_MANIFEST_BYTES, found: file.size });
  }
  return withRetries({ ref: s3.ref, verb: 'get', key: file.key }, options, async () => {
    const chunks: Buffer[] = [];
    await readBody(s3, file, options, { begin: () => undefined, chunk: (bytes) => void chunks.push(bytes) });
    return Buffer.concat(chunks).toString('utf8');
  });
}

function placeOf({ location: { bucket, prefix } }: S3Handle): string {
  return `s3://${bucket}/${prefix}`;
}

/** Both ways: what is named is there with that size, and nothing else is there. */
function agree(ref: SourceRef, by: string, manifest: readonly ManifestFile[], files: readonly ListedFile[]): void {
  const sizes = new Map(files.map((file) => [file.path, file.size]));
  const named = new Set(manifest.map((file) => file.path));
  const missing = manifest.filter((file) => !sizes.has(file.path)).map((file) => file.path);
  const extra = files.filter((file) => !named.has(file.path)).map((file) => file.path);
  const resized = manifest.filter((file) => (sizes.get(file.path) ?? file.size) !== file.size);
  const found = [
    ...some('missing', missing),
    ...some(`not in ${by}`, extra),
    ...some('of another size', resized.map((file) => `${file.path} (want ${file.size}, found ${sizes.get(file.path)})`)),
  ];
  if (found.length === 0) return;
  throw fail('IntegrityMismatch', `${ref.uri} at ${endpointOf(ref)} does not match its ${by}: ${found.join('; ')}`, {
    missing: missing.slice(0, SHOWN),
    extra: extra.slice(0, SHOWN),
    resized: resized.slice(0, SHOWN).map((file) => ({ file: file.path, want: file.size, found: sizes.get(file.path) })),
  });
}

/** Enough to see the pattern; a failure travels through history, where 10,000 names have no place. */
const SHOWN = 5;

function some(what: string, names: readonly string[]): readonly string[] {
  if (names.length === 0) return [];
  return [`${what}: ${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''}`];
}

function nothingThere(ref: SourceRef): SegueError {
  return fail('SourceMissing', `list ${ref.uri} at ${endpointOf(ref)}: want the files of a version, found none`, { uri: ref.uri, endpoint: endpointOf(ref) });
}

function unusable(ref: SourceRef, why: string, detail: Readonly<Record<string, unknown>>): SegueError {
  return fail('InvalidSavedModel', `list ${ref.uri} at ${endpointOf(ref)}: ${why}`, { uri: ref.uri, endpoint: endpointOf(ref), ...detail });
}
