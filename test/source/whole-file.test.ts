// Many small files: each made, written, hashed, made durable and closed by a thread, at once. An abort at any moment leaves nothing open and nothing that still writes.

import { spawn } from 'node:child_process';
import type * as Fs from 'node:fs';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fetchFiles } from '../../src/source/download';
import type { FetchOptions } from '../../src/source/download';
import type { FetchedFile } from '../../src/source/own-download';
import { PART_LOG_NAME } from '../../src/source/part-log';
import { SLAB_BYTES } from '../../src/source/slabs';
import { MADE } from '../../src/source/staged-file';
import { putWhole, WHOLE_FROM_FILES } from '../../src/source/whole-file';
import { makeSmallFileSystem, reasonNoSmallFileSystem } from '../setup/small-file-system';
import { findStrace, reasonNoStrace } from '../setup/strace';
import { aWhile, until } from '../setup/until';
import { reasonInName, wherePossible } from '../setup/where-possible';
import { failureOf } from './failing';
import { kit, noise, openBelow, sha } from './kit';
import type { Kit } from './kit';

const ROOT = resolve(__dirname, '../..');
const COUNT = 3 * WHOLE_FROM_FILES;
const KIB = 1024;
let k: Kit;
let bodies: Map<string, Buffer>;
beforeEach(async () => {
  k = await kit();
  bodies = new Map();
  const bytes = noise(90 * KIB);
  for (let i = 0; i < COUNT; i++) bodies.set(`assets/${i % 3}/${i}.txt`, bytes.subarray(i, i + 64 * KIB + i));
  bodies.set('empty', Buffer.alloc(0));
  // The longest that is put whole, and one that is not any more.
  bodies.set('longest', noise(SLAB_BYTES));
  bodies.set('longer', noise(SLAB_BYTES + 1));
  for (const [path, body] of bodies) await k.put(path, body);
});
afterEach(async () => {
  expect([k.sockets.open().count, openBelow(k.into)]).toEqual([0, []]);
  await k.s3.stop();
});

async function fetched(options: Partial<FetchOptions> = {}): Promise<readonly FetchedFile[]> {
  return fetchFiles(k.ref, await k.list(), k.into, { signal: new AbortController().signal, sockets: k.sockets, backoffMs: 1, idleTimeoutMs: 250, ...options });
}

function wholeAndRight(): void {
  for (const [path, body] of bodies) expect([path, readFileSync(join(k.into, path)).equals(body)]).toEqual([path, true]);
}

test.each([true, false])('all of them arrive, each with its hash and what it was held against (durable: %s)', async (durable) => {
  const told: number[] = [];
  const files = await fetched({ durable, onProgress: (bytes) => told.push(bytes) });
  expect(files).toEqual([...bodies].map(([path, body]) => ({ path, size: body.length, sha256: sha(body), authority: 'etag' })).sort((a, b) => (a.path < b.path ? -1 : 1)));
  wholeAndRight();
  expect(told.at(-1)).toBe([...bodies.values()].reduce((sum, { length }) => sum + length, 0));
  expect(lstatSync(join(k.into, 'assets/1/1.txt')).mode & 0o777).toBe(0o640);
});

test('a damaged one is fetched again once; damaged again it is refused with wanted and found', async () => {
  k.s3.fault({ key: '*/7.txt', times: 1, fault: { kind: 'flip', atByte: 60_000 } });
  await fetched();
  wholeAndRight();
  expect(k.gets('assets/1/7.txt')).toHaveLength(2);
  k.s3.fault({ key: '*/7.txt', fault: { kind: 'flip', atByte: 60_000 } });
  const failure = await failureOf(() => fetched());
  expect(failure).toMatchObject({ code: 'IntegrityMismatch', detail: { file: 'half/1/assets/1/7.txt' } });
  expect(k.gets('assets/1/7.txt')).toHaveLength(4);
});

