// "Bytes stopped" is a fact at once, whatever the download was waiting for: DESIGN §5. How soon is measured by bench:abort, on a machine that does nothing else.

import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { downloadFiles } from '../../src/source/download';
import { listSource } from '../../src/source/listing';
import type { SourceListing } from '../../src/source/listing';
import { readBody } from '../../src/source/object-body';
import { linkEqualFiles } from '../../src/source/reuse';
import { openS3 } from '../../src/source/s3-client';
import { aWhile, until } from '../setup/until';
import { kit, noise, openBelow } from './kit';
import type { Kit } from './kit';

/** What an abort that is not heard waits for is a minute. */
const LIMIT_MS = 2000;
const RUNS = 30;
const BIG = noise(1_200_000);

describe.each(['own', 'sdk'] as const)('over the %s path', (body) => {
  let k: Kit;
  beforeAll(async () => {
    k = await kit({}, body);
    for (let i = 0; i < 12; i++) await k.put(`f${i}`, BIG);
  });
  afterAll(() => k.s3.stop());
  afterEach(() => k.s3.clearFaults());

  /** Aborts once `when` holds; what the world looks like at the moment the promise has settled. */
  async function aborted(run: (signal: AbortSignal) => Promise<unknown>, when: () => boolean): Promise<{ ms: number; reason: unknown }> {
    const abort = new AbortController();
    // Looks like trouble that is worth another try, and must not be taken for it.
    const why = Object.assign(new Error('a newer attempt holds this model'), { code: 'ECONNRESET' });
    const running = run(abort.signal).then(() => new Error('it completed'), (error: unknown) => error);
    await until(when);
    const at = performance.now();
    abort.abort(why);
    const reason = await running;
    return { ms: performance.now() - at, reason: reason === why ? 'its reason' : reason };
  }

  const impatient = { backoffMs: 1, idleTimeoutMs: 60_000, body };

  test.each([
    ['headers do not come', () => k.s3.fault({ fault: { kind: 'slowHeaders', ms: 60_000 } }), () => k.s3.log().filter(({ fault }) => fault === 'slowHeaders').length === 8],
    ['bodies stall', () => k.s3.fault({ fault: { kind: 'stall', afterBytes: 1_000_000 } }), () => k.s3.log().filter(({ fault, bytesSent }) => fault === 'stall' && bytesSent === 1_000_000).length === 8],
    ['bodies trickle', () => k.s3.fault({ fault: { kind: 'trickle', bytesPerSecond: 50_000 } }), () => k.s3.log().filter(({ fault, bytesSent }) => fault === 'trickle' && bytesSent > 5_000).length === 8],
  ])('while %s: all sockets and files are closed and the reason is told', async (_, fault, when) => {
    const listing = await k.list();
    fault();
    const { ms, reason } = await aborted((signal) => downloadFiles(k.ref, listing, k.into, { ...impatient, signal, sockets: k.sockets }), when);
    expect([reason, k.sockets.open().count, openBelow(k.into)]).toEqual(['its reason', 0, []]);
    expect(ms).toBeLessThan(LIMIT_MS);
    await until(async () => (await k.s3.connections()) === 0);
    expect(k.s3.log().every(({ closedAtMs }) => closedAtMs !== undefined)).toBe(true);
  });

  test('while it waits to try again', async () => {
    const listing = await k.list();
    k.s3.fault({ key: '*/f11', fault: { kind: 'answer', status: 503, code: 'SlowDown' } });
    const before = k.gets('f11').length;
    const { ms, reason } = await aborted(
      (signal) => downloadFiles(k.ref, { ...listing, files: listing.files.filter(({ path }) => path === 'f11') }, k.into, { ...impatient, backoffMs: 1e9, signal, sockets: k.sockets }),
      () => k.gets('f11').length > before,
    );
    expect([reason, k.sockets.open().count]).toEqual(['its reason', 0]);
    expect(ms).toBeLessThan(LIMIT_MS);
  });

  test('while the TLS handshake hangs', async () => {
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const accepted: Socket[] = [];
    mute.on('connection', (socket: Socket) => accepted.push(socket.on('error', () => undefined).resume()));
    const ref = { ...k.ref, endpoint: `https://127.0.0.1:${(mute.address() as AddressInfo).port}` };
    const listing = await k.list();
    const { ms, reason } = await aborted((signal) => downloadFiles(ref, listing, k.into, { ...impatient, signal, sockets: k.sockets }), () => accepted.length === 8);
    expect([reason, k.sockets.open().count]).toEqual(['its reason', 0]);
    expect(ms).toBeLessThan(LIMIT_MS);
    await until(() => accepted.every((socket) => socket.closed));
    mute.close();
  });

  test('while a credentials provider thinks, and nothing is sent once it has thought', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'segue-profile-'));
    const [config, began] = [join(directory, 'config'), join(directory, 'began')];
    writeFileSync(config, `[profile slow]\ncredential_process = /bin/sh -c "touch ${began}; sleep 0.5; touch ${began}.done; echo '{\\"Version\\":1,\\"AccessKeyId\\":\\"a\\",\\"SecretAccessKey\\":\\"b\\"}'"\n`);
    const before = process.env['AWS_CONFIG_FILE'];
    process.env['AWS_CONFIG_FILE'] = config;
    try {
      const requests = k.s3.log().length;
      const { ms, reason } = await aborted((signal) => listSource({ ...k.ref, credentials: 'profile:slow' }, { ...impatient, signal }), () => readdirSync(directory).includes('began'));
      expect(reason).toBe('its reason');
      expect(ms).toBeLessThan(LIMIT_MS);
      await until(() => readdirSync(directory).includes('began.done'));
      await aWhile(100);
      expect(k.s3.log()).toHaveLength(requests);
    } finally {
      if (before === undefined) delete process.env['AWS_CONFIG_FILE'];
      else process.env['AWS_CONFIG_FILE'] = before;
    }
  });

  test('while a listing hangs', async () => {
    k.s3.fault({ on: 'ListObjectsV2', fault: { kind: 'slowHeaders', ms: 60_000 } });
    const { ms, reason } = await aborted((signal) => k.list({ ...impatient, signal, sockets: k.sockets }), () => k.s3.log().at(-1)?.fault === 'slowHeaders');
    expect([reason, k.sockets.open().count]).toEqual(['its reason', 0]);
    expect(ms).toBeLessThan(LIMIT_MS);
  });

  test('before it begins: not a socket is opened', async () => {
    const listing = await k.list();
    const opened = k.sockets.opened;
    await expect(downloadFiles(k.ref, listing, k.into, { signal: AbortSignal.abort(new Error('no')), sockets: k.sockets })).rejects.toThrow('no');
    await expect(k.list({ signal: AbortSignal.abort(new Error('no')), sockets: k.sockets })).rejects.toThrow('no');
    expect(k.sockets.opened).toBe(opened);
  });

  test('at any turn of its beginning, while nothing was asked yet or nothing answers', async () => {
    const listing = await k.list();
    k.s3.fault({ key: '*', fault: { kind: 'slowHeaders', ms: 60_000 } });
    for (let turns = 0; turns < 40; turns++) {
      const abort = new AbortController();
      const running = downloadFiles(k.ref, listing, k.into, { ...impatient, signal: abort.signal, sockets: k.sockets });
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => { setImmediate(resolve); });
      abort.abort(new Error(`turn ${turns}`));
      await expect(running).rejects.toThrow(`turn ${turns}`);
      expect([k.sockets.open().count, openBelow(k.into)]).toEqual([0, []]);
    }
  });

  test('at any instant of a download that runs: at once, and never a byte afterwards', async () => {
    const listing = await k.list();
    const took: number[] = [];
    for (let i = 0; i < RUNS; i++) {
      const abort = new AbortController();
      const enough = (i / RUNS) * 12 * BIG.length;
      let progress = 0;
      let at = 0;
      const onProgress = (bytes: number): void => {
        progress = bytes;
        if (bytes < enough || abort.signal.aborted) return;
        at = performance.now();
        abort.abort(new Error('superseded'));
      };
      const running = downloadFiles(k.ref, listing, k.into, { ...impatient, signal: abort.signal, sockets: k.sockets, onProgress });
      await expect(running).rejects.toThrow('superseded');
      took.push(performance.now() - at);
      expect([k.sockets.open().count, openBelow(k.into)]).toEqual([0, []]);
      const then = progress;
      await new Promise((resolve) => setImmediate(resolve));
      expect(progress).toBe(then);
    }
    expect(Math.max(...took)).toBeLessThan(LIMIT_MS);
  });

  test.each([{}, { checksums: ['crc32c' as const] }])('between the headers and the first byte, while the sink still prepares (object with %j)', async (put) => {
    await k.put('prepared', BIG, put);
    const file = (await k.list()).files.find(({ path }) => path === 'prepared')!;
    const s3 = openS3(k.ref, { sockets: k.sockets });
    const abort = new AbortController();
    const chunks: Buffer[] = [];
    const begin = async (): Promise<void> => {
      abort.abort(new Error('superseded'));
      await until(() => k.sockets.open().count === 0);
      await aWhile(20);
    };
    await expect(readBody(s3, file, { signal: abort.signal }, { begin, chunk: (bytes) => void chunks.push(bytes) })).rejects.toThrow('superseded');
    expect(chunks).toEqual([]);
    await s3.close();
    await k.s3.delete('models', 'half/1/prepared');
  });
});

test('while versions on the disk are searched for equal files: none of theirs stays open', async () => {
  const k = await kit({}, 'own');
  const version = join(k.into, 'version');
  const into = join(k.into, 'into');
  mkdirSync(version);
  mkdirSync(into);
  const size = 1 << 30;
  for (const name of ['a', 'b', 'c']) {
    writeFileSync(join(version, name), '');
    truncateSync(join(version, name), size);
  }
  const files = ['a', 'b', 'c'].map((path) => ({ path, size, sha256: '0'.repeat(64) }));
  const listing = { files: files.map((file) => ({ ...file, key: file.path })), manifest: files, resolved: {} } as unknown as SourceListing;
  const abort = new AbortController();
  const linking = linkEqualFiles(listing, [version], into, { signal: abort.signal, except: new Set() });
  linking.catch(() => undefined);
  await until(() => openBelow(version).length === 2);
  abort.abort(new Error('superseded'));
  await expect(linking).rejects.toThrow('superseded');
  await until(() => openBelow(version).length === 0);
  await k.s3.stop();
});
