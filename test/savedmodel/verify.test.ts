// `segue verify` on directories, archives and buckets: what it says, what it ends with, and that it leaves nothing behind.

import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../src/cli/run';
import { startS3 } from '../../src/testing/s3/server';
import type { S3Server } from '../../src/testing/s3/server';
import { captured } from '../cli/captured';
import type { Captured } from '../cli/captured';
import { zip } from '../source/archive-writer';

const HALF = join(__dirname, '../data/savedmodels/saved_model_half_plus_two_cpu/00000123');
const SHARD = 'variables/variables.data-00000-of-00001';

let root: string;
let broken: string;
let s3: S3Server;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'segue-verify-test-'));
  broken = join(root, 'broken');
  cpSync(HALF, broken, { recursive: true });
  truncateSync(join(broken, SHARD), 3);
  writeFileSync(join(root, '00000123.zip'), zipOf(HALF));
  writeFileSync(join(root, 'cut.zip'), zipOf(HALF).subarray(0, 500));
  writeFileSync(join(root, 'ops'), 'Placeholder\n');
  s3 = await startS3();
  for (const path of filesOf(HALF)) await s3.put('models', `half/1/${path}`, readFileSync(join(HALF, path)));
  for (const path of filesOf(broken)) await s3.put('models', `half/2/${path}`, readFileSync(join(broken, path)));
  await s3.put('models', 'half/3/0003.zip', zipOf(HALF));
});
afterAll(async () => {
  await s3.stop();
  rmSync(root, { recursive: true, force: true });
});

function filesOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(dir.length + 1));
}

function zipOf(dir: string): Buffer {
  return zip(filesOf(dir).map((path) => ({ name: `00000123/${path}`, data: readFileSync(join(dir, path)) })));
}

async function verify(...args: string[]): Promise<Captured> {
  const scratch = (): string[] => readdirSync(tmpdir()).filter((name) => /^segue-verify-(?!test-)/.test(name));
  const before = scratch();
  const ended = await captured((terminal) => run(['verify', ...args], terminal));
  expect(scratch().filter((name) => !before.includes(name))).toEqual([]);
  return ended;
}

const bucket = (prefix: string): string[] => [`s3://models/${prefix}`, '--endpoint', s3.url, '--credentials', 'anonymous'];

test('a sound directory is said to be sound', async () => {
  expect(await verify(HALF)).toMatchObject({ code: 0, out: expect.stringMatching(/^sound: .*, 4 files, /), err: '' });
});

test('what is not servable is told with file and reason, and ends with 8', async () => {
  expect(await verify(broken)).toMatchObject({ code: 8, out: expect.stringMatching(/^PROBLEM shardShort variables\/variables\.data-00000-of-00001: .*\nnot servable: /) });
});

test('as JSON it can be read by a program, sound or not', async () => {
  expect(JSON.parse((await verify(HALF, '-o', 'json')).out)).toEqual({ ok: true, where: HALF, files: 4, bytes: expect.any(Number), seconds: expect.any(Number), findings: [], warnings: [] });
  expect(JSON.parse((await verify(broken, '-o', 'json')).out)).toMatchObject({ ok: false, findings: [{ check: 'shardShort', path: SHARD }] });
});

test('archives and buckets are looked at in the same way', async () => {
  for (const where of [[join(root, '00000123.zip')], bucket('half/1/'), bucket('half/3/')]) expect(await verify(...where)).toMatchObject({ code: 0, out: expect.stringMatching(/^sound: .*, 4 files, /) });
  expect(await verify(...bucket('half/2/'))).toMatchObject({ code: 8, out: expect.stringContaining('PROBLEM shardShort') });
});

test('what is not to be had ends with 3 and says what was found', async () => {
  expect(await verify(join(root, 'nowhere'))).toMatchObject({ code: 3, err: expect.stringContaining('found nothing') });
  expect(await verify(join(root, 'cut.zip'))).toMatchObject({ code: 3, err: expect.stringContaining('IntegrityMismatch: unpack cut.zip: ') });
  expect(await verify(...bucket('half/9/'))).toMatchObject({ code: 3, err: expect.stringContaining('SourceMissing') });
});

test('what else a server needs can be asked for', async () => {
  expect(await verify(HALF, '--tags', 'serve,gpu')).toMatchObject({ code: 8, out: expect.stringContaining('PROBLEM tags') });
  expect(await verify(HALF, '--signature', 'gone')).toMatchObject({ code: 8, out: expect.stringContaining('there is no signature gone') });
  expect(await verify(HALF, '--server-version', '1.2')).toMatchObject({ code: 0, out: expect.stringContaining("warning ops saved_model.pb: was written by TensorFlow 1.14.0, newer than the server's 1.2") });
  expect(await verify(HALF, '--ops', join(root, 'ops'))).toMatchObject({ code: 8, out: expect.stringContaining('PROBLEM ops saved_model.pb: the server has no op') });
});
