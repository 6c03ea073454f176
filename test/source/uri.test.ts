// Where a source is.

import type { SourceRef } from '../../src/domain/source';
import { endpointOf, parseEndpoint, parseS3Uri, requireEndpointAllowed } from '../../src/source/uri';
import { codeOf } from './failing';

test.each([
  ['s3://models/half/2/', 'models', 'half/2/'],
  ['s3://models/half/2', 'models', 'half/2/'],
  ['s3://models', 'models', ''],
  ['s3://models/', 'models', ''],
  ['s3://my.models-1/a b/ü?x#y', 'my.models-1', 'a b/ü?x#y/'],
])('%s', (uri, bucket, prefix) => {
  expect(parseS3Uri(uri)).toEqual({ bucket, prefix });
});

test.each([
  ['s3://models/half/0002.zip', { bucket: 'models', prefix: 'half/', key: 'half/0002.zip' }],
  ['s3://models/2.TAR.GZ', { bucket: 'models', prefix: '', key: '2.TAR.GZ' }],
  ['s3://models/half/0002.zip/', { bucket: 'models', prefix: 'half/0002.zip/' }],
])('%s names one archive only without a slash after it', (uri, location) => expect(parseS3Uri(uri)).toEqual(location));

test.each(['', 'models/half', 'https://models/half', 's3:/models', 's3://', 's3:///half', 's3://mo dels/x', 's3://x@y/z', 's3://models//half', 's3://models/a//b', 's3://models/a\nb', `s3://models/${'x'.repeat(1024)}`, 'S3://models/x'])(
  '%j is refused, with the place in the request',
  async (uri) => {
    expect(await codeOf(() => parseS3Uri(uri))).toBe('InvalidInput');
    expect(() => parseS3Uri(uri)).toThrow(expect.objectContaining({ detail: expect.objectContaining({ path: '$.source.uri' }) }));
  },
);

test.each(['localhost:9000', 'ftp://x', 'http://', 'http://h/?a=b', 'http://h/#f', 'http://user:hunter2@h/', '//h', 'http://user:hunter2@'])('endpoint %j is refused and no password repeated', async (endpoint) => {
  expect(await codeOf(() => parseEndpoint(endpoint))).toBe('InvalidInput');
  expect(() => parseEndpoint(endpoint)).not.toThrow(/hunter2/);
});

test('an endpoint outside the allow-list is refused before any socket, naming what is allowed', async () => {
  const ref: SourceRef = { uri: 's3://b/p', endpoint: 'http://127.0.0.1:9000', region: 'r', credentials: 'env' };
  expect(() => requireEndpointAllowed(ref, [])).not.toThrow();
  expect(() => requireEndpointAllowed(ref, ['http://127.0.0.1:9000/'])).not.toThrow();
  expect(await codeOf(() => requireEndpointAllowed(ref, ['http://127.0.0.1:9001']))).toBe('EndpointNotAllowed');
  expect(() => requireEndpointAllowed(ref, ['http://127.0.0.1:9001'])).toThrow('http://127.0.0.1:9001');
});

test('an endpoint reads back as it was given', () => {
  expect(endpointOf({ uri: 's3://b/p', endpoint: 'http://h:1/', region: 'eu-west-1', credentials: 'env' })).toBe('http://h:1');
  expect(endpointOf({ uri: 's3://b/p', region: 'eu-west-1', credentials: 'env' })).toBe('AWS S3 in eu-west-1');
});
