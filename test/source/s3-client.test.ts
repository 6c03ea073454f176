// A client belongs to one source: its endpoint, its credentials, its sockets, and nothing of the process around it.

import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { downloadFiles } from '../../src/source/download';
import { listSource } from '../../src/source/listing';
import { openS3 } from '../../src/source/s3-client';
import { failureOf } from './failing';
import { kit, sha } from './kit';
import type { Kit } from './kit';
import { CERT, KEY } from './self-signed';

const signal = new AbortController().signal;
const KEYS = { accessKeyId: 'AK', secretAccessKey: 'the-secret-itself' };
const environment = { ...process.env };
const kits: Kit[] = [];
beforeEach(() => {
  const nowhere = mkdtempSync(join(tmpdir(), 'segue-aws-'));
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, { AWS_CONFIG_FILE: join(nowhere, 'config'), AWS_SHARED_CREDENTIALS_FILE: join(nowhere, 'credentials'), AWS_EC2_METADATA_DISABLED: 'true' });
});
afterEach(async () => {
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  Object.assign(process.env, environment);
  for (const one of kits.splice(0)) await one.s3.stop();
});

async function signing(): Promise<Kit> {
  const made = await kit({ credentials: KEYS });
  kits.push(made);
  await made.put('x', 'x');
  return made;
}

async function open(): Promise<Kit> {
  const made = await kit();
  kits.push(made);
  return made;
}

test('two endpoints with the same bucket and key are read at once, each its own', async () => {
  const [x, y] = [await open(), await open()];
  await x.put('a', 'from x');
  await y.put('a', 'from y');
  const [[fromX], [fromY]] = await Promise.all([x.fetch(), y.fetch()]);
  expect([fromX!.sha256, fromY!.sha256]).toEqual([sha('from x'), sha('from y')]);
  expect((await x.list()).resolved.pin).not.toBe((await y.list()).resolved.pin);
});

