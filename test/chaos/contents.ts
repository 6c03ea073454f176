// The versions that are rolled out: two real SavedModels, each version with bytes of its own, and what a directory of it must hold.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { S3Server } from '../../src/testing/s3/server';
import type { Wanted } from './plan';

export const BUCKET = 'models';
/** Not a secret of anybody, and nowhere else: so that it can be looked for. */
export const KEYS = { accessKeyId: 'chaos', secretAccessKey: 'the-secret-that-must-be-nowhere' } as const;

const SAMPLES = join(__dirname, '../data/savedmodels');
/** y = x / 2 + the constant, because the checkpoint says so. */
const SAMPLE = { 2: 'saved_model_half_plus_two_cpu', 3: 'saved_model_half_plus_three' } as const;
/** So that a download is more than one packet. */
const LARGE_BYTES = 384 * 1024;
const LARGE_FILE = 'assets.extra/vocabulary.txt';

type Files = ReadonlyMap<string, Buffer>;

/** Neighbouring versions answer differently. */
export function constantOf(version: string): 2 | 3 {
  return BigInt(version) % 2n === 0n ? 2 : 3;
}

/** One line a file: path, size, SHA-256. What a version *is*. */
export function linesOf(files: Files): string {
  return [...files].map(([path, bytes]) => `${path} ${bytes.length} ${sha256(bytes)}`).sort().join('\n');
}

export function filesBelow(directory: string): Files {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(entries.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(directory.length + 1).split(sep).join('/'), readFileSync(path)];
  }));
}

/** What may lie below a base path, by `model/version`: only what was good at its source. */
export class Contents {
  readonly #lines = new Map<string, string>();

  wanted(model: string, version: string): string | undefined {
    return this.#lines.get(`${model}/${version}`);
  }

  /** Puts the version where its rollout will look for it. What is stale lies whole at `good`, and another one under the same number at `stale`. */
  async upload({ model, version, content }: Wanted, good: S3Server, stale: S3Server): Promise<void> {
    const files = contentOf(model, version, constantOf(version));
    if (content === 'bad') {
      await put(good, model, version, new Map([...files].filter(([path]) => path !== 'variables/variables.index')));
      return;
    }
    this.#lines.set(`${model}/${version}`, linesOf(files));
    await put(good, model, version, files);
    if (content === 'stale') await put(stale, model, version, contentOf(`stale ${model}`, version, constantOf(version) === 2 ? 3 : 2));
  }
}

function contentOf(model: string, version: string, constant: 2 | 3): Files {
  const base = filesBelow(join(SAMPLES, SAMPLE[constant], '00000123'));
  return new Map([...base, [LARGE_FILE, Buffer.alloc(LARGE_BYTES, `${model}/${version}\n`)]]);
}

async function put(store: S3Server, model: string, version: string, files: Files): Promise<void> {
  const manifest = { files: [...files].map(([path, bytes]) => ({ path, size: bytes.length, sha256: sha256(bytes) })) };
  for (const [path, bytes] of files) await store.put(BUCKET, `${model}/${version}/${path}`, bytes);
  await store.put(BUCKET, `${model}/${version}/manifest.json`, JSON.stringify(manifest));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
