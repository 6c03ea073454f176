// Each way in which a copy of a good model can be bad must be found.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBundleIndex } from '../../src/savedmodel/bundle';
import { checkGraph } from '../../src/savedmodel/check-graph';
import { checkSavedModel } from '../../src/savedmodel/check';
import { findingOf } from '../../src/savedmodel/finding';
import { Pace } from '../../src/savedmodel/pace';
import { checkShard } from '../../src/savedmodel/shard';

const SAMPLES = join(__dirname, '../data/savedmodels');
const PLAIN = 'saved_model_half_plus_three/00000123';
const SNAPPY = 'saved_model_half_plus_two_cpu/00000123';
const TF2 = 'saved_model_half_plus_two_tf2_cpu/00000123';
const INDEX = 'variables/variables.index';
const SHARD = 'variables/variables.data-00000-of-00001';

let root: string;
let made = 0;
beforeAll(() => { root = mkdtempSync(join(tmpdir(), 'segue-mutations-')); });
afterAll(() => rmSync(root, { recursive: true, force: true }));

function copyOf(sample: string): string {
  const dir = join(root, String(made++));
  cpSync(join(SAMPLES, sample), dir, { recursive: true });
  return dir;
}

/** The checks that failed, or none. */
async function found(dir: string): Promise<string[]> {
  const report = await checkSavedModel(dir);
  return report.ok ? [] : report.findings.map(({ check }) => check);
}

/** The names of those variants that `check` does not refuse. */
async function unnoticed(variants: Iterable<readonly [name: string, bytes: Uint8Array]>, check: (bytes: Uint8Array) => Promise<boolean>): Promise<string[]> {
  const missed: string[] = [];
  for (const [name, bytes] of variants) {
    if (!(await check(bytes))) missed.push(name);
  }
  return missed;
}

/** Is the whole model found bad with this in the file's place? */
function inPlaceOf(sample: string, file: string): (bytes: Uint8Array) => Promise<boolean> {
  const dir = copyOf(sample);
  return async (bytes) => {
    writeFileSync(join(dir, file), bytes);
    return (await found(dir)).length > 0;
  };
}

/** The same of the one check that reads a shard: thousands of variants need not read the graph again. */
function asShardOf(sample: string): (bytes: Uint8Array) => Promise<boolean> {
  const dir = copyOf(sample);
  const index = readBundleIndex(original(sample, INDEX));
  return async (bytes) => {
    writeFileSync(join(dir, SHARD), bytes);
    return (await checkShard(dir, index, 0, { limit: 1 })).findings.length > 0;
  };
}

async function refused(read: () => unknown): Promise<boolean> {
  try {
    await read();
    return false;
  } catch (error) {
    if (findingOf(error) === undefined) throw error;
    return true;
  }
}

function original(sample: string, file: string): Buffer {
  return readFileSync(join(SAMPLES, sample, file));
}

function* truncations(file: Uint8Array): Generator<readonly [string, Uint8Array]> {
  for (let length = 0; length < file.length; length++) yield [`${length} of ${file.length} bytes`, file.subarray(0, length)];
}

/** Each bit, or one of each byte. */
function* flips(file: Uint8Array, bits: 'all' | 'one' = 'all'): Generator<readonly [string, Uint8Array]> {
  for (let at = 0; at < file.length; at++) {
    for (let bit = bits === 'all' ? 0 : at % 8; bit < (bits === 'all' ? 8 : (at % 8) + 1); bit++) {
      const bytes = Uint8Array.from(file);
      bytes[at]! ^= 1 << bit;
      yield [`bit ${bit} of byte ${at}`, bytes];
    }
  }
}

test.each([PLAIN, SNAPPY])('an index cut off anywhere is noticed: %s', async (sample) => {
  expect(await unnoticed(truncations(original(sample, INDEX)), inPlaceOf(sample, INDEX))).toEqual([]);
});

