// Our signatures: as the specification's own example has them, as the SDK's signer makes them, and as a server checks them.

import { openS3 } from '../../src/source/s3-client';
import { SignedRequests } from '../../src/source/signed-requests';
import { EMPTY_SHA256, RequestSigner } from '../../src/source/sigv4';
import { reasonNotSigned } from '../../src/testing/s3/sigv4';

test("AWS's example of a GET of an object", () => {
  const headers = new RequestSigner('us-east-1').sign(
    { method: 'GET', path: '/test.txt', search: '', headers: { host: 'examplebucket.s3.amazonaws.com', range: 'bytes=0-9', 'x-amz-content-sha256': EMPTY_SHA256 } },
    { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }, new Date('2013-05-24T00:00:00Z'),
  );
  expect(headers['authorization']).toBe('AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41');
});

describe('of the requests of a download', () => {
  const KEYS = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' };
  const before = { ...process.env };
  beforeEach(() => Object.assign(process.env, { AWS_ACCESS_KEY_ID: KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey, AWS_EC2_METADATA_DISABLED: 'true' }));
  afterEach(() => {
    jest.restoreAllMocks();
    process.env = before;
  });
  const handle = (credentials: string): ReturnType<typeof openS3> => openS3({ uri: 's3://models/half/1/', endpoint: 'http://127.0.0.1:9000', region: 'eu-west-3', credentials });
  const FILES = ['half/1/a', "half/1/it's (ü) + 100 % * ~ =&?#", 'half/1//a//b'].map((key) => ({ path: 'a', key, size: 10, etag: '"x  y"', versionId: 'v/1+=' }));

  /** As a server reads it. */
  function received(text: string): Parameters<typeof reasonNotSigned>[0] {
    const [first = '', ...lines] = text.split('\r\n');
    const [method = '', url = ''] = first.split(' ');
    return { method, url, headers: Object.fromEntries(lines.filter((line) => line !== '').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])) };
  }

  test.each([undefined, 'a session/token=='])("each is right to the server; after the first the SDK's signer is not asked any more (session %s)", async (token) => {
    if (token !== undefined) process.env['AWS_SESSION_TOKEN'] = token;
    const s3 = handle('env');
    const sdk = jest.fn<void, []>();
    const { signer } = s3.client.config as unknown as { signer: (...args: unknown[]) => Promise<{ sign: (...args: unknown[]) => Promise<unknown> }> };
    Object.assign(s3.client.config, { signer: async (...args: unknown[]) => {
      const found = await signer(...args);
      return { sign: (...asked: unknown[]) => { sdk(); return found.sign(...asked); } };
    } });
    const requests = await SignedRequests.of(s3);
    for (const file of FILES) {
      for (const text of [await requests.get(file, 0, 10), await requests.get(file, 2, 5), await requests.head(file, 1)]) {
        expect([text, reasonNotSigned(received(text), KEYS, Date.now())]).toEqual([text, undefined]);
        expect(received(text).headers['x-amz-security-token']).toBe(token);
      }
    }
    expect(sdk).toHaveBeenCalledTimes(1);
    await s3.close();
  });

  test("where the SDK signs otherwise, or not at all, it goes on doing so", async () => {
    const s3 = handle('anonymous');
    const requests = await SignedRequests.of(s3);
    const [file] = FILES;
    if (file === undefined) throw new Error('no file');
    for (let i = 0; i < 3; i++) expect(received(await requests.get(file, 0, 10)).headers).not.toHaveProperty('authorization');
    await s3.close();
  });

  test("a server's clock is followed, and a day later the key is that day's", async () => {
    const s3 = handle('env');
    const requests = await SignedRequests.of(s3);
    const [file] = FILES;
    if (file === undefined) throw new Error('no file');
    for (const offsetMs of [0, 3_600_000, 25 * 3_600_000, -40 * 3_600_000]) {
      requests.clockOffsetMs = offsetMs;
      expect(reasonNotSigned(received(await requests.get(file, 0, 10)), KEYS, Date.now() + offsetMs)).toBeUndefined();
    }
    await s3.close();
  });
});
