// One file that a thread puts whole: an answer that comes after the file was begun again counts for nothing.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiskWrites } from '../../src/source/disk-writes';
import { HashThreads } from '../../src/source/hash-threads';
import { PartFile } from '../../src/source/part-file';
import { slabRings } from '../../src/source/slabs';
import type { SlabRing } from '../../src/source/slabs';
import { noise, sha } from './kit';

const SIZE = 64 * 1024;

function fill(ring: SlabRing, bytes: Buffer): void {
  ring.space()?.set(bytes);
  ring.took(bytes.length);
}

test('the bytes of the first time come too late to be the file', async () => {
  const into = mkdtempSync(join(tmpdir(), 'segue-part-file-'));
  const { memory, rings: [ring] } = slabRings(1);
  if (ring === undefined) throw new Error('no ring');
  const failed = jest.fn();
  const hashes = new HashThreads(memory, failed);
  const told = jest.fn();
  const file = new PartFile({ path: 'a', key: 'a', size: SIZE }, undefined, { verify: 'sha256', hashes, writes: new DiskWrites(), durable: false, onFailure: failed, onBytes: told, wholeBytes: SIZE });
  try {
    await file.open(into, new Set(), [], () => Promise.resolve());
    file.decide(new Map());
    const [first, second] = [noise(SIZE), Buffer.alloc(SIZE, 'second')];
    const written = jest.fn();
    fill(ring, first);
    file.take(ring, 0, written);
    file.restart();
    told.mockClear();
    fill(ring, second);
    file.take(ring, 0, written);
    expect(await file.whole).toMatchObject({ digests: { sha256: sha(second) } });
    expect(readFileSync(join(into, 'a')).equals(second)).toBe(true);
    expect([written.mock.calls, told.mock.calls, failed.mock.calls]).toEqual([[[SIZE]], [[SIZE]], []]);
  } finally {
    await hashes.close();
    rmSync(into, { recursive: true });
  }
});
