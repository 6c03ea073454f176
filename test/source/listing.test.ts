// A listing says what is there, or why that can never be a version.

import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { listSource } from '../../src/source/listing';
import { MAX_TRIES } from '../../src/source/trouble';
import { failureOf } from './failing';
import { kit } from './kit';
import type { Kit } from './kit';

let k: Kit;
beforeEach(async () => {
  k = await kit();
  await k.put('saved_model.pb', 'graph');
});
afterEach(() => k.s3.stop());

test.each([
  ['../escape', /component "\.\."/],
  ['a//b', /empty component/],
  ['a\\b', /backslash/],
  ['a\u0001b', /control character/],
  ['a\nb', /control character/],
  ['SAVED_MODEL.pb', /only by case/],
  ['saved_model.pb/x', /cannot be a directory too/],
  ['e\u0301', /normal form C/],
  ['directory with content/', /empty component/],
])('the key %j can be no file: refused with its name before any of it is fetched', async (path, why) => {
  await k.put(path, 'x');
  const failure = await failureOf(() => k.list());
  expect([failure.code, failure.message]).toEqual(['InvalidSavedModel', expect.stringMatching(why)]);
  expect(failure.message).toContain(k.s3.url);
});

test('more than 10,000 objects are no version, and 10,000 with a manifest are', async () => {
  await k.s3.delete('models', 'half/1/saved_model.pb');
  const bodies = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`f${i}`, '']));
  for (const path of Object.keys(bodies)) await k.put(path, '');
  await k.manifest(bodies);
  expect((await k.list()).resolved.files).toBe(10_000);
  await k.put('one-more', '');
  expect(await failureOf(() => k.list())).toMatchObject({ code: 'InvalidSavedModel', detail: { found: 10_001 } });
});

test('the manifest is bounded before it is read, pinned to the listing, and read again after passing trouble', async () => {
  await k.manifest({ 'saved_model.pb': 'graph' });
  const onManifest = { key: '*/manifest.json' } as const;
  k.s3.fault({ ...onManifest, times: 1, fault: { kind: 'stall', afterBytes: 10 } });
  expect((await k.list()).manifest).toHaveLength(1);
  k.s3.fault({ ...onManifest, times: 1, fault: { kind: 'change' } });
  expect(await failureOf(() => k.list())).toMatchObject({ code: 'SourceChanged' });
  await k.put('manifest.json', Buffer.alloc(16 * 1024 * 1024 + 1, ' '));
  const before = k.gets('manifest.json').length;
  expect(await failureOf(() => k.list())).toMatchObject({ code: 'IntegrityMismatch', detail: { file: 'manifest.json' } });
  expect(k.gets('manifest.json')).toHaveLength(before);
});

test('a manifest alone does not make a version', async () => {
  await k.manifest({ 'saved_model.pb': 'graph' });
  await k.s3.delete('models', 'half/1/saved_model.pb');
  expect(await failureOf(() => k.list())).toMatchObject({ code: 'IntegrityMismatch', detail: { missing: ['saved_model.pb'] } });
});

test('only directory markers is nothing', async () => {
  await k.s3.delete('models', 'half/1/saved_model.pb');
  await k.put('', '');
  await k.put('variables/', '');
  expect(await failureOf(() => k.list())).toMatchObject({ code: 'SourceMissing' });
});

test.each([
  ['503', { kind: 'answer', status: 503, code: 'SlowDown' }, /answered 503 SlowDown \(5 tries\)/, MAX_TRIES],
  ['silence', { kind: 'slowHeaders', ms: 60_000 }, /stalled at a page of the listing: nothing for 250 ms \(5 tries\)/, MAX_TRIES],
  ['a page of another kind', { kind: 'page', html: '<!doctype html><p>hello' }, /answered 200, but not as an S3 server does/, MAX_TRIES],
  ['a redirect', { kind: 'answer', status: 301, code: 'PermanentRedirect' }, /redirects are not followed/, 1],
] as const)('a listing that meets %s is SourceUnreachable in bounded time', async (_, fault, message, tries) => {
  k.s3.fault({ on: 'ListObjectsV2', fault });
  const failure = await failureOf(() => k.list());
  expect([failure.code, failure.message]).toEqual(['SourceUnreachable', expect.stringMatching(message)]);
  expect(failure.message).toContain(`list s3://models/half/1/ at ${k.s3.url}`);
  expect(k.s3.log()).toHaveLength(tries);
});

test('a listing that trickles in is cut off too', async () => {
  const slow = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/xml' });
    const timer = setInterval(() => response.write(' '), 20);
    response.on('close', () => clearInterval(timer));
  }).listen(0, '127.0.0.1');
  await once(slow, 'listening');
  const ref = { ...k.ref, endpoint: `http://127.0.0.1:${(slow.address() as AddressInfo).port}` };
  const failure = await failureOf(() => listSource(ref, { signal: new AbortController().signal, idleTimeoutMs: 60, backoffMs: 1 }));
  expect([failure.code, failure.message]).toEqual(['SourceUnreachable', expect.stringMatching(/stalled at a page/)]);
  slow.closeAllConnections();
  slow.close();
});

test('nobody there, no such host, not HTTP: SourceUnreachable with the network\'s own word', async () => {
  const listAt = (endpoint: string) => failureOf(() => listSource({ ...k.ref, endpoint }, { signal: new AbortController().signal, backoffMs: 1 }));
  const gone = await kit();
  await gone.s3.stop();
  expect(await listAt(gone.s3.url)).toMatchObject({ code: 'SourceUnreachable', message: expect.stringContaining('ECONNREFUSED') });
  expect(await listAt('http://no-such-host.invalid')).toMatchObject({ code: 'SourceUnreachable', message: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) });
  expect(await listAt(k.s3.url.replace('http:', 'https:'))).toMatchObject({ code: 'SourceUnreachable' });
});
