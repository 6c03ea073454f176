// One agent per root, and nothing to clean up after one that was killed.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { holdFile, lockStore } from '../../src/agent/lock';
import { removeScratch, scratch } from './scratch';

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await removeScratch();
});

test('a second agent is told who holds the root', async () => {
  const root = await scratch();
  const lock = await lockStore(root);
  await expect(lockStore(root)).rejects.toMatchObject({ code: 'StoreBusy', message: expect.stringContaining(`pid ${process.pid}`) as string, detail: { root, pid: process.pid } });
  await lock.release();
  await (await lockStore(root)).release();
});

test('another path to the same directory is the same lock; another directory is not', async () => {
  const root = await scratch();
  await mkdir(join(root, 'a'));
  await mkdir(join(root, 'b'));
  await symlink(join(root, 'a'), join(root, 'link'));
  const lock = await lockStore(join(root, 'a'));
  await expect(lockStore(join(root, 'link'))).rejects.toMatchObject({ code: 'StoreBusy' });
  await (await lockStore(join(root, 'b'))).release();
  await lock.release();
});

test('a root that is removed and made again: its lock never becomes another directory\'s, and holds the new one when it has followed', async () => {
  const parent = await scratch();
  const root = join(parent, 'root');
  await mkdir(root);
  const lock = await lockStore(root);
  const { ino } = await stat(root);
  await rm(root, { recursive: true });
  await mkdir(root);
  expect((await stat(root)).ino).not.toBe(ino); // Where numbers are used again at once, as on ext4.
  const other = await lockStore(root);
  await expect(lock.follow()).rejects.toMatchObject({ code: 'StoreBusy', message: expect.stringContaining(`pid ${process.pid}`) as string });
  await other.release();
  await lock.follow();
  await expect(lockStore(root)).rejects.toMatchObject({ code: 'StoreBusy' });
  await lock.release();
  await (await lockStore(root)).release();
});

/** A process that holds the lock, and says so. */
async function holder(call: string): Promise<ChildProcess> {
  const register = join(__dirname, '../../tools/ts.cjs');
  const child = spawn(process.execPath, ['-r', register, '-e', `require(${JSON.stringify(join(__dirname, '../../src/agent/lock.ts'))}).${call}.then(() => { console.log('held'); setInterval(() => 0, 1e6); });`], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await new Promise<void>((resolve, reject) => { child.stdout?.once('data', () => resolve()); child.once('exit', () => reject(new Error('the holder ended'))); });
  return child;
}

test.each([
  ['by name', 'lockStore', lockStore],
  ['by file, where the system has no such names', 'holdFile', async (root: string) => holdFile(join(root, 'lock.sock'), root)],
] as const)('the kernel lets go of a killed agent (%s)', async (_how, call, lock) => {
  const root = await scratch();
  const args = call === 'holdFile' ? `${JSON.stringify(join(root, 'lock.sock'))}, ${JSON.stringify(root)}` : JSON.stringify(root);
  const child = await holder(`${call}(${args})`);
  await expect(lock(root)).rejects.toMatchObject({ code: 'StoreBusy', detail: { pid: child.pid } });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  await (await lock(root)).release();
});
