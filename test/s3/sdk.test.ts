// The kit's S3 server answers the real AWS SDK as S3 does.

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand, DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client, paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import type { S3ServiceException } from '@aws-sdk/client-s3';
import { startS3 } from '../../src/testing/s3/server';
import { rawGet } from './raw-get';
import type { S3Server, S3ServerOptions } from '../../src/testing/s3/server';

const KEYS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret/with+signs=' };
const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function server(options: S3ServerOptions = {}): Promise<S3Server> {
  const started = await startS3(options);
  closing.push(() => started.stop());
  return started;
}

function clientOf({ url }: { url: string }, credentials = KEYS): S3Client {
  const client = new S3Client({ endpoint: url, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1, credentials });
  closing.push(() => client.destroy());
  return client;
}

async function refusal(work: Promise<unknown>): Promise<{ name: string; status: number | undefined }> {
  const error = await work.then(() => undefined, (failure: unknown) => failure as S3ServiceException);
  if (!error) throw new Error('it was not refused');
  return { name: error.name, status: error.$metadata.httpStatusCode };
}

async function bytesOf(client: S3Client, input: { Bucket: string; Key: string } & Partial<GetObjectCommand['input']>): Promise<string> {
  return (await client.send(new GetObjectCommand(input))).Body!.transformToString();
}

test('what is put is listed with its MD5 as ETag, read back whole or in part, and gone after delete', async () => {
  const client = clientOf(await server());
  await client.send(new CreateBucketCommand({ Bucket: 'models' }));
  const put = await client.send(new PutObjectCommand({ Bucket: 'models', Key: 'a/1/x', Body: 'hello world' }));
  const etag = `"${createHash('md5').update('hello world').digest('hex')}"`;
  expect(put.ETag).toBe(etag);
  const listed = await client.send(new ListObjectsV2Command({ Bucket: 'models', Prefix: 'a/' }));
  expect(listed.Contents).toMatchObject([{ Key: 'a/1/x', Size: 11, ETag: etag }]);
  const got = await client.send(new GetObjectCommand({ Bucket: 'models', Key: 'a/1/x', Range: 'bytes=6-8' }));
  expect([await got.Body!.transformToString(), got.ContentRange, got.$metadata.httpStatusCode]).toEqual(['wor', 'bytes 6-8/11', 206]);
  expect(await bytesOf(client, { Bucket: 'models', Key: 'a/1/x', Range: 'bytes=-5' })).toBe('world');
  expect(await bytesOf(client, { Bucket: 'models', Key: 'a/1/x', Range: 'bytes=6-' })).toBe('world');
  expect(await client.send(new HeadObjectCommand({ Bucket: 'models', Key: 'a/1/x' }))).toMatchObject({ ContentLength: 11, ETag: etag });
  await client.send(new DeleteObjectCommand({ Bucket: 'models', Key: 'a/1/x' }));
  expect(await refusal(client.send(new GetObjectCommand({ Bucket: 'models', Key: 'a/1/x' })))).toEqual({ name: 'NoSuchKey', status: 404 });
});

test('refuses what S3 refuses, by the same names', async () => {
  const s3 = await server();
  const client = clientOf(s3);
  await s3.put('models', 'x', 'abc');
  expect(await refusal(client.send(new ListObjectsV2Command({ Bucket: 'nowhere' })))).toEqual({ name: 'NoSuchBucket', status: 404 });
  expect(await refusal(bytesOf(client, { Bucket: 'models', Key: 'x', IfMatch: '"0"' }))).toEqual({ name: 'PreconditionFailed', status: 412 });
  expect(await refusal(bytesOf(client, { Bucket: 'models', Key: 'x', Range: 'bytes=3-' }))).toEqual({ name: 'InvalidRange', status: 416 });
  expect(await refusal(client.send(new HeadObjectCommand({ Bucket: 'models', Key: 'y' })))).toEqual({ name: 'NotFound', status: 404 });
});

test('pages a listing in key order, groups by delimiter, starts after a key, and survives hostile keys by url encoding', async () => {
  const s3 = await server();
  const client = clientOf(s3);
  const keys = ['p/a', 'p/b/1', 'p/b/2', 'p/c d+e&<é>%', 'p/d\u0001', 'p/\u{1F600}', 'p/\uff5e', 'q'];
  for (const key of keys) await s3.put('models', key, key);
  const paged: string[] = [];
  for await (const page of paginateListObjectsV2({ client, pageSize: 2 }, { Bucket: 'models', Prefix: 'p/', EncodingType: 'url' })) {
    expect(page.Contents!.length).toBeLessThanOrEqual(2);
    paged.push(...page.Contents!.map(({ Key }) => decodeURIComponent(Key!.replaceAll('+', ' '))));
  }
  // UTF-8 order: U+FF5E sorts before U+1F600, which UTF-16 would put first.
  expect(paged).toEqual(['p/a', 'p/b/1', 'p/b/2', 'p/c d+e&<é>%', 'p/d\u0001', 'p/\uff5e', 'p/\u{1F600}']);
  const grouped = await client.send(new ListObjectsV2Command({ Bucket: 'models', Prefix: 'p/', Delimiter: '/', MaxKeys: 2 }));
  expect([grouped.Contents!.map(({ Key }) => Key), grouped.CommonPrefixes, grouped.IsTruncated]).toEqual([['p/a'], [{ Prefix: 'p/b/' }], true]);
  const next = await client.send(new ListObjectsV2Command({ Bucket: 'models', Prefix: 'p/', Delimiter: '/', MaxKeys: 1, ContinuationToken: grouped.NextContinuationToken }));
  expect(next.Contents!.map(({ Key }) => Key)).toEqual(['p/c d+e&<é>%']);
  const after = await client.send(new ListObjectsV2Command({ Bucket: 'models', StartAfter: 'p/\uff5e' }));
  expect(after.Contents!.map(({ Key }) => Key)).toEqual(['p/\u{1F600}', 'q']);
});

