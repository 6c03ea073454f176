// The operations of S3 that reading a model needs, and the few that put one there.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ChangeableObjects } from './changed';
import { checksumOf } from './checksums';
import type { Fault } from './faults';
import type { Bucket, StoredObject } from './objects';
import type { LogLine } from './request-log';
import { S3Error } from './s3-error';
import { sendBody } from './send-body';
import { listing } from './xml';

export interface Call {
  readonly operation: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
  readonly line: LogLine;
  readonly fault: Fault | undefined;
}

/** What a request line asks for. */
export function operationOf(method: string, bucket: string, key: string, query: URLSearchParams): string {
  if (bucket === '') return method === 'GET' ? 'ListBuckets' : 'NotImplemented';
  if (key === '') return { PUT: 'CreateBucket', HEAD: 'HeadBucket', GET: query.get('list-type') === '2' ? 'ListObjectsV2' : 'NotImplemented' }[method] ?? 'NotImplemented';
  return { PUT: 'PutObject', HEAD: 'HeadObject', GET: 'GetObject', DELETE: 'DeleteObject' }[method] ?? 'NotImplemented';
}

/** Answers, or throws S3Error. */
export async function operate(objects: ChangeableObjects, call: Call): Promise<void> {
  const { operation, bucket: name, response, line } = call;
  if (operation === 'CreateBucket') {
    await objects.create(name);
    return answer(response, line, 200);
  }
  const bucket = await objects.bucket(name);
  if (!bucket) throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist');
  switch (operation) {
    case 'HeadBucket': return answer(response, line, 200);
    case 'ListObjectsV2': return answer(response, line, 200, Buffer.from(await list(bucket, call)), { 'content-type': 'application/xml' });
    case 'PutObject': return put(bucket, call);
    case 'DeleteObject':
      await bucket.delete(call.key);
      return answer(response, line, 204);
    case 'HeadObject': case 'GetObject': return get(objects, bucket, call);
    default: throw new S3Error(501, 'NotImplemented', `${operation} is not part of this server`);
  }
}

export function answer(response: ServerResponse, line: LogLine, status: number, body: Buffer = Buffer.alloc(0), headers: Readonly<Record<string, string>> = {}): void {
  line.status = status;
  line.bytesSent += body.length;
  response.writeHead(status, { ...headers, ...(status === 204 ? {} : { 'content-length': body.length }) });
  response.end(body);
}

async function list(bucket: Bucket, { bucket: name, query }: Call): Promise<string> {
  const token = query.get('continuation-token');
  return listing(
    {
      bucket: name,
      prefix: query.get('prefix') ?? '',
      delimiter: query.get('delimiter') ?? '',
      maxKeys: Math.min(1000, Number(query.get('max-keys') ?? 1000)),
      after: token === null ? (query.get('start-after') ?? '') : Buffer.from(token, 'base64url').toString('utf8'),
      urlEncoded: query.get('encoding-type') === 'url',
    },
    await bucket.list(),
  );
}

async function put(bucket: Bucket, { key, body, request, response, line }: Call): Promise<void> {
  const checksums: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (!/^x-amz-checksum-(crc32|crc32c|sha256|sha1|crc64nvme)$/.test(name) || typeof value !== 'string') continue;
    const found = checksumOf(name, body);
    if (found !== undefined && found !== value) throw new S3Error(400, 'BadDigest', `The ${name} you specified did not match what we received`);
    checksums[name] = value;
  }
  const object = await bucket.put(key, body, checksums);
  answer(response, line, 200, undefined, { etag: object.etag, ...checksums, ...versionHeader(object) });
}

