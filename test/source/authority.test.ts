// What each file is held against, and that a damaged one is found by it and fetched again once. Both where an object comes whole and where it comes in parts.

import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { partsOf, wantedOf } from '../../src/source/authority';
import { PLACES, startChecksum } from '../../src/source/checksum';
import type { Algorithm } from '../../src/source/checksum';
import { fetchFiles } from '../../src/source/download';
import type { FetchOptions } from '../../src/source/download';
import type { FetchedFile } from '../../src/source/own-download';
import { failureOf } from './failing';
import { kit, noise, sha } from './kit';
import type { Kit } from './kit';

const MIB = 1024 * 1024;
const BIG = noise(3 * MIB + 17);
let k: Kit;
beforeEach(async () => { k = await kit(); });
afterEach(async () => {
  expect(k.sockets.open().count).toBe(0);
  await k.s3.stop();
});

async function fetched(options: Partial<FetchOptions> = {}): Promise<FetchedFile | undefined> {
  const [file] = await fetchFiles(k.ref, await k.list(), k.into, { signal: new AbortController().signal, sockets: k.sockets, backoffMs: 1, ...options });
  return file;
}

describe.each([['whole', 8 * MIB], ['in parts', MIB]])('an object that comes %s', (_, partBytes) => {
  test.each<[string, () => Promise<unknown>, string, number?]>([
    ['manifest.json', async () => { await k.put('big', BIG); await k.manifest({ big: BIG }); }, 'manifest'],
    ["the server's SHA-256", () => k.put('big', BIG, { checksums: ['sha256', 'crc32c'] }), 'checksum sha256'],
    ["the server's CRC32C", () => k.put('big', BIG, { checksums: ['crc32c'] }), 'checksum crc32c'],
    ['the ETag that is its MD5', () => k.put('big', BIG), 'etag'],
    ["the server's SHA-256 of parts", () => k.put('big', BIG, { checksums: ['sha256'], partBytes: MIB + 5 }), 'checksum sha256', MIB + 5],
    ["the server's CRC32C of parts", () => k.put('big', BIG, { checksums: ['crc32c'], partBytes: 3 * MIB }), 'checksum crc32c', 3 * MIB],
    ['the ETag that is the MD5 of the MD5s of its parts', () => k.put('big', BIG, { partBytes: MIB }), 'etag'],
    ['the same of one part', () => k.put('big', BIG, { partBytes: 8 * MIB }), 'etag'],
  ])('is held against %s; a flipped bit is fetched again once, with its part where that has a sum, and then refused with wanted and found', async (_name, put, authority, again = BIG.length) => {
    await put();
    expect(await fetched({ partBytes })).toEqual({ path: 'big', size: BIG.length, sha256: sha(BIG), authority });
    let received = 0;
    k.s3.fault({ key: '*/big', times: 1, fault: { kind: 'flip', atByte: 5 } });
    expect(await fetched({ partBytes, lanes: 1, verify: 'checksum', onReceived: (bytes) => { received += bytes; } })).toMatchObject({ authority });
    expect(received).toBe(BIG.length + again);
    expect(readFileSync(join(k.into, 'big')).equals(BIG)).toBe(true);
    k.s3.fault({ key: '*/big', fault: { kind: 'flip', atByte: 5 } });
    const failure = await failureOf(() => fetched({ partBytes, verify: 'checksum' }));
    expect(failure).toMatchObject({ code: 'IntegrityMismatch', detail: { file: 'half/1/big', want: expect.stringMatching(/^[0-9a-f]{8,64}$/), found: expect.stringMatching(/^[0-9a-f]{8,64}$/) } });
    expect(failure.message).toMatch(/want [0-9a-f]+, found [0-9a-f]+ \(2 tries\)/);
  });

  test('verify none holds sizes alone and gives no hash', async () => {
    await k.put('big', BIG, { checksums: ['crc32c'] });
    expect(await fetched({ partBytes, verify: 'none' })).toEqual({ path: 'big', size: BIG.length, authority: 'size' });
    expect(readFileSync(join(k.into, 'big')).equals(BIG)).toBe(true);
  });

  test('past the page cache and in threads the same bytes arrive', async () => {
    await k.put('big', BIG);
    const into = mkdtempSync(join(tmpdir(), 'segue-direct-'));
    await fetchFiles(k.ref, await k.list(), into, { signal: new AbortController().signal, sockets: k.sockets, partBytes, durable: true });
    expect(readFileSync(join(into, 'big')).equals(BIG)).toBe(true);
  });
});

test.each<[string, Readonly<Record<string, string>>, string]>([
  ['a checksum of checksums, whose parts nobody knows', { 'x-amz-checksum-sha256': `${Buffer.alloc(32).toString('base64')}-3`, etag: `"${'a'.repeat(32)}-3"` }, 'size'],
  ['an ETag of several parts', { etag: `"${'a'.repeat(32)}-3"` }, 'size'],
  ['an ETag of an encrypted object', { etag: `"${'a'.repeat(32)}"`, 'x-amz-server-side-encryption': 'aws:kms' }, 'size'],
  ['an ETag of an object encrypted by the bucket', { etag: `"${'a'.repeat(32)}"`, 'x-amz-server-side-encryption': 'AES256' }, 'etag'],
  ['the strongest of several', { 'x-amz-checksum-crc32': 'AAAAAA==', 'x-amz-checksum-crc64nvme': 'AAAAAAAAAAA=' }, 'checksum crc64nvme'],
])('%s', (_, headers, authority) => {
  expect(wantedOf(new Map(Object.entries(headers)), undefined).authority).toBe(authority);
});

test('parts that do not make up the object say nothing about its sums', () => {
  const headers = new Map([['etag', `"${'a'.repeat(32)}-3"`]]);
  const first = (count: number, bytes: number): ReadonlyMap<string, string> => new Map([['x-amz-mp-parts-count', String(count)], ['content-length', String(bytes)]]);
  expect(wantedOf(headers, undefined, partsOf(first(3, 10), 25)).authority).toBe('etag');
  for (const [count, bytes, size] of [[3, 10, 35], [3, 10, 20], [2, 15, 25], [0, 10, 25], [3, 0, 25], [3, 25, 25]] as const) expect(wantedOf(headers, undefined, partsOf(first(count, bytes), size)).authority).toBe('size');
  expect(partsOf(undefined, 25)).toBeUndefined();
});

test.each<[Algorithm, string]>([
  ['crc32', 'cbf43926'], ['crc32c', 'e3069283'], ['crc64nvme', 'ae8b14860a799888'],
  ['md5', '25f9e794323b453885f5181f1b624d0b'], ['sha1', 'f7c3bc1d808e04732adf679965ccc34ca7ae3441'],
  ['sha256', '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225'],
])('%s of "123456789" is the published check value', async (algorithm, want) => {
  const checksum = startChecksum({ algorithm }, PLACES);
  for (const piece of ['1234', '', '56789']) checksum.update(Buffer.from(piece));
  expect(await checksum.hex()).toBe(want);
});
