// An S3 endpoint with one version of 1 GiB in eight files, made of nothing: enough of S3 for a listing and for bodies, and a log of what it saw. A process of its own.

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const FILES = 8;
const FILE_BYTES = (1 << 30) / FILES;
const CHUNK = Buffer.alloc(1 << 20);

interface Seen { readonly atMs: number; readonly method: string; readonly key: string; /** The asker's. */ readonly port: number }
/** By version: whoever looks often costs little. */
const seen = new Map<string, Seen[]>();
/** Who asked when bytes of the version are first asked for, and is answered then: nobody need look again and again. */
const awaited = new Map<string, ServerResponse>();

function isBody({ method, key }: Seen): boolean {
  return method === 'GET' && key.includes('/variables/');
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.pathname === '/_log') return void response.end(JSON.stringify(seen.get(url.searchParams.get('version') ?? '') ?? []));
  if (url.pathname === '/_first') {
    const wanted = url.searchParams.get('version') ?? '';
    const begun = (seen.get(wanted) ?? []).find(isBody);
    if (begun === undefined) awaited.set(wanted, response);
    else response.end(JSON.stringify(begun));
    return;
  }
  const prefix = url.searchParams.get('prefix');
  const [, , version] = (prefix === null ? url.pathname.replace(/^\/models/, '') : `/${prefix}`).split('/');
  if (version !== undefined) {
    const one: Seen = { atMs: Date.now(), method: request.method ?? '', key: url.pathname, port: request.socket.remotePort ?? 0 };
    seen.set(version, [...seen.get(version) ?? [], one]);
    if (isBody(one)) {
      awaited.get(version)?.end(JSON.stringify(one));
      awaited.delete(version);
    }
  }
  if (prefix !== null) return void response.writeHead(200, { 'content-type': 'application/xml' }).end(listing(prefix));
  if (url.pathname.endsWith('manifest.json')) return void response.writeHead(404, { 'content-type': 'application/xml' }).end('<Error><Code>NoSuchKey</Code><Message>no</Message></Error>');
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const from = Number(range?.[1] ?? 0);
  const to = range?.[2] ? Number(range[2]) + 1 : FILE_BYTES;
  response.writeHead(range === null ? 200 : 206, {
    'content-length': to - from, etag: '"0123456789abcdef0123456789abcdef"', 'accept-ranges': 'bytes', 'last-modified': 'Sat, 21 Nov 2026 00:00:00 GMT', ...(range === null ? {} : { 'content-range': `bytes ${from}-${to - 1}/${FILE_BYTES}` }),
  });
  if (request.method === 'HEAD') return void response.end();
  send(response, to - from);
});

function send(response: ServerResponse, left: number): void {
  while (left > 0 && !response.destroyed) {
    const size = Math.min(left, CHUNK.length);
    left -= size;
    if (!response.write(size === CHUNK.length ? CHUNK : CHUNK.subarray(0, size))) {
      const rest = left;
      response.once('drain', () => send(response, rest));
      return;
    }
  }
  response.end();
}

function listing(prefix: string): string {
  const contents = Array.from({ length: FILES }, (_, n) => `<Contents><Key>${prefix}variables/variables.data-0000${n}-of-0000${FILES}</Key><LastModified>2026-11-21T00:00:00.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>${FILE_BYTES}</Size></Contents>`);
  return `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>models</Name><Prefix>${prefix}</Prefix><KeyCount>${FILES}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>${contents.join('')}</ListBucketResult>`;
}

server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`));
process.once('SIGTERM', () => { server.closeAllConnections(); server.close(); });
