// A download that was killed goes on where it was: real SIGKILLs, and the server's own log of what was asked for again.

import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { until } from '../setup/until';
import { kit, noise, openBelow, sha } from './kit';
import type { Kit } from './kit';

const ROOT = resolve(__dirname, '../..');
const MIB = 1024 * 1024;
const LANES = 4;
const BIG = noise(24 * MIB);
let k: Kit;
let scratch: string;
beforeEach(async () => {
  k = await kit();
  scratch = mkdtempSync(join(tmpdir(), 'segue-resume-'));
  await k.put('big', BIG);
  await k.put('small', 'small');
});
afterEach(async () => {
  await k.s3.stop();
  rmSync(scratch, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | NodeJS.Signals | null;
  readonly json: { readonly fetchedBytes: number; readonly reusedBytes: number; readonly digest: string } | undefined;
  readonly err: string;
}

function fetchAsProcess(dest: string, ...flags: string[]): { readonly kill: () => void; readonly ended: Promise<Ended> } {
  const args = ['-r', join(ROOT, 'tools/ts.cjs'), join(ROOT, 'src/cli/main.ts'), 'fetch', k.ref.uri, dest, '--endpoint', k.s3.url, '--credentials', 'anonymous', '--lanes', String(LANES), '--part-size', '1MiB', '-o', 'json', ...flags];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString(); });
  child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString(); });
  const ended = new Promise<Ended>((done) => child.once('close', (code, signal) => done({ code: code ?? signal, json: out === '' ? undefined : JSON.parse(out) as Ended['json'], err })));
  return { kill: () => void child.kill('SIGKILL'), ended };
}

test('killed at random moments, at most one part per lane is fetched again each time, and nothing is visible before all is there', async () => {
  const dest = join(scratch, '1');
  let kills = 0;
  const sent = (): number => k.gets('big').reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  for (; kills < 3; kills++) {
    const run = fetchAsProcess(dest, '--limit-rate', '8MiB');
    const enough = sent() + (2 + kills) * MIB;
    await until(() => sent() > enough);
    run.kill();
    expect((await run.ended).code).toBe('SIGKILL');
    expect(readdirSync(scratch).filter((name) => !name.startsWith('.'))).toEqual([]);
  }
  const last = await fetchAsProcess(dest).ended;
  expect([last.code, last.err]).toEqual([0, expect.any(String)]);
  expect(readFileSync(join(dest, 'big')).equals(BIG)).toBe(true);
  expect(last.json?.reusedBytes).toBeGreaterThan(0);
  // One request for each part, and again for those that were under way at a kill.
  expect(k.gets('big').length - BIG.length / MIB).toBeLessThanOrEqual(kills * LANES);
  expect(readdirSync(scratch)).toEqual(['1']);
  expect(readdirSync(dest).sort()).toEqual(['big', 'small']);
});

test('what another boot wrote is not believed, nor a log of other objects', async () => {
  const abort = new AbortController();
  const progress = (bytes: number): void => { if (bytes > 12 * MIB) abort.abort(new Error('enough')); };
  const run = (): Promise<unknown> => k.fetch({ signal: abort.signal, onProgress: progress, lanes: 1 });
  await expect(run()).rejects.toThrow('enough');
  const log = join(k.into, 'parts\\log');
  expect(readFileSync(log, 'utf8')).toMatch(/"path":"big"/);
  expect(openBelow(k.into)).toEqual([]);
  writeFileSync(log, readFileSync(log, 'utf8').replace(/"boot":"[^"]*"/, '"boot":"another"'));
  const before = k.gets('big').length;
  await k.fetch();
  expect(k.gets('big').slice(before).reduce((sum, { bytesSent }) => sum + bytesSent, 0)).toBe(BIG.length);
  expect(readdirSync(k.into).sort()).toEqual(['big', 'small']);
});

test('what was written and then changed on the disk is found out, and that file alone is fetched again', async () => {
  await k.manifest({ big: BIG, small: 'small' });
  const abort = new AbortController();
  await expect(k.fetch({ signal: abort.signal, onProgress: (bytes) => { if (bytes > 10 * MIB) abort.abort(new Error('enough')); } })).rejects.toThrow('enough');
  const partial = readFileSync(join(k.into, 'big'));
  partial[100] = (partial[100] ?? 0) ^ 1;
  writeFileSync(join(k.into, 'big'), partial);
  const done = await k.fetch();
  expect(done.find(({ path }) => path === 'big')?.sha256).toBe(sha(BIG));
  expect(readFileSync(join(k.into, 'big')).equals(BIG)).toBe(true);
});

test('of a file that went away meanwhile nothing is believed, also after another kill', async () => {
  const stopAt = async (bytes: number): Promise<void> => {
    const abort = new AbortController();
    await expect(k.fetch({ lanes: 1, signal: abort.signal, onProgress: (now) => { if (now > bytes) abort.abort(new Error('enough')); } })).rejects.toThrow('enough');
  };
  await stopAt(12 * MIB);
  rmSync(join(k.into, 'big'));
  await stopAt(1 * MIB); // It has its full length again, and holds little of what the log said first.
  const before = k.gets('big').length;
  await k.fetch();
  expect(readFileSync(join(k.into, 'big')).equals(BIG)).toBe(true);
  // Its checksum would have found out, and everything would have been asked for again.
  const ranges = k.gets('big').slice(before).map(({ range }) => range);
  expect(ranges).toHaveLength(new Set(ranges).size);
});

test('a log that a finished download left is removed', async () => {
  const done = await k.fetch();
  writeFileSync(join(k.into, 'parts\\log'), 'left');
  await k.fetch({ have: done });
  expect(readdirSync(k.into).sort()).toEqual(['big', 'small']);
});
