// An S3 server for tests, the demo and `segue dev`: real HTTP, faults on demand, and a log of what it saw.
// Not for production: no multipart, no access rules, objects in memory or in plain files.

import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { changeable } from './changed';
import type { ChangeableObjects } from './changed';
import { checksumOf, checksumOfParts } from './checksums';
import { Faults } from './faults';
import type { FaultRule } from './faults';
import { inDirectory, inMemory } from './objects';
import { answer, operate, operationOf } from './operations';
import { RequestLog } from './request-log';
import type { LoggedRequest } from './request-log';
import { S3Error } from './s3-error';
import { reasonNotSigned } from './sigv4';
import type { Credentials } from './sigv4';
import { errorDocument } from './xml';

export interface S3ServerOptions {
  /** 0, the default: any free port. */
  readonly port?: number;
  readonly host?: string;
  /** Serve the directories below this one as buckets; otherwise objects live in memory. */
  readonly root?: string;
  /** Then every request must be signed with them (SigV4, really checked); otherwise everyone may do everything. */
  readonly credentials?: Credentials;
  /** Keep every version of an object, in memory only. */
  readonly versioning?: boolean;
  readonly faults?: readonly FaultRule[];
}

export interface PutOptions {
  /** Additional checksums to store with the object, as a client would have sent them. */
  readonly checksums?: readonly ('crc32c' | 'sha256')[];
  /** As if it had been put in parts of so many bytes: ETag and checksums are of the sums of its parts. */
  readonly partBytes?: number;
}

export interface S3Server {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  /** Creates the bucket where it does not exist. Returns the ETag. */
  put(bucket: string, key: string, bytes: Uint8Array | string, options?: PutOptions): Promise<string>;
  delete(bucket: string, key: string): Promise<void>;
  /** Every request so far, in order of arrival; asked from outside: `GET /_segue/log`. */
  log(): readonly LoggedRequest[];
  /** Adds a rule; from outside: `POST /_segue/faults`. The first rule that matches a request decides it. */
  fault(rule: FaultRule): void;
  /** From outside: `DELETE /_segue/faults`. */
  clearFaults(): void;
  /** Connections open at this moment. */
  connections(): Promise<number>;
  /** Ends every connection. */
  stop(): Promise<void>;
}

export async function startS3(options: S3ServerOptions = {}): Promise<S3Server> {
  const host = options.host ?? '127.0.0.1';
  const objects = changeable(options.root === undefined ? inMemory({ versioning: options.versioning ?? false }) : inDirectory(options.root));
  const faults = new Faults();
  for (const rule of options.faults ?? []) faults.add(rule);
  const log = new RequestLog();
  const server = createServer((request, response) => void handle({ objects, faults, log, options }, request, response));
  // A lane may pause longer than Node's 5 s between two files; a real S3 server keeps it open longer too.
  server.keepAliveTimeout = 60_000;
  await listening(server, options.port ?? 0, host);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    put: async (bucket, key, bytes, { checksums = [], partBytes } = {}) => {
      const body = Buffer.from(bytes);
      const sums = Object.fromEntries(checksums.map((name) => [`x-amz-checksum-${name}`, (partBytes === undefined ? checksumOf(`x-amz-checksum-${name}`, body) : checksumOfParts(`x-amz-checksum-${name}`, body, partBytes)) ?? '']));
      return (await (await objects.create(bucket)).put(key, body, sums, partBytes)).etag;
    },
    delete: async (bucket, key) => (await objects.bucket(bucket))?.delete(key),
    log: () => log.list(),
    fault: (rule) => faults.add(rule),
    clearFaults: () => faults.clear(),
    connections: () => new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count)))),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Parts {
  readonly objects: ChangeableObjects;
  readonly faults: Faults;
  readonly log: RequestLog;
  readonly options: S3ServerOptions;
}

async function handle({ objects, faults, log, options }: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = request.method ?? 'GET';
  const url = request.url ?? '/';
  const [path = '/', search = ''] = url.split(/\?(.*)/s);
  if (path.startsWith('/_segue/')) return control({ faults, log }, method, path, request, response);
  const query = new URLSearchParams(search);
  const [bucket = '', ...rest] = path.slice(1).split('/').map((part) => decodeURIComponent(part));
  const key = rest.join('/');
  const operation = operationOf(method, bucket, key, query);
  const { range } = request.headers;
  const line = log.begin(request.socket, { method, operation, bucket, key: key === '' ? (query.get('prefix') ?? '') : key, ...(range === undefined ? {} : { range }) });
  response.once('close', () => {
    if (response.writableFinished) line.endedAtMs = Date.now();
  });
  const requestId = String(line.id).padStart(16, '0');
  response.setHeader('x-amz-request-id', requestId);
  try {
    const body = await bodyOf(request);
    const refused = options.credentials && (reasonNotSigned({ method, url, headers: request.headers }, options.credentials, Date.now()) ?? reasonNotPayload(request, body));
    if (refused !== undefined) throw new S3Error(refused === 'XAmzContentSHA256Mismatch' ? 400 : 403, refused, `The request was refused: ${refused}`);
    const fault = faults.take({ operation, bucket, key: line.key });
    if (fault) line.fault = fault.kind;
    if (fault?.kind === 'slowHeaders') await waitWhileOpen(response, fault.ms);
    if (fault?.kind === 'answer') throw new S3Error(fault.status, fault.code, `The server was told to answer ${fault.code}`);
    if (fault?.kind === 'page') return answer(response, line, 200, Buffer.from(fault.html), { 'content-type': 'text/html' });
    if (response.destroyed) return;
    await operate(objects, { operation, bucket, key, query, request, response, body, line, fault });
  } catch (error) {
    const { status, code, message } = error instanceof S3Error ? error : new S3Error(500, 'InternalError', String(error));
    if (response.headersSent) return void response.destroy();
    const text = Buffer.from(errorDocument(code, message, path, requestId));
    answer(response, line, status, method === 'HEAD' || status === 304 ? undefined : text, { 'content-type': 'application/xml' });
  }
}

/** For whoever steers this server from another process, as the demo does. */
async function control({ faults, log }: Pick<Parts, 'faults' | 'log'>, method: string, path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const reply = (status: number, value: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  try {
    const body = (await bodyOf(request)).toString('utf8');
    if (path === '/_segue/log' && method === 'GET') return reply(200, log.list());
    if (path === '/_segue/faults') {
      if (method === 'POST') faults.add(JSON.parse(body));
      if (method === 'DELETE') faults.clear();
      return reply(200, faults.list());
    }
    reply(404, { error: `want GET /_segue/log, or GET, POST or DELETE /_segue/faults; found ${method} ${path}` });
  } catch (error) {
    reply(400, { error: error instanceof Error ? error.message : String(error) });
  }
}

/** A body that is not what the signature covers. Streaming signatures are not part of this server. */
function reasonNotPayload(request: IncomingMessage, body: Buffer): string | undefined {
  const declared = request.headers['x-amz-content-sha256'];
  if (typeof declared !== 'string') return 'XAmzContentSHA256Mismatch';
  if (declared === 'UNSIGNED-PAYLOAD') return undefined;
  if (declared.startsWith('STREAMING-')) throw new S3Error(501, 'NotImplemented', 'aws-chunked bodies are not part of this server');
  return createHash('sha256').update(body).digest('hex') === declared ? undefined : 'XAmzContentSHA256Mismatch';
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function waitWhileOpen(response: ServerResponse, ms: number): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  await sleep(ms, undefined, { signal: gone.signal }).catch(() => undefined);
}

async function listening(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
