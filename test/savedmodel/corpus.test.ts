// Each of the 13 samples, damaged file by file: everything is noticed. Bits flipped in a graph are not here, because no checksum covers it (mutations.test.ts).

import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkSavedModel } from '../../src/savedmodel/check';

const SAMPLES = join(__dirname, '../data/savedmodels');
const samples = readdirSync(SAMPLES, { withFileTypes: true }).filter((entry) => entry.isDirectory() && !entry.name.startsWith('_'))
  .flatMap(({ name }) => readdirSync(join(SAMPLES, name)).map((version) => `${name}/${version}`)).filter((sample) => existsSync(join(SAMPLES, sample, 'saved_model.pb')));
/** Files a server needs, and checks. */
const NEEDED = /^(saved_model\.pb|variables\/variables\.(index|data-.*))$/;
/** Points at which a file is cut: each block of this many bytes, and one byte before the end. */
const BLOCK_BYTES = 64;
const LARGE_BLOCK_BYTES = 2048;
const LARGE_BYTES = 20_000;
/** Of each index and shard; the smallest samples have every bit flipped in mutations.test.ts. */
const FLIPS = 300;

let root: string;
beforeAll(() => { root = mkdtempSync(join(tmpdir(), 'segue-corpus-')); });
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function sound(dir: string): Promise<boolean> {
  return (await checkSavedModel(dir)).ok;
}

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(dir.length + 1)).filter((path) => NEEDED.test(path)).sort();
}

test.each(samples)('%s: every needed file dropped, renamed, emptied, swapped, cut at each block: noticed', async (sample) => {
  const dir = join(root, sample.replace('/', '-'));
  cpSync(join(SAMPLES, sample), dir, { recursive: true });
  const files = filesOf(dir);
  const missed: string[] = [];
  const noticed = async (what: string): Promise<void> => void ((await sound(dir)) && missed.push(what));
  expect(await sound(dir)).toBe(true);
  for (const path of files) {
    const file = join(dir, path);
    const bytes = readFileSync(file);
    renameSync(file, `${file}.part`);
    await noticed(`${path} renamed`);
    rmSync(`${file}.part`);
    await noticed(`${path} dropped`);
    for (const other of files.filter((one) => one !== path)) {
      writeFileSync(file, readFileSync(join(dir, other)));
      await noticed(`${path} with the bytes of ${other}`);
    }
    const step = bytes.length > LARGE_BYTES ? LARGE_BLOCK_BYTES : BLOCK_BYTES;
    for (const length of [...Array(Math.ceil(bytes.length / step)).keys()].map((n) => n * step).concat(bytes.length - 1)) {
      writeFileSync(file, bytes.subarray(0, length));
      await noticed(`${path} cut to ${length} of ${bytes.length}`);
    }
    writeFileSync(file, bytes);
  }
  expect(await sound(dir)).toBe(true);
  expect(missed).toEqual([]);
});

test.each(samples)('%s: bits flipped all over its index and shards: noticed', async (sample) => {
  const dir = join(root, `${sample.replace('/', '-')}-flipped`);
  cpSync(join(SAMPLES, sample), dir, { recursive: true });
  const missed: string[] = [];
  for (const path of filesOf(dir).filter((one) => one.startsWith('variables/'))) {
    const bytes = readFileSync(join(dir, path));
    for (let n = 0; n < Math.min(FLIPS, bytes.length); n++) {
      const at = Math.floor((n * bytes.length) / Math.min(FLIPS, bytes.length));
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (n % 8);
      writeFileSync(join(dir, path), flipped);
      if (await sound(dir)) missed.push(`${path} bit ${n % 8} of byte ${at}`);
    }
    writeFileSync(join(dir, path), bytes);
  }
  expect(missed).toEqual([]);
});

test('there are 13 of them', () => expect(samples.length).toBe(13));
