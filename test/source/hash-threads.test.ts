// Threads that hash for one download after the other: what the one before left undone never reaches the next, and nothing is held once they are closed.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { HashThreads } from '../../src/source/hash-threads';
import { until } from '../setup/until';
import { noise, openBelow, sha } from './kit';

const SHA256 = [{ algorithm: 'sha256' }] as const;
const MIB = 1024 * 1024;

function threadsOver(bytes: Buffer): { readonly hashes: HashThreads; readonly memory: Buffer; readonly failed: jest.Mock } {
  const shared = new SharedArrayBuffer(bytes.length);
  const memory = Buffer.from(shared);
  bytes.copy(memory);
  const failed = jest.fn();
  return { hashes: new HashThreads(shared, failed), memory, failed };
}

test('one closed in the middle of its work: the next hashes its own bytes, and only those', async () => {
  const first = threadsOver(noise(8 * MIB));
  const told = jest.fn();
  const given = [first.hashes.open(SHA256), first.hashes.open(SHA256)];
  for (const file of given) for (let at = 0; at < 8 * MIB; at += MIB) file.update(first.memory.subarray(at, at + MIB), told);
  await first.hashes.close();
  const toldBefore = told.mock.calls.length;

  const bytes = noise(2 * MIB);
  const second = threadsOver(bytes);
  const files = [second.hashes.open(SHA256), second.hashes.open(SHA256)];
  // Writes of the first download that end only now.
  for (const file of given) file.update(first.memory, told);
  for (const file of files) for (let at = 0; at < bytes.length; at += MIB) file.update(second.memory.subarray(at, at + MIB), () => undefined);
  try {
    expect(await Promise.all(files.map((file) => file.digest()))).toEqual([{ sha256: sha(bytes) }, { sha256: sha(bytes) }]);
    expect([told.mock.calls.length, first.failed.mock.calls, second.failed.mock.calls]).toEqual([toldBefore, [], []]);
  } finally {
    await second.hashes.close();
  }
});

test('a file that is being read is closed when the threads are, and the rest of it is not read', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'segue-hash-threads-'));
  const path = join(directory, 'large');
  writeFileSync(path, Buffer.alloc(256 * MIB));
  const { hashes } = threadsOver(Buffer.alloc(0));
  const done = jest.fn();
  try {
    hashes.open(SHA256).readFile(path, { from: 0, to: 256 * MIB }, done);
    await until(() => openBelow(directory).includes(path));
    await hashes.close();
    expect(openBelow(directory)).toEqual([]);
    expect(done).not.toHaveBeenCalled();
  } finally {
    await hashes.close();
    rmSync(directory, { recursive: true });
  }
});

test('those of a download that shall come behind everyone else are nicer; those of another one are not', async () => {
  const nicer = (): number => readdirSync('/proc/self/task').filter((tid) => getPriority(Number(tid)) > getPriority()).length;
  if (process.platform !== 'linux') return;
  const of = async (behind: boolean): Promise<number> => {
    const hashes = new HashThreads(new SharedArrayBuffer(MIB), (error) => { throw error; }, behind);
    try {
      expect(await hashes.open(SHA256).digest()).toEqual({ sha256: sha(Buffer.alloc(0)) });
      return nicer();
    } finally {
      await hashes.close();
    }
  };
  const before = nicer();
  expect([await of(false) - before, await of(true) - before]).toEqual([0, 1]);
});