test('a body that breaks off goes on where it was, and is written once', async () => {
  k.s3.fault({ key: '*.txt', times: COUNT / 2, fault: { kind: 'reset', afterBytes: 40_000 } });
  await fetched();
  wholeAndRight();
  // A reset may also throw away what had come and was not read yet: then it goes on earlier.
  expect(k.s3.log().filter(({ range }) => /^bytes=[1-9]\d*-$/.test(range ?? '')).length).toBeGreaterThan(0);
});

test('what lies under the name of one gives way and is never written through: a file, a link; a directory is told', async () => {
  const elsewhere = join(k.into, '../elsewhere.txt');
  writeFileSync(elsewhere, 'not ours');
  mkdirSync(join(k.into, 'assets/0'), { recursive: true });
  writeFileSync(join(k.into, 'assets/0/0.txt'), noise(80 * KIB));
  symlinkSync(elsewhere, join(k.into, 'assets/0/3.txt'));
  await fetched();
  wholeAndRight();
  expect([readFileSync(elsewhere, 'utf8'), lstatSync(join(k.into, 'assets/0/3.txt')).isFile()]).toEqual(['not ours', true]);
  rmSync(elsewhere);
  rmSync(join(k.into, 'assets/0/0.txt'));
  mkdirSync(join(k.into, 'assets/0/0.txt'));
  await expect(fetched()).rejects.toThrow(/0\.txt/);
});