async function get(objects: ChangeableObjects, bucket: Bucket, call: Call): Promise<void> {
  const { bucket: name, key, query, request, response, line, fault } = call;
  // Without afterBytes the change came between the listing and this request.
  if (fault?.kind === 'change' && fault.afterBytes === undefined) objects.change(name, key);
  const versionId = query.get('versionId') ?? undefined;
  const object = await bucket.get(key, versionId);
  if (!object) throw versionId === undefined ? new S3Error(404, 'NoSuchKey', 'The specified key does not exist.') : new S3Error(404, 'NoSuchVersion', 'The specified version does not exist.');
  const headers: Record<string, string> = { etag: object.etag, 'last-modified': new Date(object.modifiedMs).toUTCString(), 'accept-ranges': 'bytes', 'content-type': 'binary/octet-stream', ...versionHeader(object) };
  if (same(request.headers['if-none-match'], object.etag)) return answer(response, line, 304, undefined, headers);
  if (request.headers['if-match'] !== undefined && !same(request.headers['if-match'], object.etag)) {
    throw new S3Error(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
  }
  const putPart = partOf(object, query.get('partNumber'));
  const range = fault?.kind === 'wholeObject' ? undefined : putPart ?? rangeOf(request.headers.range, object.size);
  if (query.has('partNumber')) headers['x-amz-mp-parts-count'] = String(Math.ceil(object.size / (object.partBytes ?? object.size)));
  const { from, to } = range ?? { from: 0, to: object.size };
  if (range) headers['content-range'] = `bytes ${from}-${to - 1}/${object.size}`;
  if (request.headers['x-amz-checksum-mode'] === 'ENABLED' && (!range || range === putPart)) Object.assign(headers, range ? await checksumsOfPart(object, range) : object.checksums);
  const declared = fault?.kind === 'length' ? fault.declare : 0;
  if (declared !== 'none') headers['content-length'] = String(Math.max(0, to - from + (declared ?? 0)));
  line.status = range ? 206 : 200;
  response.writeHead(line.status, headers);
  if (call.operation === 'HeadObject') return void response.end();
  const cutAndChange = fault?.kind === 'change' && fault.afterBytes !== undefined;
  await sendBody(response, line, {
    chunks: object.read(from, to),
    size: to - from,
    fault: fault?.kind === 'change' && !cutAndChange ? undefined : fault,
    onCut: () => {
      if (cutAndChange) objects.change(name, key);
    },
  });
}

/** One of the parts it was put in, where it was. */
function partOf({ size, partBytes }: StoredObject, number: string | null): { readonly from: number; readonly to: number } | undefined {
  if (number === null || partBytes === undefined) return undefined;
  const from = (Number(number) - 1) * partBytes;
  if (!(from >= 0 && from < size)) throw new S3Error(416, 'InvalidPartNumber', 'The requested partnumber is not satisfiable');
  return { from, to: Math.min(size, from + partBytes) };
}

/** As AWS answers for an object whose checksum is of its parts' checksums: the part's own. */
async function checksumsOfPart(object: StoredObject, { from, to }: { readonly from: number; readonly to: number }): Promise<Record<string, string>> {
  const chunks: Buffer[] = [];
  for await (const chunk of object.read(from, to)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return Object.fromEntries(Object.keys(object.checksums).map((name) => [name, checksumOf(name, bytes) ?? '']));
}

function versionHeader(object: StoredObject): Record<string, string> {
  return object.versionId === undefined ? {} : { 'x-amz-version-id': object.versionId };
}

function same(condition: string | undefined, etag: string): boolean {
  return condition !== undefined && condition.split(',').some((one) => ['*', etag, etag.replaceAll('"', '')].includes(one.trim()));
}

/** Nothing: the whole object, also for a header that is not one range of bytes, which S3 ignores. */
function rangeOf(header: string | undefined, size: number): { readonly from: number; readonly to: number } | undefined {
  const parts = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!parts || (parts[1] === '' && parts[2] === '')) return undefined;
  const [first, last] = [parts[1] ?? '', parts[2] ?? ''];
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  if (from >= size || from >= to) throw new S3Error(416, 'InvalidRange', 'The requested range is not satisfiable');
  return { from, to };
}