test('an endpoint in the environment does not take the place of AWS, and a named one is asked by path', async () => {
  const elsewhere = await open();
  process.env['AWS_ENDPOINT_URL'] = process.env['AWS_ENDPOINT_URL_S3'] = elsewhere.s3.url;
  const asked = async (endpoint?: string): Promise<string> => {
    const s3 = openS3({ uri: 's3://models/half/1/', region: 'eu-west-1', credentials: 'anonymous', ...(endpoint === undefined ? {} : { endpoint }) });
    let url = '';
    s3.client.middlewareStack.add(() => ({ request }) => {
      const { protocol, hostname, port, path } = request as { protocol: string; hostname: string; port?: number; path: string };
      url = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`;
      return Promise.reject(new Error('nothing is sent'));
    }, { step: 'finalizeRequest', priority: 'low' });
    await s3.client.send(new ListObjectsV2Command({ Bucket: s3.location.bucket })).catch(() => undefined);
    await s3.close();
    return url;
  };
  expect(await asked()).toBe('https://models.s3.eu-west-1.amazonaws.com/');
  expect(await asked('https://s3.example.com:9000')).toBe('https://s3.example.com:9000/models/');
  expect(elsewhere.s3.log()).toEqual([]);
});

describe('credentials', () => {
  test('env is the default chain of the agent', async () => {
    const k = await signing();
    process.env['AWS_ACCESS_KEY_ID'] = KEYS.accessKeyId;
    process.env['AWS_SECRET_ACCESS_KEY'] = KEYS.secretAccessKey;
    expect((await listSource({ ...k.ref, credentials: 'env' }, { signal })).files).toHaveLength(1);
  });

  test('env without any is said clearly, and soon', async () => {
    const k = await signing();
    const began = performance.now();
    const failure = await failureOf(() => listSource({ ...k.ref, credentials: 'env' }, { signal }));
    expect([failure.code, failure.message]).toEqual(['SourceUnreachable', expect.stringMatching(/no credentials for env: Could not load credentials from any providers/)]);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(k.s3.log()).toEqual([]);
  });

  test('profile:NAME is that profile, and never the keys of the environment or of the host in its stead', async () => {
    const k = await signing();
    const host = createHttpServer((_, response) => response.end(JSON.stringify({ AccessKeyId: KEYS.accessKeyId, SecretAccessKey: KEYS.secretAccessKey, Token: 't', Expiration: '2099-01-01T00:00:00Z' }))).listen(0, '127.0.0.1');
    await once(host, 'listening');
    process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = `http://127.0.0.1:${(host.address() as AddressInfo).port}/`;
    expect((await listSource({ ...k.ref, credentials: 'env' }, { signal })).files).toHaveLength(1);
    writeFileSync(process.env['AWS_SHARED_CREDENTIALS_FILE']!, `[models]\naws_access_key_id=${KEYS.accessKeyId}\naws_secret_access_key=${KEYS.secretAccessKey}\n[empty]\n`);
    expect((await listSource({ ...k.ref, credentials: 'profile:models' }, { signal })).files).toHaveLength(1);
    process.env['AWS_ACCESS_KEY_ID'] = KEYS.accessKeyId;
    process.env['AWS_SECRET_ACCESS_KEY'] = KEYS.secretAccessKey;
    for (const profile of ['profile:empty', 'profile:unknown']) {
      const failure = await failureOf(() => listSource({ ...k.ref, credentials: profile }, { signal }));
      expect([failure.code, failure.message]).toEqual(['SourceUnreachable', expect.stringContaining(`no credentials for ${profile}`)]);
    }
    host.closeAllConnections();
    host.close();
  });

  const file = (text: string): string => {
    const directory = mkdtempSync(join(tmpdir(), 'segue-credentials-'));
    writeFileSync(join(directory, 'team-a'), text);
    return directory;
  };
  test.each([
    ['JSON', JSON.stringify(KEYS)],
    ["JSON as a credential process prints it", JSON.stringify({ Version: 1, AccessKeyId: 'AK', SecretAccessKey: 'the-secret-itself' })],
    ['the lines of a profile', '[default]\naws_access_key_id = AK\naws_secret_access_key=the-secret-itself\n'],
  ])('file:NAME reads %s', async (_, text) => {
    const k = await signing();
    expect((await listSource({ ...k.ref, credentials: 'file:team-a' }, { signal, credentialsDir: file(text) })).files).toHaveLength(1);
  });

  test.each([
    ['no such file', 'file:team-b', '{}'],
    ['holds no access key', 'file:team-a', '{"accessKeyId": "the-secret-itself"}'],
    ['holds no access key', 'file:team-a', '{the-secret-itself'],
    ['holds no access key', 'file:team-a', 'the-secret-itself'],
  ])('%s: said without what is in it', async (why, credentials, text) => {
    const k = await signing();
    const failure = await failureOf(() => listSource({ ...k.ref, credentials }, { signal, credentialsDir: file(text) }));
    expect([failure.code, failure.message]).toEqual(['SourceUnreachable', expect.stringContaining(why)]);
    expect(`${failure.message}${JSON.stringify(failure.detail)}${String(failure.cause)}`).not.toContain('the-secret-itself');
    expect(k.s3.log()).toEqual([]);
  });

  test('a provider that fails aloud is not repeated', async () => {
    const k = await signing();
    writeFileSync(process.env['AWS_CONFIG_FILE']!, '[profile loud]\ncredential_process = /bin/sh -c "echo the-secret-itself >&2; exit 1"\n');
    const failure = await failureOf(() => listSource({ ...k.ref, credentials: 'profile:loud' }, { signal }));
    expect(`${failure.message}${JSON.stringify(failure.detail)}`).not.toContain('the-secret-itself');
    expect(failure.message).toContain('no credentials for profile:loud');
  });

  test('that expire in the middle of a download are asked for again, once, and the download goes on', async () => {
    const k = await signing();
    const count = join(mkdtempSync(join(tmpdir(), 'segue-process-')), 'count');
    writeFileSync(process.env['AWS_CONFIG_FILE']!, `[profile short]\ncredential_process = /bin/sh -c "echo x >> ${count}; echo '{\\"Version\\":1,\\"AccessKeyId\\":\\"${KEYS.accessKeyId}\\",\\"SecretAccessKey\\":\\"${KEYS.secretAccessKey}\\",\\"Expiration\\":\\"2099-01-01T00:00:00Z\\"}'"\n`);
    const ref = { ...k.ref, credentials: 'profile:short' };
    const listing = await listSource(ref, { signal });
    const asked = (): number => readFileSync(count, 'utf8').split('x').length - 1;
    const before = asked();
    k.s3.fault({ key: '*/x', times: 1, fault: { kind: 'answer', status: 400, code: 'ExpiredToken' } });
    const done = await downloadFiles(ref, listing, k.into, { signal, sockets: k.sockets, body: 'own' });
    expect([done.map(({ sha256 }) => sha256), k.gets('x').map(({ status }) => status), asked() - before]).toEqual([[sha('x')], [400, 200], 2]);
  });

  test.each(['file:../x', 'file:', 'file:a/b', 'profile:', 'profile:a b', 'AKIA…', '', 'ENV', 'anonymous:x'])('%j is no reference', async (credentials) => {
    const k = await open();
    expect(await failureOf(() => listSource({ ...k.ref, credentials }, { signal }))).toMatchObject({ code: 'InvalidInput', detail: { path: '$.source.credentials' } });
  });
});

test('a certificate nobody vouches for is refused, and the word for it told', async () => {
  const tls = createServer({ key: KEY, cert: CERT }).listen(0, '127.0.0.1');
  await once(tls, 'listening');
  const ref = { uri: 's3://models/x', endpoint: `https://127.0.0.1:${(tls.address() as AddressInfo).port}`, region: 'us-east-1', credentials: 'anonymous' };
  const failure = await failureOf(() => listSource(ref, { signal, backoffMs: 1 }));
  expect([failure.code, failure.message]).toEqual(['SourceUnreachable', expect.stringMatching(/self-signed certificate/)]);
  tls.close();
});
