// An agent killed in every step, started again, and no worse for it: no prediction fails, nothing half is ever visible, and the goal is reached.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJournal } from '../../src/agent/journal-format';
import type { ShownStep } from '../../src/domain/host';
import { namesInBootText } from '../../src/serving/model-list';
import { filesBelow } from '../../src/agent/tree';
import { PART_LOG_NAME } from '../../src/source/part-log';
import { call, until, upload, World } from './world';

let world: World;
afterEach(() => world.stop());

const SAMPLES = join(__dirname, '../data/savedmodels');
const CONTENT: Readonly<Record<string, string>> = { 1: 'saved_model_half_plus_two_cpu/00000123', 2: 'saved_model_half_plus_three/00000123' };

interface Run {
  readonly steps: readonly string[];
  readonly killed: boolean;
}

function drive(version: string, dieIn?: { step: string; afterMs: number }): Promise<Run> {
  const order = { root: world.root, serving: `unix:${world.socket}`, endpoint: world.s3.url, version, ...(dieIn === undefined ? {} : { dieIn }) };
  const child = spawn(process.execPath, ['--no-warnings', '-r', join(__dirname, '../../tools/ts.cjs'), join(__dirname, 'driver.ts'), JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString(); });
  child.stderr.on('data', (chunk: Buffer) => { errors += chunk.toString(); });
  return new Promise((resolve, reject) => child.once('exit', (code, signal) => {
    if (signal === 'SIGKILL' || code === 0) resolve({ steps: out.trim().split('\n'), killed: signal === 'SIGKILL' });
    else reject(new Error(`the driver failed: ${errors}`));
  }));
}

/** What must hold on the disk and in the server's list at every instant, here: just after a kill. */
async function assertInvariants(): Promise<void> {
  const journal = join(world.root, 'journal.json');
  if (existsSync(journal)) expect(parseJournal(readFileSync(journal, 'utf8'))).toHaveProperty('ok');
  if (existsSync(join(world.root, 'boot.config'))) expect(namesInBootText(world.bootFile())).toBeDefined();
  const onDisk = world.dir('models/half');
  for (const version of onDisk) expect(await contentOf(join(world.root, 'models/half', version))).toEqual(await contentOf(join(SAMPLES, CONTENT[version] ?? '')));
  const booted = [...(existsSync(join(world.root, 'boot.config')) ? world.bootFile() : '').matchAll(/versions: (\d+)/g)].map((match) => match[1]);
  for (const version of [...booted, ...(world.listed()['half'] ?? []).filter((one) => one !== '0')]) expect(onDisk).toContain(version);
}

async function contentOf(dir: string): Promise<Record<string, string>> {
  return Object.fromEntries((await filesBelow(dir)).toSorted().map((path) => [path, createHash('sha256').update(readFileSync(join(dir, path))).digest('hex')]));
}

/** Each step once, at a moment that is neither its begin nor its end. */
const DEATHS: readonly { step: ShownStep; afterMs: number }[] = [
  { step: 'beginAttempt', afterMs: 0 }, { step: 'downloadVersion', afterMs: 12 }, { step: 'verifyVersion', afterMs: 2 }, { step: 'stageVersion', afterMs: 1 },
  { step: 'reloadConfig', afterMs: 1 }, { step: 'awaitAvailable', afterMs: 40 }, { step: 'drainVersion', afterMs: 3 }, { step: 'unloadVersion', afterMs: 20 },
];

