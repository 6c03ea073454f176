// segue fetch as people and scripts meet it.

import { createServer as createProxy } from 'node:tls';
import { connect } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../src/cli/run';
import { progressLine } from '../../src/cli/fetch/progress';
import { digestOf } from '../../src/source/manifest';
import { startS3 } from '../../src/testing/s3/server';
import type { S3Server } from '../../src/testing/s3/server';
import { kit, noise, sha } from '../source/kit';
import type { Kit } from '../source/kit';
import { CERT, KEY } from '../source/self-signed';
import { captured } from './captured';
import { startSegue } from './segue-process';

const SHARD = noise(300_000);
const shard = (n: number): Buffer => Buffer.concat([Buffer.from(`shard ${n} `), SHARD]);
let k: Kit;
let scratch: string;
beforeEach(async () => {
  k = await kit();
  scratch = mkdtempSync(join(tmpdir(), 'segue-fetch-cli-'));
});
afterEach(async () => {
  await k.s3.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/** Nine files, with a manifest. */
async function version(n: number, changed = 0): Promise<Readonly<Record<string, Buffer>>> {
  const files: Record<string, Buffer> = { 'saved_model.pb': Buffer.from('graph') };
  for (let i = 0; i < 8; i++) files[`variables/variables.data-0000${i}-of-00008`] = shard(i + (i === 3 ? changed : 0));
  for (const [path, bytes] of Object.entries(files)) await k.s3.put('models', `half/${n}/${path}`, bytes);
  await k.s3.put('models', `half/${n}/manifest.json`, JSON.stringify({ files: Object.entries(files).map(([path, bytes]) => ({ path, size: bytes.length, sha256: sha(bytes) })) }));
  return files;
}

interface Result { readonly files: number; readonly bytes: number; readonly fetchedBytes: number; readonly reusedBytes: number; readonly digest: string; readonly verified: Readonly<Record<string, string>> }

async function fetch(uri: string, dest: string, ...flags: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  return captured((terminal) => run(['fetch', uri, join(scratch, dest), '--endpoint', k.s3.url, '--credentials', 'anonymous', ...flags], terminal));
}

const json = ({ code, out, err }: { readonly code: number; readonly out: string; readonly err: string }): Result => {
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as Result;
};

test('a version is there whole, with its digest, and what each file was held against', async () => {
  const files = await version(1);
  const found = json(await fetch('s3://models/half/1/', '1', '-o', 'json'));
  const bytes = Object.values(files).reduce((sum, file) => sum + file.length, 0);
  expect(found).toMatchObject({ files: 9, bytes, fetchedBytes: bytes, reusedBytes: 0, digest: digestOf(Object.entries(files).map(([path, body]) => ({ path, size: body.length, sha256: sha(body) }))) });
  expect(Object.entries(found.verified)).toEqual(Object.keys(files).sort().map((path) => [path, 'manifest']));
  for (const [path, body] of Object.entries(files)) expect(readFileSync(join(scratch, '1', path)).equals(body)).toBe(true);
  expect(readdirSync(scratch)).toEqual(['1']);
});

test('of a second version with one changed shard of nine that shard is fetched, and of an identical one not a byte', async () => {
  await version(1);
  await version(2, 100);
  await version(3, 100);
  json(await fetch('s3://models/half/1/', '1', '-o', 'json'));
  const second = json(await fetch('s3://models/half/2/', '2', '-o', 'json', '--reuse', join(scratch, '1')));
  expect(second.fetchedBytes).toBe(shard(103).length);
  const before = k.s3.log().length;
  const third = json(await fetch('s3://models/half/3/', '3', '-o', 'json', '--reuse', join(scratch, '1'), '--reuse', join(scratch, '2')));
  expect([third.fetchedBytes, third.digest]).toEqual([0, second.digest]);
  expect(k.s3.log().slice(before).filter(({ operation, key }) => operation === 'GetObject' && !key.endsWith('manifest.json'))).toEqual([]);
  expect(statSync(join(scratch, '3/saved_model.pb')).ino).toBe(statSync(join(scratch, '1/saved_model.pb')).ino);
});

test('what only looks equal is fetched', async () => {
  const files = await version(1);
  mkdirSync(join(scratch, 'old'));
  writeFileSync(join(scratch, 'old/saved_model.pb'), 'GRAPH');
  json(await fetch('s3://models/half/1/', '1', '-o', 'json', '--reuse', join(scratch, 'old'), '--reuse', join(scratch, 'nowhere')));
  expect(readFileSync(join(scratch, '1/saved_model.pb'))).toEqual(files['saved_model.pb']);
});

test.each<[string, number, RegExp, () => Promise<{ readonly code: number; readonly err: string }>]>([
  ['another digest than was asked for', 3, /IntegrityMismatch: .*want sha256:0{64}, found sha256:/, async () => { await version(1); return fetch('s3://models/half/1/', 'x', '--if-digest', `sha256:${'0'.repeat(64)}`); }],
  ['a directory with something in it', 3, /want nothing there, or an empty directory/, async () => { await version(1); mkdirSync(join(scratch, 'x')); writeFileSync(join(scratch, 'x/mine'), ''); return fetch('s3://models/half/1/', 'x'); }],
  ['nothing under the URI', 3, /SourceMissing/, () => fetch('s3://models/nothing/', 'x')],
  ['damaged bytes', 3, /IntegrityMismatch: .*sha256: want [0-9a-f]{64}, found [0-9a-f]{64}/, async () => { await version(1); k.s3.fault({ key: '*00003-of*', fault: { kind: 'flip', atByte: 7 } }); return fetch('s3://models/half/1/', 'x'); }],
  ['a digest that is none', 1, /A digest is/, () => fetch('s3://models/half/1/', 'x', '--if-digest', 'abc')],
  ['a part that is too small', 1, /at least 1MiB/, () => fetch('s3://models/half/1/', 'x', '--part-size', '5k')],
])('%s ends with %i, and nothing is there', async (_, code, why, act) => {
  const ended = await act();
  expect([ended.code, ended.err]).toEqual([code, expect.stringMatching(why)]);
  expect(readdirSync(scratch).filter((name) => !name.startsWith('.') && readdirSync(join(scratch, name)).some((entry) => entry !== 'mine'))).toEqual([]);
});

test('a rate is a limit', async () => {
  await k.s3.put('models', 'rate/1/x', noise(2_000_000));
  const began = performance.now();
  json(await fetch('s3://models/rate/1/', '1', '-o', 'json', '--limit-rate', '2MB'));
  expect(performance.now() - began).toBeGreaterThan(800);
});

test('interrupted it ends with 4 and says so; the same command goes on', async () => {
  await k.s3.put('models', 'rate/1/x', noise(4_000_000));
  const args = ['fetch', 's3://models/rate/1/', join(scratch, '1'), '--endpoint', k.s3.url, '--credentials', 'anonymous', '--limit-rate', '1MB', '--part-size', '1MiB', '--lanes', '1'];
  const first = startSegue(args);
  await first.said(' of 4.0 MB');
  await first.said('1.');
  first.child.kill('SIGINT');
  expect([await first.ended, first.output()]).toEqual([4, expect.stringContaining('interrupted; the same command goes on')]);
  const second = json(await fetch('s3://models/rate/1/', '1', '-o', 'json', '--part-size', '1MiB'));
  expect(second.fetchedBytes).toBeLessThan(4_000_000);
});

describe('over TLS', () => {
  let signing: S3Server;
  let proxy: ReturnType<typeof createProxy>;
  beforeEach(async () => {
    signing = await startS3({ credentials: { accessKeyId: 'AK', secretAccessKey: 'SK' } });
    await signing.put('models', 'tls/1/x', noise(3_000_000));
    proxy = createProxy({ key: KEY, cert: CERT }, (socket) => {
      const inner = connect(signing.port, '127.0.0.1');
      socket.on('error', () => inner.destroy()).pipe(inner).on('error', () => socket.destroy()).pipe(socket);
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
  });
  afterEach(async () => {
    proxy.close();
    await signing.stop();
  });
  const tls = (env: Readonly<Record<string, string>>) => startSegue(['fetch', 's3://models/tls/1/', join(scratch, '1'), '--endpoint', `https://localhost:${(proxy.address() as AddressInfo).port}`, '--part-size', '1MiB', '-o', 'json'], { AWS_ACCESS_KEY_ID: 'AK', AWS_SECRET_ACCESS_KEY: 'SK', ...env });

  test("a private authority's certificate is trusted where Node is told of it; requests are signed", async () => {
    writeFileSync(join(scratch, 'ca.pem'), CERT);
    const done = tls({ NODE_EXTRA_CA_CERTS: join(scratch, 'ca.pem') });
    expect([await done.ended, done.output()]).toEqual([0, expect.stringContaining('"fetchedBytes":3000000')]);
    expect(readFileSync(join(scratch, '1/x')).equals(noise(3_000_000))).toBe(true);
  });

  test('an unknown one is refused', async () => {
    const refused = tls({});
    expect([await refused.ended, refused.output()]).toEqual([3, expect.stringMatching(/SourceUnreachable: .*self-signed certificate/)]);
  });
});

test('a line of progress', () => {
  expect(progressLine(512e6, 2048e6, 700e6)).toBe('512.0 of 2048.0 MB, 25 %, 700.0 MB/s, 3 s left');
  expect(progressLine(0, 0, undefined)).toBe('0.0 of 0.0 MB, 100 %');
});
