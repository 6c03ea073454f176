// AWS Signature Version 4 as a server checks it: over what was really received, from the specification, not from the SDK's signer.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface SignedRequest {
  readonly method: string;
  /** Path and query as they came, still encoded. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** Fifteen minutes, as AWS allows. */
const MAX_SKEW_MS = 15 * 60 * 1000;

/** The S3 error code of what is wrong with the signature; nothing when it is right. */
export function reasonNotSigned(request: SignedRequest, credentials: Credentials, nowMs: number): string | undefined {
  const { authorization } = request.headers;
  if (authorization === undefined) return 'AccessDenied';
  const parts = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(authorization);
  if (!parts) return 'AuthorizationHeaderMalformed';
  const [, accessKeyId = '', date = '', region = '', signedHeaders = '', signature = ''] = parts;
  if (accessKeyId !== credentials.accessKeyId) return 'InvalidAccessKeyId';
  const time = header(request.headers, 'x-amz-date');
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!time.startsWith(date) || Number.isNaN(at)) return 'AccessDenied';
  if (Math.abs(at - nowMs) > MAX_SKEW_MS) return 'RequestTimeTooSkewed';
  if (!signedHeaders.split(';').includes('host')) return 'SignatureDoesNotMatch';
  const scope = `${date}/${region}/s3/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonicalRequest(request, signedHeaders))].join('\n');
  const key = [date, region, 's3', 'aws4_request'].reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${credentials.secretAccessKey}`);
  return timingSafeEqual(hmac(key, toSign), Buffer.from(signature, 'hex')) ? undefined : 'SignatureDoesNotMatch';
}

function canonicalRequest({ method, url, headers }: SignedRequest, signedHeaders: string): string {
  const [path = '', query = ''] = url.split(/\?(.*)/s);
  const pairs = query === '' ? [] : query.split('&').map((pair) => pair.split(/=(.*)/s).slice(0, 2).map((part) => encode(decodeURIComponent(part))));
  const canonicalQuery = pairs.map(([name = '', value = '']) => `${name}=${value}`).sort();
  const lines = signedHeaders.split(';').map((name) => `${name}:${header(headers, name).trim().replace(/ +/g, ' ')}\n`);
  return [method, path, canonicalQuery.join('&'), lines.join(''), signedHeaders, header(headers, 'x-amz-content-sha256')].join('\n');
}

function header(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}

/** RFC 3986: everything but unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
