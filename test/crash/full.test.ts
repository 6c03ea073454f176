// A disk that is full, or out of inodes: told before the first byte where it can be known, by name where it cannot; nothing half done; and all goes on once there is room.

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { roomFor } from '../../src/domain/room';
import { PART_LOG_NAME } from '../../src/source/part-log';
import { makeSmallFileSystem, reasonNoSmallFileSystem, type SmallFileSystem } from '../setup/small-file-system';
import { reasonInName, wherePossible } from '../setup/where-possible';
import { call, until, v, World } from '../agent/world';
import { rootsContent } from './contents';

const MiB = 1024 * 1024;

test('files take whole blocks and an inode each, as do their directories', () => {
  const empty = roomFor([], 4096);
  const two = roomFor([{ path: 'saved_model.pb', size: 1 }, { path: 'variables/deep/variables.index', size: 4097 }], 4096);
  expect(two.inodes - empty.inodes).toBe(4);
  expect(two.bytes - empty.bytes).toBe(Math.ceil(6 * 4096 * 1.2) - Math.ceil(4096 * 1.2));
});

const why = reasonNoSmallFileSystem();
wherePossible(describe, why)(`on a file system of 8 MiB${reasonInName(why)}`, () => {
  let disk: SmallFileSystem;
  let world: World;

  beforeEach(async () => {
    disk = await makeSmallFileSystem({ bytes: 8 * MiB, inodes: 400 });
    jest.spyOn(jest.requireActual<{ tmpdir(): string }>('node:os'), 'tmpdir').mockReturnValue(disk.path); // Where a world makes its root.
    world = await World.start({ 1: 'two', 2: 'three', 3: 'two' });
    await world.bringUp(await world.attempt('1', [1, 1]));
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await world.stop();
    await disk.remove();
  });

  const objectsFetched = (): number => world.s3.log().filter((line) => line.operation === 'GetObject').length;
  /** The version that is served is untouched, nothing else is visible, and nothing is left beside. */
  function nothingHalfDone(): void {
    expect(world.dir('models/half')).toEqual(['1']);
    expect(world.listed()).toEqual({ half: ['1'] });
    expect(world.openBelowStaging()).toBe(0);
    expect(rootsContent(world.root, '1')).toEqual(rootsContent(undefined, '1'));
  }

  test('too few bytes: refused before the first one, saying how many are missing and what could go', async () => {
    await world.bringUp(await world.attempt('2', [2, 1], { retain: [v('1')] }));
    await world.the.unloadVersion({ attempt: await world.attempt('2', [2, 1], { retain: [v('1')] }), version: v('1'), unloadDeadlineSeconds: 20 }, call());
    const third = await world.attempt('3', [3, 1], { retain: [v('1')] });
    await world.the.beginAttempt(third, call());
    disk.leaveBytes(MiB);
    const fetched = objectsFetched();
    const size = [...rootsContent(undefined, '1').values()].reduce((sum, bytes) => sum + bytes.length, 0);
    await expect(world.the.downloadVersion(third, call())).rejects.toMatchObject({
      code: 'InsufficientDisk',
      message: expect.stringMatching(/want \d+ bytes and \d+ inodes free, found \d+ bytes and \d+ inodes: \d+ bytes missing; what could go: half\/1 \(\d+ bytes, kept for going back\)$/) as string,
      detail: { missing: { inodes: 0 }, couldGo: [{ model: 'half', version: '1', bytes: size }] },
    });
    expect(objectsFetched()).toBe(fetched);
    expect(world.dir('models/half')).toEqual(['1', '2']);
    disk.makeRoom();
    expect(await world.bringUp(third)).toMatchObject({ promoted: '3' });
  });

  test('too few inodes, and plenty of bytes', async () => {
    const attempt = await world.attempt('2', [2, 1], { retain: [v('1')] });
    await world.the.beginAttempt(attempt, call());
    disk.leaveInodes(12);
    const fetched = objectsFetched();
    await expect(world.the.downloadVersion(attempt, call())).rejects.toMatchObject({
      code: 'InsufficientDisk', message: expect.stringMatching(/: \d+ inodes missing; no version here could go$/) as string, detail: { missing: { bytes: 0 } },
    });
    expect(objectsFetched()).toBe(fetched);
    nothingHalfDone();
    disk.makeRoom();
    expect(await world.bringUp(attempt)).toMatchObject({ promoted: '2' });
  });

  test('full while bytes arrive, by somebody else: what was fetched is given back, the attempt can be aborted on the full disk, and done again later', async () => {
    await world.s3.put('models', 'half/2/assets.extra/large', Buffer.alloc(2 * MiB, 'large'));
    world.s3.fault({ key: '*large', fault: { kind: 'trickle', afterBytes: 64 * 1024, bytesPerSecond: MiB } });
    const attempt = await world.attempt('2', [2, 1], { retain: [v('1')] });
    await world.the.beginAttempt(attempt, call());
    const download = world.the.downloadVersion(attempt, call()).then(() => 'ended well', (error: unknown) => error);
    await until(() => world.openBelowStaging() > 0 && world.s3.log().some((line) => line.fault !== undefined), 'it trickles');
    disk.leaveBytes(0);
    expect(await download).toMatchObject({ code: 'InsufficientDisk', detail: { couldGo: [] } });
    expect(world.dir('staging/half')).toEqual([]);
    nothingHalfDone();
    expect((await world.the.abortAttempt(attempt, call())).proof).toMatchObject({ sockets: 0, writers: 0, aspired: false });
    disk.makeRoom();
    world.s3.clearFaults();
    expect(await world.bringUp({ ...attempt, token: [2, 2] })).toMatchObject({ promoted: '2' });
  });

  test('not a byte left: even the token cannot be journalled, which is told; what is served stays, and it goes on once there is room', async () => {
    disk.leaveBytes(0);
    const attempt = await world.attempt('2', [2, 1], { retain: [v('1')] });
    await expect(world.the.beginAttempt(attempt, call())).rejects.toMatchObject({ code: 'InsufficientDisk', message: expect.stringContaining('journal.json') as string });
    nothingHalfDone();
    expect(readFileSync(join(world.root, 'journal.json'), 'utf8')).toContain('"promoted": "1"');
    expect(await world.statusOf('1')).toBe('AVAILABLE');
    disk.makeRoom();
    expect(await world.bringUp(attempt)).toMatchObject({ promoted: '2' });
  });

  test('an abort that cannot be journalled stops the work all the same, says why there is no proof, and gives it once there is room', async () => {
    world.s3.fault({ key: '*', fault: { kind: 'stall', afterBytes: 1 } });
    const attempt = await world.attempt('2', [2, 1], { retain: [v('1')] });
    await world.the.beginAttempt(attempt, call());
    const download = world.the.downloadVersion(attempt, call()).then(() => 'ended well', (error: unknown) => error);
    await until(() => world.openBelowStaging() > 0 && world.s3.log().some((line) => line.fault !== undefined), 'it stalls');
    disk.leaveBytes(0);
    await expect(world.the.abortAttempt(attempt, call())).rejects.toMatchObject({ code: 'InsufficientDisk', message: expect.stringContaining('journal.json') as string });
    expect(await download).toMatchObject({ code: 'StaleAttempt' });
    await until(async () => await world.s3.connections() === 0, 'the endpoint sees no connection');
    nothingHalfDone();
    disk.makeRoom();
    expect((await world.the.abortAttempt(attempt, call())).proof).toMatchObject({ sockets: 0, writers: 0, aspired: false });
    expect(world.dir('staging/half')).toEqual([]);
  });

  test('segue fetch, killed half way: the same command asks for room for what is missing only, and goes on', async () => {
    const size = 4 * MiB;
    const content = Buffer.alloc(size, 'large');
    await world.s3.put('models', 'large/1/large', content);
    world.s3.fault({ key: '*large', fault: { kind: 'stall', afterBytes: 2.5 * MiB } });
    const dest = join(disk.path, 'fetched');
    const fetch = (): { readonly child: ChildProcess; readonly ended: Promise<unknown> } => {
      const child = spawn(process.execPath, ['-r', join(__dirname, '../../tools/ts.cjs'), join(__dirname, '../../src/cli/main.ts'), 'fetch', 's3://models/large/1/', dest, '--endpoint', world.s3.url, '--credentials', 'anonymous'], { stdio: 'ignore' });
      return { child, ended: new Promise((resolve) => { child.once('exit', (code, signal) => resolve(code ?? signal)); }) };
    };
    const partsLog = (): string => {
      const staging = readdirSync(disk.path).find((name) => name.endsWith('.segue'));
      const log = join(disk.path, staging ?? '', PART_LOG_NAME);
      return staging !== undefined && existsSync(log) ? readFileSync(log, 'utf8') : '';
    };
    const killed = fetch();
    await until(() => partsLog().split('\n').filter((line) => line.includes('"large"')).length === 2, 'two MiB are on the disk');
    killed.child.kill('SIGKILL');
    expect(await killed.ended).toBe('SIGKILL');
    world.s3.clearFaults();
    disk.leaveBytes(3.6 * MiB); // Less than the whole wants, more than what is missing does.
    expect(await fetch().ended).toBe(0);
    expect(readFileSync(join(dest, 'large')).equals(content)).toBe(true);
  });

  test('not an inode left: the same', async () => {
    disk.leaveInodes(0);
    const attempt = await world.attempt('2', [2, 1], { retain: [v('1')] });
    await expect(world.the.beginAttempt(attempt, call())).rejects.toMatchObject({ code: 'InsufficientDisk' });
    nothingHalfDone();
    disk.makeRoom();
    expect(await world.bringUp(attempt)).toMatchObject({ promoted: '2' });
  });
});
