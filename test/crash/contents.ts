// What a version of the small sample models is, byte for byte, and what lies on a root.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SAMPLES = join(__dirname, '../data/savedmodels');

/** Path → bytes of version 1: on this root, or as it was put into the bucket. */
export function rootsContent(root: string | undefined, version: '1'): ReadonlyMap<string, Buffer> {
  const directory = root === undefined ? join(SAMPLES, 'saved_model_half_plus_two_cpu/00000123') : join(root, 'models/half', version);
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(files.map((file) => [file.slice(directory.length + 1), readFileSync(file)] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
}