test('keeps the checksums of an object and hands them out when asked; the SDK then sees a flipped bit', async () => {
  const s3 = await server();
  const client = clientOf(s3);
  await s3.put('models', 'c', 'hello', { checksums: ['crc32c', 'sha256'] });
  const head = await client.send(new HeadObjectCommand({ Bucket: 'models', Key: 'c', ChecksumMode: 'ENABLED' }));
  expect(head.ChecksumSHA256).toBe(createHash('sha256').update('hello').digest('base64'));
  expect(head.ChecksumCRC32C).toBe('mnG7TA=='); // 0x9a71bb4c
  await client.send(new PutObjectCommand({ Bucket: 'models', Key: 'd', Body: 'hello', ChecksumAlgorithm: 'SHA256' }));
  expect(await bytesOf(client, { Bucket: 'models', Key: 'd' })).toBe('hello');
  s3.fault({ key: 'd', fault: { kind: 'flip', atByte: 2 } });
  await expect(bytesOf(client, { Bucket: 'models', Key: 'd' })).rejects.toThrow('Checksum mismatch');
  expect(await refusal(client.send(new PutObjectCommand({ Bucket: 'models', Key: 'e', Body: 'hello', ChecksumSHA256: createHash('sha256').update('other').digest('base64') })))).toEqual({ name: 'BadDigest', status: 400 });
});

test('checks signatures when it has credentials: wrong secret, unknown key, unsigned, and a body that was exchanged', async () => {
  const s3 = await server({ credentials: KEYS });
  await s3.put('models', 'odd key/ü+&=%.bin', 'abc');
  const good = clientOf(s3);
  expect(await bytesOf(good, { Bucket: 'models', Key: 'odd key/ü+&=%.bin', Range: 'bytes=0-1' })).toBe('ab');
  expect((await good.send(new ListObjectsV2Command({ Bucket: 'models', Prefix: 'odd key/', EncodingType: 'url', MaxKeys: 5 }))).KeyCount).toBe(1);
  const list = (credentials: typeof KEYS) => clientOf(s3, credentials).send(new ListObjectsV2Command({ Bucket: 'models' }));
  expect(await refusal(list({ ...KEYS, secretAccessKey: 'wrong' }))).toEqual({ name: 'SignatureDoesNotMatch', status: 403 });
  expect(await refusal(list({ ...KEYS, accessKeyId: 'nobody' }))).toEqual({ name: 'InvalidAccessKeyId', status: 403 });
  expect((await fetch(`${s3.url}/models/?list-type=2`)).status).toBe(403);
  const tampering = clientOf(s3);
  tampering.middlewareStack.add((next) => (args) => {
    (args.request as { body: unknown }).body = 'evil';
    return next(args);
  }, { step: 'finalizeRequest', priority: 'low' });
  expect(await refusal(tampering.send(new PutObjectCommand({ Bucket: 'models', Key: 'x', Body: 'good' })))).toEqual({ name: 'XAmzContentSHA256Mismatch', status: 400 });
});

test('with versioning an older version stays readable by its id', async () => {
  const s3 = await server({ versioning: true });
  const client = clientOf(s3);
  await s3.put('models', 'v', 'one');
  const first = await client.send(new HeadObjectCommand({ Bucket: 'models', Key: 'v' }));
  await s3.put('models', 'v', 'two');
  expect(await bytesOf(client, { Bucket: 'models', Key: 'v' })).toBe('two');
  expect(await bytesOf(client, { Bucket: 'models', Key: 'v', VersionId: first.VersionId! })).toBe('one');
  expect(await refusal(bytesOf(client, { Bucket: 'models', Key: 'v', VersionId: 'never' }))).toEqual({ name: 'NoSuchVersion', status: 404 });
});

test('serves a directory as it is now, and lets nobody out of it', async () => {
  const root = mkdtempSync(join(tmpdir(), 'segue-s3-'));
  mkdirSync(join(root, 'models/half/1'), { recursive: true });
  writeFileSync(join(root, 'models/half/1/saved_model.pb'), 'graph');
  writeFileSync(join(root, 'secret'), 'secret');
  const s3 = await server({ root });
  const client = clientOf(s3);
  expect((await client.send(new ListObjectsV2Command({ Bucket: 'models' }))).Contents!.map(({ Key }) => Key)).toEqual(['half/1/saved_model.pb']);
  writeFileSync(join(root, 'models/half/1/saved_model.pb'), 'graph2');
  expect(await bytesOf(client, { Bucket: 'models', Key: 'half/1/saved_model.pb', Range: 'bytes=3-' })).toBe('ph2');
  await client.send(new PutObjectCommand({ Bucket: 'models', Key: 'half/2/x', Body: 'put' }));
  expect(readFileSync(join(root, 'models/half/2/x'), 'utf8')).toBe('put');
  for (const path of ['/models/../secret', '/models/%2e%2e/secret', '/models/..%2fsecret', '/../secret', '/%2e%2e/x']) expect([path, (await rawGet(s3.port, path)).status]).toEqual([path, 404]);
});
