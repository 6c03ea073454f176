// A download under every kind of bad weather: right bytes, or the right row, in bounded time, and never anything else on the disk.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fault } from '../../src/testing/s3/faults';
import { downloadFiles } from '../../src/source/download';
import { MAX_TRIES } from '../../src/source/trouble';
import { failureOf } from './failing';
import { kit, noise, openBelow, sha } from './kit';
import type { Kit } from './kit';

const BIG = noise(400_000);

describe.each(['own', 'sdk'] as const)('over the %s path', (body) => {
  let k: Kit;
  beforeEach(async () => {
    k = await kit({}, body);
    await k.put('big', BIG);
    await k.put('dir/small', 'small');
  });
  afterEach(async () => {
    expect(k.sockets.open().count).toBe(0);
    expect(openBelow(k.into)).toEqual([]);
    await k.s3.stop();
  });

  const withManifest = (): Promise<unknown> => k.manifest({ big: BIG, 'dir/small': 'small' });
  const onBig = (fault: Fault, times?: number): void => k.s3.fault({ key: '*/big', ...(times === undefined ? {} : { times }), fault });
  const bigOnDisk = (): Buffer => readFileSync(join(k.into, 'big'));

  describe('passing trouble is sat out', () => {
    test.each<[string, Fault, number]>([
      ['a stalled body', { kind: 'stall', afterBytes: 100_000 }, 1],
      ['a body that stalls at its first byte', { kind: 'stall', afterBytes: 0 }, 1],
      ['headers that do not come', { kind: 'slowHeaders', ms: 60_000 }, 1],
      ['a reset', { kind: 'reset', afterBytes: 100_000 }, 2],
      ['503 SlowDown', { kind: 'answer', status: 503, code: 'SlowDown' }, 4],
      ['500', { kind: 'answer', status: 500, code: 'InternalError' }, 1],
      ['a body shorter than declared', { kind: 'length', send: -7 }, 1],
      ['a body shorter than listed', { kind: 'length', declare: -7, send: -7 }, 1],
      ['a body longer than listed', { kind: 'length', declare: 7, send: 7 }, 1],
      ['an undeclared body that is too short', { kind: 'length', declare: 'none', send: -7 }, 1],
      ['an undeclared body that is too long', { kind: 'length', declare: 'none', send: 7 }, 1],
      ["a proxy's page", { kind: 'page', html: '<html>welcome</html>' }, 1],
    ])('%s', async (_, fault, times) => {
      onBig(fault, times);
      const done = await k.fetch();
      expect(done).toMatchObject([{ path: 'big', size: BIG.length, sha256: sha(BIG) }, { path: 'dir/small', size: 5, sha256: sha('small') }]);
      expect(bigOnDisk().equals(BIG)).toBe(true);
      expect(k.gets('big')).toHaveLength(times + 1);
    });

    test('a body that carries more than it declares ends where it was declared to', async () => {
      onBig({ kind: 'length', send: 7 }, 1);
      await k.fetch();
      expect(bigOnDisk().equals(BIG)).toBe(true);
    });

    test('one byte a second is a stall although bytes come', async () => {
      onBig({ kind: 'trickle', bytesPerSecond: 100, afterBytes: 1_000 }, 1);
      const began = performance.now();
      await k.fetch({ idleTimeoutMs: 10_000, floorBytesPerSecond: 100_000, floorWindowMs: 100 });
      expect(performance.now() - began).toBeLessThan(2_000);
      expect(bigOnDisk().equals(BIG)).toBe(true);
    });
  });

  describe('lasting trouble is a row that says what was tried, on what, and what was found', () => {
    test.each<[string, Fault, string, RegExp, number]>([
      ['a stall', { kind: 'stall', afterBytes: 50_000 }, 'SourceUnreachable', /stalled at byte (50000|250000) of 400000: nothing for 250 ms \(5 tries\)/, MAX_TRIES],
      ['silence instead of headers', { kind: 'slowHeaders', ms: 60_000 }, 'SourceUnreachable', /stalled at byte 0 of 400000/, MAX_TRIES],
      ['resets', { kind: 'reset', afterBytes: 50_000 }, 'SourceUnreachable', /no answer, or a broken one/, MAX_TRIES],
      ['503', { kind: 'answer', status: 503, code: 'SlowDown' }, 'SourceUnreachable', /answered 503 SlowDown \(5 tries\)/, MAX_TRIES],
      ['403', { kind: 'answer', status: 403, code: 'AccessDenied' }, 'SourceUnreachable', /refused with 403 AccessDenied, credentials anonymous/, 1],
      ['a redirect', { kind: 'answer', status: 301, code: 'PermanentRedirect' }, 'SourceUnreachable', /redirects are not followed/, 1],
      ['a body shorter than listed', { kind: 'length', declare: -7, send: -7 }, 'IntegrityMismatch', /declared bytes: want 400000, found 399993/, 2],
      ['a body longer than listed', { kind: 'length', declare: 7, send: 7 }, 'IntegrityMismatch', /declared bytes: want 400000, found 400007/, 2],
      ['an undeclared body that is too short', { kind: 'length', declare: 'none', send: -7 }, 'IntegrityMismatch', /bytes: want 400000, found 399993/, 2],
      ['an undeclared body without end', { kind: 'length', declare: 'none', send: 9_000_000 }, 'IntegrityMismatch', /bytes: want 400000, found [4-9]\d+ and more/, 2],
      ["a proxy's page", { kind: 'page', html: '<html>welcome</html>' }, 'SourceUnreachable', /answered 200, but not as an S3 server does/, MAX_TRIES],
      ['an object that changed before', { kind: 'change' }, 'SourceChanged', /412 PreconditionFailed/, 1],
      ['an object that changed midway', { kind: 'change', afterBytes: 100_000 }, 'SourceChanged', /412 PreconditionFailed/, 2],
    ])('%s', async (_, fault, code, message, tries) => {
      onBig(fault);
      const failure = await failureOf(() => k.fetch());
      expect([failure.code, failure.message]).toEqual([code, expect.stringMatching(message)]);
      expect(failure.message).toContain(`get s3://models/half/1/big at ${k.s3.url}`);
      expect(k.gets('big')).toHaveLength(tries);
    });

    test('no server at all', async () => {
      const listing = await k.list();
      await k.s3.stop();
      const signal = new AbortController().signal;
      const failure = await failureOf(() => downloadFiles(k.ref, listing, k.into, { signal, sockets: k.sockets, backoffMs: 1, body }));
      expect([failure.code, failure.message]).toEqual(['SourceUnreachable', expect.stringMatching(/get .*: no answer, or a broken one: .*ECONNREFUSED.*\(5 tries\)/)]);
    });

    test('the first file that fails stops the others, and its failure is told', async () => {
      onBig({ kind: 'stall', afterBytes: 100_000 });
      k.s3.fault({ key: '*/small', fault: { kind: 'answer', status: 403, code: 'AccessDenied' } });
      const began = performance.now();
      expect(await failureOf(() => k.fetch({ idleTimeoutMs: 30_000 }))).toMatchObject({ code: 'SourceUnreachable', detail: { key: 'half/1/dir/small' } });
      expect(performance.now() - began).toBeLessThan(1_000);
    });
  });

  test('a server that ignores If-Match is found out by the ETag it sends', async () => {
    const listing = await k.list();
    const files = listing.files.map((file) => ({ ...file, etag: '"another"' }));
    const lax = createServer((_, response) => response.writeHead(200, { etag: '"mine"', 'content-length': 5 }).end('small')).listen(0, '127.0.0.1');
    await once(lax, 'listening');
    const ref = { ...k.ref, endpoint: `http://127.0.0.1:${(lax.address() as AddressInfo).port}` };
    const signal = new AbortController().signal;
    expect(await failureOf(() => downloadFiles(ref, { ...listing, files }, k.into, { signal, sockets: k.sockets, body }))).toMatchObject({ code: 'SourceChanged', detail: { want: '"another"', found: '"mine"' } });
    lax.close();
  });

  describe('whole-file hashes decide', () => {
    test('where the manifest has one, a broken transfer is continued at the byte it broke, pinned to the same object', async () => {
      await withManifest();
      onBig({ kind: 'stall', afterBytes: 100_000 }, 2);
      await k.fetch();
      expect(bigOnDisk().equals(BIG)).toBe(true);
      expect(k.gets('big').map(({ range, status }) => [range, status])).toEqual([[undefined, 200], ['bytes=100000-', 206], ['bytes=200000-', 206]]);
    });

    test('without one it is continued over connections of our own, which pin every part to the ETag, and begins anew over the SDK', async () => {
      onBig({ kind: 'stall', afterBytes: 100_000 }, 1);
      await k.fetch();
      expect(k.gets('big').map(({ range }) => range)).toEqual([undefined, body === 'own' ? 'bytes=100000-' : undefined]);
    });

    test('a flipped bit is fetched again once; when it stays, it is an IntegrityMismatch with both hashes', async () => {
      await withManifest();
      onBig({ kind: 'flip', atByte: 123_456 }, 1);
      await k.fetch();
      expect(bigOnDisk().equals(BIG)).toBe(true);
      onBig({ kind: 'flip', atByte: 123_456 });
      const failure = await failureOf(() => k.fetch());
      const flipped = Buffer.from(BIG);
      flipped[123_456]! ^= 1;
      expect(failure).toMatchObject({ code: 'IntegrityMismatch', detail: { file: 'half/1/big', want: sha(BIG), found: sha(flipped) } });
      expect(k.gets('big')).toHaveLength(4);
    });

    test('an empty file whose manifest says otherwise', async () => {
      await k.put('empty', '');
      await k.s3.put('models', 'half/1/manifest.json', JSON.stringify({ files: [{ path: 'big', size: BIG.length, sha256: sha(BIG) }, { path: 'dir/small', size: 5, sha256: sha('small') }, { path: 'empty', size: 0, sha256: sha('x') }] }));
      expect(await failureOf(() => k.fetch())).toMatchObject({ code: 'IntegrityMismatch', detail: { file: 'half/1/empty', found: sha('') } });
    });

    test.each(['crc32c', 'sha256'] as const)('without a manifest a flipped bit is caught where the object carries a %s', async (checksum) => {
      await k.put('big', BIG, { checksums: [checksum] });
      onBig({ kind: 'flip', atByte: 399_999 });
      expect(await failureOf(() => k.fetch())).toMatchObject({ code: 'IntegrityMismatch', detail: { file: 'half/1/big' } });
      expect(k.gets('big')).toHaveLength(2);
    });
  });

  describe('what is on the disk already', () => {
    test('a file known to be whole is not fetched again; one that is not what is listed is', async () => {
      await withManifest();
      const progress: number[] = [];
      const have = [{ path: 'big', size: BIG.length, sha256: sha(BIG) }, { path: 'dir/small', size: 5, sha256: sha('other') }];
      const done = await k.fetch({ have, onProgress: (bytes) => progress.push(bytes) });
      expect(done.map(({ sha256 }) => sha256)).toEqual([sha(BIG), sha('small')]);
      expect([k.gets('big').length, k.gets('dir/small').length]).toEqual([0, 1]);
      expect(progress).toEqual([400_000, 400_005]);
    });

    test('files are told one by one as they are done', async () => {
      const told: string[] = [];
      await k.fetch({ onFile: ({ path }) => told.push(path), lanes: 1 });
      expect(told.sort()).toEqual(['big', 'dir/small']);
    });

    test('an older and longer partial file leaves nothing behind, and one that shares its bytes with a served version leaves that alone', async () => {
      const served = join(mkdtempSync(join(tmpdir(), 'segue-served-')), 'big');
      writeFileSync(served, Buffer.alloc(900_000, 's'));
      linkSync(served, join(k.into, 'big'));
      await k.fetch();
      expect(bigOnDisk().equals(BIG)).toBe(true);
      expect(readFileSync(served).equals(Buffer.alloc(900_000, 's'))).toBe(true);
    });

    test('links planted in the destination lead nowhere', async () => {
      const elsewhere = mkdtempSync(join(tmpdir(), 'segue-elsewhere-'));
      writeFileSync(join(elsewhere, 'victim'), 'victim');
      symlinkSync(join(elsewhere, 'victim'), join(k.into, 'big'));
      await k.fetch();
      expect(readFileSync(join(elsewhere, 'victim'), 'utf8')).toBe('victim');
      const trap = await kit({}, body);
      await trap.put('dir/small', 'small');
      symlinkSync(elsewhere, join(trap.into, 'dir'));
      await expect(trap.fetch()).rejects.toThrow('want a directory');
      await trap.s3.stop();
    });

    test('a directory that is there already is used', async () => {
      mkdirSync(join(k.into, 'dir'));
      await k.fetch();
      expect(readFileSync(join(k.into, 'dir/small'), 'utf8')).toBe('small');
    });
  });

  test('lanes keep their connections: a thousand small files do not open a thousand sockets', async () => {
    for (let i = 0; i < 300; i++) await k.put(`many/${i}`, `file ${i}`);
    await k.fetch({ lanes: 4 });
    expect(k.sockets.opened).toBeLessThanOrEqual(4);
  });
});
