// npm run bench:verify -- [--json] [--mib 512] [--rounds 5]: how fast a SavedModel's bytes are checked, files in the page cache. One process with the processor's CRC-32C, one with the
// tables alone, in turn, so that a busy machine slows both. Ends with one JSON object; rates are GB (10^9 bytes) of shard bytes a second, best and median of the rounds.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DataType } from '../src/proto/gen/tensorflow/core/framework/types_pb';
import type * as Check from '../src/savedmodel/check';
import { crc32c, maskCrc } from '../src/savedmodel/crc32c';
import { entry, index } from '../test/savedmodel/bundle-writer';

const ROOT = resolve(__dirname, '..');
/** A graph without a saver: any checkpoint goes with it. */
const SAMPLE = join(ROOT, 'test/data/savedmodels/matrix_half_plus_two/1');
const TENSOR_BYTES = 2 ** 24;
const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, mib: { type: 'string', default: '512' }, rounds: { type: 'string', default: '5' }, round: { type: 'string' }, tables: { type: 'boolean', default: false } } });

void (values.round === undefined ? contest() : round(values.round));

interface Round { readonly seconds: number; readonly rssMb: number; readonly cpuSeconds: number }

function contest(): void {
  const dir = mkdtempSync(join(tmpdir(), 'segue-bench-verify-'));
  try {
    const bytes = writeModel(dir, Number(values.mib) * 2 ** 20);
    const native: Round[] = [];
    const tables: Round[] = [];
    for (let n = 0; n < Number(values.rounds); n++) {
      native.push(child(dir));
      tables.push(child(dir, '--tables'));
    }
    const result = { bytes, native: summed(native, bytes), tables: summed(tables, bytes) };
    console.log(JSON.stringify(result, undefined, values.json ? undefined : 2));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function child(dir: string, ...flags: string[]): Round {
  return JSON.parse(execFileSync(process.execPath, ['-r', join(ROOT, 'tools/ts.cjs'), __filename, '--round', dir, ...flags], { encoding: 'utf8' })) as Round;
}

async function round(dir: string): Promise<void> {
  // Loaded with this in its place, crc32c.ts finds no native build.
  if (values.tables) for (const path of Object.keys(require.cache)) if (path.includes('crc32c') || path.includes('@node-rs')) delete require.cache[path];
  if (values.tables) require.cache[require.resolve('@node-rs/crc32')] = { exports: {}, loaded: true } as NodeJS.Module;
  const { checkSavedModel } = require('../src/savedmodel/check') as typeof Check;
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  const report = await checkSavedModel(dir);
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  if (!report.ok) throw new Error(JSON.stringify(report.findings));
  console.log(JSON.stringify({ seconds, rssMb: process.memoryUsage().rss / 1e6, cpuSeconds: (user + system) / 1e6 }));
}

/** One shard of tensors of 16 MiB. Gives its bytes. */
function writeModel(dir: string, bytes: number): number {
  cpSync(SAMPLE, dir, { recursive: true });
  const tensor = Buffer.alloc(TENSOR_BYTES);
  for (let at = 0; at < tensor.length; at++) tensor[at] = (at * 31) ^ (at >> 9);
  const count = Math.max(1, Math.floor(bytes / TENSOR_BYTES));
  const crc = maskCrc(crc32c(tensor));
  const shard = join(dir, 'variables/variables.data-00000-of-00001');
  execFileSync('mkdir', ['-p', join(dir, 'variables')]);
  for (let n = 0; n < count; n++) writeFileSync(shard, tensor, { flag: n === 0 ? 'w' : 'a' });
  const entries = Array.from({ length: count }, (_, n) => entry(`t${String(n).padStart(5, '0')}`, { dtype: DataType.DT_UINT8, shape: { dim: [{ size: BigInt(TENSOR_BYTES) }] }, offset: BigInt(n * TENSOR_BYTES), size: BigInt(TENSOR_BYTES), crc32c: crc }));
  writeFileSync(join(dir, 'variables/variables.index'), index(entries));
  return count * TENSOR_BYTES;
}

function summed(rounds: readonly Round[], bytes: number): object {
  const rates = rounds.map(({ seconds }) => bytes / seconds / 1e9).sort((a, b) => b - a);
  const two = (value: number): number => Number(value.toFixed(2));
  return { bestGBs: two(rates[0] ?? 0), medianGBs: two(rates[Math.floor(rates.length / 2)] ?? 0), cpuSecondsPerGB: two(Math.min(...rounds.map(({ cpuSeconds }) => cpuSeconds)) / (bytes / 1e9)), maxRssMb: Math.round(Math.max(...rounds.map(({ rssMb }) => rssMb))) };
}
