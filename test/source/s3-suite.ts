// What reading a source must do, on any S3 server: run against the kit's own and against a real one, so that neither flatters the other.

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { SourceRef } from '../../src/domain/source';
import { downloadFiles } from '../../src/source/download';
import { listSource } from '../../src/source/listing';
import { digestOf } from '../../src/source/manifest';
import { openS3 } from '../../src/source/s3-client';
import type { S3Handle } from '../../src/source/s3-client';
import { SocketLedger } from '../../src/source/sockets';
import { failureOf } from './failing';
import { aWhile } from '../setup/until';

export interface S3UnderTest {
  readonly url: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  stop(): Promise<void>;
}

export function s3Suite(name: string, start: () => Promise<S3UnderTest>, startTimeoutMs = 60_000): void {
  for (const body of ['own', 'sdk'] as const) describe(`reading a source from ${name}, bodies over the ${body} path`, () => {
    const credentialsDir = mkdtempSync(join(tmpdir(), 'segue-credentials-'));
    const signal = new AbortController().signal;
    let server: S3UnderTest;
    let s3: S3Handle;
    let models = 0;

    const refTo = (uri: string): SourceRef => ({ uri, endpoint: server.url, region: 'us-east-1', credentials: 'file:good' });
    const list = (ref: SourceRef) => listSource(ref, { signal, credentialsDir });
    const put = (key: string, body: string | Buffer, more: Partial<PutObjectCommandInput> = {}) => s3.client.send(new PutObjectCommand({ Bucket: 'models', Key: key, Body: body, ContentLength: Buffer.byteLength(body), ...more }));
    /** A prefix of its own for each test, with these objects. */
    const model = async (files: Readonly<Record<string, string | Buffer>>): Promise<SourceRef> => {
      const prefix = `m${++models}/1/`;
      for (const [path, body] of Object.entries(files)) await put(prefix + path, body);
      return refTo(`s3://models/${prefix}`);
    };
    const destination = (): string => mkdtempSync(join(tmpdir(), 'segue-download-'));
    const sha = (body: string | Buffer): string => createHash('sha256').update(body).digest('hex');
    const manifestOf = (files: Readonly<Record<string, string | Buffer>>): string =>
      JSON.stringify({ files: Object.entries(files).map(([path, body]) => ({ path, size: Buffer.byteLength(body), sha256: sha(body) })) });

    beforeAll(async () => {
      server = await start();
      writeFileSync(join(credentialsDir, 'good'), JSON.stringify(server.credentials));
      writeFileSync(join(credentialsDir, 'wrong'), `[default]\naws_access_key_id = ${server.credentials.accessKeyId}\naws_secret_access_key = not-the-secret\n`);
      writeFileSync(join(credentialsDir, 'nobody'), JSON.stringify({ AccessKeyId: 'nobody', SecretAccessKey: 'x' }));
      s3 = openS3(refTo('s3://models/'), { credentialsDir });
      await s3.client.send(new CreateBucketCommand({ Bucket: 'models' }));
    }, startTimeoutMs);
    afterAll(async () => {
      await s3?.close();
      await server?.stop();
    });

    test('lists every file with its path, size and ETag, and neither directory markers nor other prefixes', async () => {
      const odd = 'assets/ü &+%41&lt; (1)<é>.txt';
      const ref = await model({ 'saved_model.pb': 'graph', 'variables/': '', 'variables/variables.index': 'index', [odd]: 'x', 'empty': '' });
      await put(`m${models}/10/saved_model.pb`, 'another version');
      const { files, resolved, manifest } = await list(ref);
      expect(files.map(({ path, size }) => [path, size])).toEqual([[odd, 1], ['empty', 0], ['saved_model.pb', 5], ['variables/variables.index', 5]]);
      expect(files.find(({ path }) => path === 'saved_model.pb')?.etag).toBe(`"${createHash('md5').update('graph').digest('hex')}"`);
      expect([resolved.files, resolved.bytes, resolved.digest, manifest]).toEqual([4, 11, undefined, undefined]);
      expect(await list({ ...ref, uri: ref.uri.replace(/\/$/, '') })).toEqual({ files, resolved });
    });

    test('reads on past the first page', async () => {
      const paths = Array.from({ length: 1_003 }, (_, i) => `f${String(i).padStart(4, '0')}`);
      const prefix = `m${++models}/1/`;
      for (let i = 0; i < paths.length; i += 50) await Promise.all(paths.slice(i, i + 50).map((path) => put(prefix + path, 'x')));
      const { files } = await list(refTo(`s3://models/${prefix}`));
      expect(files.map(({ path }) => path)).toEqual(paths);
    });

    test('the pin is the same for the same objects and another after one of them was written again', async () => {
      const ref = await model({ a: '1', b: '2' });
      const { pin } = (await list(ref)).resolved;
      expect((await list(ref)).resolved.pin).toBe(pin);
      await put(`m${models}/1/b`, '3');
      expect((await list(ref)).resolved.pin).not.toBe(pin);
    });

    test('fetches every byte, into directories as needed, with the hash of each file', async () => {
      const big = Buffer.from(Array.from({ length: 5_000_011 }, (_, i) => (i * 7) % 253));
      const bodies = { 'saved_model.pb': 'graph', 'variables/variables.data-00000-of-00001': big, 'assets/deep/er/x': 'x', empty: '' };
      const ref = await model(bodies);
      const into = destination();
      const sockets = new SocketLedger();
      const seen: number[] = [];
      const done = await downloadFiles(ref, await list(ref), into, { signal, credentialsDir, body, sockets, onProgress: (bytes) => seen.push(bytes) });
      expect(Object.fromEntries(done.map(({ path, sha256 }) => [path, sha256]))).toEqual(Object.fromEntries(Object.entries(bodies).map(([path, body]) => [path, sha(body)])));
      for (const [path, body] of Object.entries(bodies)) expect(readFileSync(join(into, path)).equals(Buffer.from(body))).toBe(true);
      expect([seen[0], seen.at(-1)]).toEqual([0, big.length + 6]);
      expect(sockets.opened).toBeGreaterThan(0);
      expect(sockets.open().count).toBe(0);
    });

    test('a manifest gives the digest before any byte, and is no file of the version', async () => {
      const bodies = { 'saved_model.pb': 'graph', 'variables/variables.index': 'index' };
      const ref = await model({ ...bodies, 'manifest.json': manifestOf(bodies) });
      const listing = await list(ref);
      const into = destination();
      const done = await downloadFiles(ref, listing, into, { signal, credentialsDir, body, sockets: new SocketLedger() });
      expect(listing.resolved.digest).toBe(digestOf(done));
      expect((await readdir(into)).sort()).toEqual(['saved_model.pb', 'variables']);
    });

    test('manifest and bucket must agree, both ways, by name and by size', async () => {
      const bodies = { a: 'a', b: 'b', c: 'c' };
      const ref = await model({ a: 'a', b: 'bb', d: 'd', 'manifest.json': manifestOf(bodies) });
      const failure = await failureOf(() => list(ref));
      expect(failure.code).toBe('IntegrityMismatch');
      expect(failure.message).toMatch(/missing: c; not in (?:the manifest|manifest\.json): d; of another size: b \(want 1, found 2\)/);
    });

    test('bytes that are not what the manifest says are an IntegrityMismatch, naming file, wanted and found', async () => {
      const ref = await model({ a: 'good', 'dir/b': 'evil', 'manifest.json': manifestOf({ a: 'good', 'dir/b': 'good' }) });
      const listing = await list(ref);
      const failure = await failureOf(() => downloadFiles(ref, listing, destination(), { signal, credentialsDir, body, sockets: new SocketLedger(), backoffMs: 1 }));
      expect(failure.code).toBe('IntegrityMismatch');
      expect(failure.message).toContain('dir/b');
      expect(failure.detail).toMatchObject({ want: sha('good'), found: sha('evil') });
    });

    test('an object replaced after the listing is SourceChanged, and so is one that is gone', async () => {
      const ref = await model({ a: '1', b: '2' });
      const listing = await list(ref);
      const fetch = () => downloadFiles(ref, listing, destination(), { signal, credentialsDir, body, sockets: new SocketLedger() });
      await put(`m${models}/1/b`, '3');
      expect(await failureOf(fetch)).toMatchObject({ code: 'SourceChanged', detail: { key: `m${models}/1/b` } });
      await put(`m${models}/1/b`, '2');
      await s3.client.send(new DeleteObjectCommand({ Bucket: 'models', Key: `m${models}/1/a` }));
      expect(await failureOf(fetch)).toMatchObject({ code: 'SourceChanged', detail: { key: `m${models}/1/a` } });
    });

    test('nothing under the prefix, or no such bucket, is SourceMissing', async () => {
      expect(await failureOf(() => list(refTo('s3://models/never/1/')))).toMatchObject({ code: 'SourceMissing' });
      expect(await failureOf(() => list(refTo('s3://no-such-bucket/1/')))).toMatchObject({ code: 'SourceMissing', detail: { serverCode: 'NoSuchBucket' } });
    });

    test.each([
      ['file:wrong', /SignatureDoesNotMatch/],
      ['file:nobody', /InvalidAccessKeyId|XAdminUserNotFound/], // versitygw has its own word, and answers with 404
      ['anonymous', /AccessDenied/],
    ])('refused credentials (%s) are SourceUnreachable with the server\'s own word %s, at once and without a secret', async (credentials, serverCode) => {
      const ref = { ...(await model({ a: '1' })), credentials };
      const failure = await failureOf(() => list(ref));
      expect(failure).toMatchObject({ code: 'SourceUnreachable', detail: { serverCode: expect.stringMatching(serverCode), endpoint: server.url, bucket: 'models', tries: 1 } });
      expect(JSON.stringify([failure.message, failure.detail])).not.toContain('not-the-secret');
    });

    test('an object that carries a checksum is read like any other', async () => {
      const ref = await model({});
      for (const algorithm of ['CRC32', 'CRC32C', 'SHA256'] as const) await put(`m${models}/1/${algorithm}`, 'hello', { ChecksumAlgorithm: algorithm });
      const done = await downloadFiles(ref, await list(ref), destination(), { signal, credentialsDir, body, sockets: new SocketLedger() });
      expect(done.map(({ sha256 }) => sha256)).toEqual([sha('hello'), sha('hello'), sha('hello')]);
    });

    test('aborted in the middle it is over within 100 ms: no socket, no file handle, no further byte', async () => {
      const ref = await model({ a: Buffer.alloc(30_000_000, 'a'), b: Buffer.alloc(30_000_000, 'b') });
      const listing = await list(ref);
      const abort = new AbortController();
      const sockets = new SocketLedger();
      const into = destination();
      let bytes = 0;
      const running = downloadFiles(ref, listing, into, {
        signal: abort.signal, credentialsDir, body, sockets,
        onProgress: (now) => {
          bytes = now;
          if (now > 1_000_000 && !abort.signal.aborted) began();
        },
      });
      let at = 0;
      let open = 0;
      const began = (): void => {
        open = sockets.open().count;
        at = performance.now();
        abort.abort(new Error('superseded'));
      };
      await expect(running).rejects.toThrow('superseded');
      const ms = performance.now() - at;
      expect(open).toBeGreaterThan(0);
      expect(sockets.open()).toEqual({ count: 0, readFrom: process.platform === 'linux' ? 'kernel' : 'process' });
      expect(ms).toBeLessThan(100);
      const atEnd = bytes;
      await aWhile(50);
      expect(bytes).toBe(atEnd);
    });
  });
}
