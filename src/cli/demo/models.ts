// The versions the demo rolls out: real SavedModels of TensorFlow Serving's own tests, put together in memory and uploaded.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { Version } from '../../domain/names';
import type { ManifestFile } from '../../domain/source';
import { MANIFEST_NAME } from '../../source/manifest';

/** Path within the version → bytes. */
export type Files = ReadonlyMap<string, Buffer>;

export interface DemoModel {
  readonly version: Version;
  /** y = x / 2 + this, because its checkpoint says so. */
  readonly constant: number;
  readonly files: Files;
}

export const MODEL = 'half';
export const BUCKET = 'models';
export const REGION = 'us-east-1';

/** Not a secret: both ends are on loopback and gone after the demo. Signed all the same, so that signing is part of what is shown. */
export const DEMO_KEYS = { accessKeyId: 'demo', secretAccessKey: 'demo-only-not-a-secret' } as const;

/** Beside the graph, so that a load is more than one packet: a vocabulary file as models carry in assets.extra. */
export const LARGE_FILE = 'assets.extra/vocabulary.txt';
const LARGE_FILE_BYTES = 4 * 1024 * 1024;
/** What the stale endpoint sends of it before it falls silent. */
export const STALL_AFTER_BYTES = 1024 * 1024;

export interface DemoModels {
  readonly v1: DemoModel;
  readonly v2: DemoModel;
  readonly v3: DemoModel;
  /** What the stale endpoint holds under number 3: other content. Were it ever served, its values would be wrong. */
  readonly staleV3: DemoModel;
  readonly brokenV4: DemoModel;
}

export function demoModels(samples: string): DemoModels {
  const two = sample(samples, 'saved_model_half_plus_two_cpu');
  const three = sample(samples, 'saved_model_half_plus_three');
  const twoOfTf2 = sample(samples, 'saved_model_half_plus_two_tf2_cpu');
  return {
    v1: { version: '1' as Version, constant: 2, files: two },
    v2: { version: '2' as Version, constant: 3, files: withManifest(three) },
    v3: { version: '3' as Version, constant: 2, files: withManifest(withLargeFile(twoOfTf2, 'good')) },
    staleV3: { version: '3' as Version, constant: 3, files: withManifest(withLargeFile(three, 'stale')) },
    brokenV4: { version: '4' as Version, constant: 3, files: withManifest(new Map([...three].filter(([path]) => path !== 'variables/variables.index'))) },
  };
}

export function prefixOf(version: Version): string {
  return `${MODEL}/${version}/`;
}

/** Puts every file of every model at an endpoint, signed. */
export async function upload(endpoint: string, models: readonly DemoModel[]): Promise<void> {
  const client = new S3Client({ endpoint, region: REGION, forcePathStyle: true, credentials: DEMO_KEYS, requestChecksumCalculation: 'WHEN_REQUIRED' });
  try {
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    for (const { version, files } of models) {
      for (const [path, bytes] of files) await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${prefixOf(version)}${path}`, Body: bytes }));
    }
  } finally {
    client.destroy();
  }
}

/** What the version's directory must hold: everything but the manifest. */
export function contentOf(model: DemoModel): readonly ManifestFile[] {
  return [...model.files].filter(([path]) => path !== MANIFEST_NAME).map(([path, bytes]) => ({ path, size: bytes.length, sha256: sha256(bytes) }));
}

/** The same of a directory on disk. */
export function contentOfDirectory(directory: string): readonly ManifestFile[] {
  return [...filesBelow(directory)].map(([path, bytes]) => ({ path, size: bytes.length, sha256: sha256(bytes) }));
}

export function sameContent(left: readonly ManifestFile[], right: readonly ManifestFile[]): boolean {
  const lines = (files: readonly ManifestFile[]): string => files.map((file) => `${file.path}\0${file.size}\0${file.sha256}`).sort().join('\n');
  return lines(left) === lines(right);
}

function sample(samples: string, name: string): Files {
  return filesBelow(join(samples, name, '00000123'));
}

function withLargeFile(files: Files, word: string): Files {
  return new Map([...files, [LARGE_FILE, Buffer.alloc(LARGE_FILE_BYTES, `${word}\n`)]]);
}

function withManifest(files: Files): Files {
  const manifest = { files: [...files].map(([path, bytes]): ManifestFile => ({ path, size: bytes.length, sha256: sha256(bytes) })) };
  return new Map([...files, [MANIFEST_NAME, Buffer.from(JSON.stringify(manifest, undefined, 2))]]);
}

function filesBelow(directory: string): Files {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(entries.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(directory.length + 1).split(sep).join('/'), readFileSync(path)];
  }));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
