// An agent killed in every step, started again, and no worse for it: no prediction fails, nothing half is ever visible, and the goal is reached.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJournal } from '../../src/agent/journal-format';
import type { ShownStep } from '../../src/domain/host';
import { namesInBootText } from '../../src/serving/model-list';
import { filesBelow } from '../../src/agent/tree';
import { World } from './world';

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
  expect(world.dir('models/half')).toEqual(['2']);
  expect(world.bootFile()).toContain('versions: 2');
  expect(world.dir('staging/half')).toEqual([]);
  expect(readdirSync(world.root).filter((name) => name.endsWith('.tmp'))).toEqual([]);
}, 120_000);
