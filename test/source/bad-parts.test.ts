// Of an object whose source knows a sum of each of its parts, only what is bad is fetched again; of any other, all. What the file is afterwards is told by the whole of it, as ever.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchFiles } from '../../src/source/download';
import type { FetchOptions } from '../../src/source/download';
import type { FetchedFile } from '../../src/source/own-download';
import { failureOf } from './failing';
import { kit, noise, sha } from './kit';
import type { Kit } from './kit';

const MIB = 1024 * 1024;
/** Three parts, of a length that no read, slab or range of ours has. */
const PART = MIB + 5;
const BIG = noise(2 * PART + 777);
/** In the middle part. */
const BAD = PART + 123_456;
let k: Kit;
let received = 0;
let leastAfterWhole = Infinity;
beforeEach(async () => {
  k = await kit();
  received = 0;
  leastAfterWhole = Infinity;
  await k.put('big', BIG, { checksums: ['sha256'], partBytes: PART });
});
afterEach(async () => {
  expect(k.sockets.open().count).toBe(0);
  await k.s3.stop();
});

/** One lane and one range: the byte of the answer is the byte of the file. */
async function fetched(options: Partial<FetchOptions> = {}): Promise<FetchedFile | undefined> {
  const listing = await k.list();
  let whole = false;
  const onProgress = (bytes: number): void => {
    whole ||= bytes === listing.resolved.bytes;
    if (whole) leastAfterWhole = Math.min(leastAfterWhole, bytes);
  };
  const [file] = await fetchFiles(k.ref, listing, k.into, { signal: new AbortController().signal, sockets: k.sockets, backoffMs: 1, lanes: 1, onReceived: (bytes) => { received += bytes; }, onProgress, ...options });
  return file;
}

const damagedOnce = (atByte = BAD): void => k.s3.fault({ key: '*/big', times: 1, fault: { kind: 'flip', atByte } });
const ranges = (): readonly (string | undefined)[] => k.gets('big').map(({ range }) => range);

describe.each<[string, number, Partial<FetchOptions>]>([
  ['', PART, {}],
  [', past the page cache, where the good ones were read again through it', 8 * MIB, { durable: true, partBytes: 64 * MIB }],
])('one damaged part is fetched again, and no other%s', (_, part, options) => {
  const big = noise(2 * part + 777);
  test.each([['first', 5, 0, part], ['middle', part + 123_456, part, part], ['last', big.length - 1, 2 * part, 777]])('the %s', async (_name, atByte, from, length) => {
    await k.put('big', big, { checksums: ['sha256'], partBytes: part });
    damagedOnce(atByte);
    expect(await fetched(options)).toEqual({ path: 'big', size: big.length, sha256: sha(big), authority: 'checksum sha256' });
    expect(readFileSync(join(k.into, 'big')).equals(big)).toBe(true);
    expect(received).toBe(big.length + length);
    expect(ranges()).toEqual([undefined, `bytes=${from}-${from + length === big.length ? '' : from + length - 1}`]);
    expect(leastAfterWhole).toBe(big.length - length);
  });
});

test('also where a manifest says what the whole is', async () => {
  await k.manifest({ big: BIG });
  damagedOnce();
  expect(await fetched()).toEqual({ path: 'big', size: BIG.length, sha256: sha(BIG), authority: 'manifest' });
  expect(received).toBe(BIG.length + PART);
});

test('damaged twice it is refused with the file, wanted and found', async () => {
  damagedOnce();
  damagedOnce(7);
  const failure = await failureOf(() => fetched());
  expect(failure).toMatchObject({ code: 'IntegrityMismatch', detail: { file: 'half/1/big', want: expect.stringMatching(/^[0-9a-f]{64}$/), found: expect.stringMatching(/^[0-9a-f]{64}$/) } });
  expect(received).toBe(BIG.length + PART);
});

test('where every part is right and the manifest is not, all of it is fetched again before it is refused', async () => {
  await k.manifest({ big: noise(BIG.length).fill(0) });
  expect(await failureOf(() => fetched())).toMatchObject({ code: 'IntegrityMismatch', detail: { found: sha(BIG) } });
  expect(received).toBe(2 * BIG.length);
});

test.each<[string, () => Promise<unknown>]>([
  ['says nothing of its parts', async () => k.s3.fault({ on: 'HeadObject', fault: { kind: 'answer', status: 403, code: 'AccessDenied' } })],
  ['is silent about them', async () => k.s3.fault({ on: 'HeadObject', fault: { kind: 'slowHeaders', ms: 600_000 } })],
  ['answers for each as for the whole, as SeaweedFS before its #11166', async () => k.s3.fault({ on: 'HeadObject', fault: { kind: 'wholeObject' } })],
  ['knows no sums of them', async () => k.put('big', BIG, { partBytes: PART })],
])('where the source %s, all of it is fetched again', async (_, arrange) => {
  await arrange();
  await k.manifest({ big: BIG });
  damagedOnce();
  expect(await fetched({ idleTimeoutMs: 250 })).toMatchObject({ sha256: sha(BIG), authority: 'manifest' });
  expect(received).toBe(2 * BIG.length);
});

test('an object replaced before its bad part is fetched again is SourceChanged, never a mixture', async () => {
  damagedOnce();
  k.s3.fault({ key: '*/big', times: 1, fault: { kind: 'change' } });
  expect(await failureOf(() => fetched())).toMatchObject({ code: 'SourceChanged', detail: { key: 'half/1/big' } });
  expect(received).toBe(BIG.length);
});

test('a stop while the source is asked about its parts ends at once, with its reason', async () => {
  await k.manifest({ big: BIG });
  damagedOnce();
  k.s3.fault({ on: 'HeadObject', fault: { kind: 'slowHeaders', ms: 30_000 } });
  const stop = new AbortController();
  const running = fetched({ signal: stop.signal, idleTimeoutMs: 20_000 });
  const asked = setInterval(() => { if (k.s3.log().some(({ operation }) => operation === 'HeadObject')) stop.abort(new Error('superseded')); }, 10);
  await expect(running).rejects.toThrow('superseded');
  clearInterval(asked);
});