const noDisk = reasonNoSmallFileSystem();
wherePossible(test, noDisk)(`a disk that fills up is told by its name${reasonInName(noDisk)}`, async () => {
  const disk = await makeSmallFileSystem({ bytes: 16 * 1024 * KIB, inodes: 400 });
  try {
    disk.leaveBytes(5 * 1024 * KIB);
    const failure = await failureOf(async () => fetchFiles(k.ref, await k.list(), disk.path, { signal: new AbortController().signal, sockets: k.sockets }));
    expect(failure).toMatchObject({ code: 'InsufficientDisk', detail: { found: 'ENOSPC', file: expect.stringMatching(/^assets\//) as string } });
    expect(openBelow(disk.path)).toEqual([]);
  } finally {
    await disk.remove();
  }
});

test('aborted at any moment: nothing is open, and nothing is written any more', async () => {
  const listing = await k.list();
  const sizes = (): readonly string[] => readdirSync(k.into, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).map((path) => `${path} ${lstatSync(path).size} ${lstatSync(path).mtimeMs}`).sort();
  let stopped = 0;
  for (let run = 0; run < 24; run++) {
    rmSync(k.into, { recursive: true, force: true });
    mkdirSync(k.into);
    const abort = new AbortController();
    const running = fetchFiles(k.ref, listing, k.into, { signal: abort.signal, sockets: k.sockets, durable: run % 2 === 0 }).then(() => 'it completed', (error: unknown) => error);
    // As soon as so many files are there, however far.
    await until(() => readdirSync(k.into, { recursive: true }).length > 4 * run);
    abort.abort('stopped');
    if (await running === 'stopped') stopped++;
    const left = [sizes(), openBelow(k.into), k.sockets.open().count];
    await aWhile(30);
    expect([sizes(), [], 0]).toEqual(left);
  }
  expect(stopped).toBeGreaterThan(12);
});

test('what a killed fetch had written of them whole is not fetched again', async () => {
  const abort = new AbortController();
  let whole = 0;
  await fetched({ signal: abort.signal, onFile: () => { if (++whole === COUNT / 2) abort.abort('stopped'); } }).catch(() => undefined);
  const before = k.s3.log().filter(({ operation }) => operation === 'GetObject').length;
  expect(readdirSync(k.into)).toContain(PART_LOG_NAME);
  await fetched();
  wholeAndRight();
  expect(k.s3.log().filter(({ operation }) => operation === 'GetObject').length - before).toBeLessThanOrEqual(bodies.size - whole);
});

const noTrace = reasonNoStrace();
wherePossible(test, noTrace)(`segue fetch syncs each of them before it is closed${reasonInName(noTrace)}`, async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'segue-traced-'));
  const [trace, dest] = [join(scratch, 'trace'), join(scratch, '1')];
  const child = spawn(await findStrace(), ['-f', '-y', '-qq', '-e', 'trace=fdatasync,close', '-o', trace, process.execPath, '-r', join(ROOT, 'tools/ts.cjs'), join(ROOT, 'src/cli/main.ts'), 'fetch', k.ref.uri, dest, '--endpoint', k.s3.url, '--credentials', 'anonymous'], { stdio: 'ignore' });
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  const synced = new Set<string>();
  for (const line of readFileSync(trace, 'utf8').split('\n')) {
    const [, call, path] = /(fdatasync|close)\(\d+<[^>]*\/(assets\/[^>]*\.txt)>/.exec(line) ?? [];
    if (call === 'fdatasync') synced.add(path ?? '');
    if (call === 'close') expect([path, synced.has(path ?? '')]).toEqual([path, true]);
  }
  expect(synced.size).toBe(COUNT);
  rmSync(scratch, { recursive: true, force: true });
});

describe('in the thread', () => {
  /** What is asked of the file system, in its order. */
  function asked(options: { readonly durable?: boolean; readonly stopAfter?: string; readonly fail?: string; readonly short?: boolean }): { readonly calls: readonly string[]; readonly outcome: boolean | string } {
    const calls: string[] = [];
    const heard = (call: string): void => {
      calls.push(call);
      if (options.fail === call) throw Object.assign(new Error(`${call} failed`), { code: 'EIO' });
    };
    const fs = {
      openSync: () => { heard('open'); return 3; },
      writeSync: (_fd: number, bytes: Uint8Array, from: number, length: number, at: number) => { heard(`write ${from} ${at}`); return options.short === true ? Math.ceil(length / 2) : length; },
      fdatasyncSync: () => heard('fdatasync'), closeSync: () => heard('close'), rmSync: () => heard('rm'),
    } as unknown as typeof Fs;
    const hash = { update: () => heard('hash'), hex: () => '' };
    try {
      return { outcome: putWhole(fs, MADE, { path: '/x', durable: options.durable ?? true }, new Uint8Array(4), [hash, hash], () => options.stopAfter !== undefined && (calls.length > 0 || options.stopAfter === '') && calls.at(-1) === (options.stopAfter === '' ? undefined : options.stopAfter)), calls };
    } catch (error) {
      return { outcome: (error as Error).message, calls };
    }
  }

  test.each([
    ['a durable file is on the disk before it is closed and told', {}, ['open', 'write 0 0', 'hash', 'hash', 'fdatasync', 'close'], true],
    ['another one is not waited for', { durable: false }, ['open', 'write 0 0', 'hash', 'hash', 'close'], true],
    ['a short write goes on', { short: true, durable: false }, ['open', 'write 0 0', 'write 2 2', 'write 3 3', 'hash', 'hash', 'close'], true],
    ['stopped before it began it makes nothing', { stopAfter: '' }, [], false],
    ['stopped once it was made it is not written', { stopAfter: 'open' }, ['open', 'close'], false],
    ['stopped once it was written it is not hashed', { stopAfter: 'write 0 0' }, ['open', 'write 0 0', 'close'], false],
    ['stopped while it was hashed it is not synced', { stopAfter: 'hash' }, ['open', 'write 0 0', 'hash', 'close'], false],
    ['a failed write closes it', { fail: 'write 0 0' }, ['open', 'write 0 0', 'close'], 'write 0 0 failed'],
    ['a failed sync is told', { fail: 'fdatasync' }, ['open', 'write 0 0', 'hash', 'hash', 'fdatasync', 'close'], 'fdatasync failed'],
  ])('%s', (_, options, calls, outcome) => {
    expect(asked(options)).toEqual({ calls, outcome });
  });
});