test('killed in every step', async () => {
  world = await World.start({ 1: 'two', 2: 'three' });
  await world.bringUp(await world.attempt('1', [1, 1]));
  await world.the.close();
  world.agent = undefined;
  const stop = await world.keepPredicting('1');
  let deaths = 0;
  try {
    for (const death of DEATHS) {
      if ((await drive('2', death)).killed) deaths += 1;
      await assertInvariants();
    }
    expect((await drive('2')).steps.at(-1)).toBe('done');
    await assertInvariants();
  } finally {
    const { sent, wrong } = await stop();
    expect(wrong).toEqual([]);
    expect(sent).toBeGreaterThan(100);
  }
  expect(deaths).toBeGreaterThanOrEqual(6); // A step that a killed agent had finished all the same is not begun again.
  expect(world.listed()).toEqual({ half: ['2'] });
  expect(world.dir('models/half')).toEqual(['1', '2']); // What it would go back to stays, whoever asks.
  expect(world.bootFile()).toContain('versions: 2');
  expect(world.dir('staging/half')).toEqual([]);
  expect(readdirSync(world.root).filter((name) => name.endsWith('.tmp'))).toEqual([]);
}, 120_000);

const MIB = 1024 * 1024;

test('killed in the middle of a large file, it goes on with the parts it had, and asks for none of them again', async () => {
  world = await World.start({ 1: 'two' });
  await world.the.close();
  world.agent = undefined;
  const size = 96 * MIB;
  await upload(world.s3, '9', 'two', (path) => path.includes('data-00000'));
  await world.s3.put('models', 'half/9/variables/variables.data-00000-of-00001', Buffer.alloc(size, 'bytes'));
  world.s3.fault({ key: '*data-00000*', fault: { kind: 'trickle', bytesPerSecond: 8 * MIB } });
  const order = { root: world.root, serving: `unix:${world.socket}`, endpoint: world.s3.url, version: '9' };
  const child = spawn(process.execPath, ['--no-warnings', '-r', join(__dirname, '../../tools/ts.cjs'), join(__dirname, 'driver.ts'), JSON.stringify(order)], { stdio: 'ignore' });
  const ended = new Promise((resolve) => { child.once('exit', (_code, signal) => resolve(signal)); });
  await until(() => partsOnLog().length >= 4, 'four parts are on log');
  child.kill('SIGKILL');
  expect(await ended).toBe('SIGKILL');
  const had = partsOnLog();
  world.s3.clearFaults();
  const before = world.s3.log().length;
  await world.startAgent();
  const attempt = await world.attempt('9', [9, 1]);
  await world.the.downloadVersion(attempt, call());
  const again = world.s3.log().slice(before).filter(({ operation, key }) => operation === 'GetObject' && key?.includes('data-00000'));
  expect(again.reduce((sum, { bytesSent }) => sum + bytesSent, 0)).toBe(size - had.reduce((sum, { from, to }) => sum + to - from, 0));
  // Of both lives together: what eight lanes held at the kill came twice, which is less than a part of each.
  const all = world.s3.log().filter(({ operation, key }) => operation === 'GetObject' && key?.includes('data-00000'));
  expect(all.reduce((sum, { bytesSent }) => sum + bytesSent, 0) - size).toBeLessThan(8 * 8 * MIB);
  expect(again.filter(({ range }) => had.some(({ from }) => range?.startsWith(`bytes=${from}-`)))).toEqual([]);
  const [directory = ''] = world.dir('staging/half').filter((name) => !name.endsWith('.json'));
  expect(readFileSync(join(world.root, 'staging/half', directory, 'variables/variables.data-00000-of-00001')).equals(Buffer.alloc(size, 'bytes'))).toBe(true);
});

/** What a killed process wrote of the large file, by its own log. */
function partsOnLog(): readonly { readonly from: number; readonly to: number }[] {
  const staging = join(world.root, 'staging/half');
  const [directory] = existsSync(staging) ? readdirSync(staging).filter((name) => !name.endsWith('.json')) : [];
  const log = join(staging, directory ?? '', PART_LOG_NAME);
  if (directory === undefined || !existsSync(log)) return [];
  const lines = readFileSync(log, 'utf8').split('\n').slice(1, -1).filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as { path: string; from: number; to: number }).filter(({ path, to }) => path.includes('data-00000') && to > 0);
}