test.each([PLAIN, SNAPPY, TF2])('an index with any bit flipped is noticed: %s', async (sample) => {
  expect(await unnoticed(flips(original(sample, INDEX)), (bytes) => refused(() => readBundleIndex(bytes)))).toEqual([]);
});

test.each([PLAIN, SNAPPY])('a shard with any bit flipped is noticed: %s', async (sample) => {
  expect(await unnoticed(flips(original(sample, SHARD)), asShardOf(sample))).toEqual([]);
});

test('a shard of strings with any byte damaged is noticed', async () => {
  expect(await unnoticed(flips(original(TF2, SHARD), 'one'), asShardOf(TF2))).toEqual([]);
});

test.each([PLAIN, TF2])('a shard cut off anywhere is noticed: %s', async (sample) => {
  expect(await unnoticed(truncations(original(sample, SHARD)), asShardOf(sample))).toEqual([]);
});

const graphRefused = async (bytes: Uint8Array) => {
  let findings = 0;
  return (await refused(async () => { findings = (await checkGraph(bytes, ['serve'], new Pace())).findings.length; })) || findings > 0;
};

test.each([PLAIN, 'matrix_half_plus_two/1'])('a graph cut off anywhere is noticed: %s', async (sample) => {
  expect(await unnoticed(truncations(original(sample, 'saved_model.pb')), graphRefused)).toEqual([]);
});

test('a graph with any bit flipped is looked at to the end: a report, never a crash', async () => {
  // Not each can be noticed: a constant with another value is as good a graph as before. A third of them is, by names, lengths and dtypes.
  const missed = await unnoticed(flips(original('matrix_half_plus_two/1', 'saved_model.pb')), graphRefused);
  expect(missed.length).toBeLessThan(856 * 8 * 0.7);
});

type Damage = (dir: string) => void;
const remove = (file: string): Damage => (dir) => rmSync(join(dir, file), { recursive: true });
const rename = (from: string, to: string): Damage => (dir) => renameSync(join(dir, from), join(dir, to));
const from = (sample: string, file: string): Damage => (dir) => cpSync(join(SAMPLES, sample, file), join(dir, file));

test.each<[string, Damage, string[]]>([
  ['no graph', remove('saved_model.pb'), ['layout']],
  ['a graph of no bytes', (dir) => truncateSync(join(dir, 'saved_model.pb'), 0), ['tags']],
  ['a graph under another name', rename('saved_model.pb', 'saved_model.pb.part'), ['layout']],
  ['no index: it would load and fail each prediction', remove(INDEX), ['variables']],
  ['an index under another name', rename(INDEX, 'variables/variables.idx'), ['variables']],
  ['no shard', remove(SHARD), ['shardMissing']],
  ['a shard of another count', rename(SHARD, 'variables/variables.data-00000-of-00002'), ['shardMissing']],
  ['no variables at all', remove('variables'), ['variables']],
  ['a directory where the shard should be', (dir) => { rmSync(join(dir, SHARD)); mkdirSync(join(dir, SHARD)); }, ['layout']],
  ['a directory where the graph should be', (dir) => { rmSync(join(dir, 'saved_model.pb')); mkdirSync(join(dir, 'saved_model.pb')); }, ['layout']],
  ['the shard of another model', from('saved_model_half_plus_two_2_versions/00000123', SHARD), ['checksum']],
  ['the index of another model', from(SNAPPY, INDEX), ['shardShort']],
  ['index and shard of another model', (dir) => { from('saved_model_counter/00000123', INDEX)(dir); from('saved_model_counter/00000123', SHARD)(dir); }, ['restore', 'restore', 'restore']],
  ['the graph of another model', from('saved_model_counter/00000123', 'saved_model.pb'), ['restore']],
  ['a legacy bundle beside it', (dir) => writeFileSync(join(dir, 'export.meta'), ''), ['layout']],
])('%s', async (_, damage, checks) => {
  const dir = copyOf(PLAIN);
  expect(await found(dir)).toEqual([]);
  damage(dir);
  expect(await found(dir)).toEqual(checks);
});
