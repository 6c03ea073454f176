// One connection, answered by hand: what a server may do with framing, pieces and closing, over TCP and TLS.

import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { Lane } from '../../src/source/lane';
import type { Head } from '../../src/source/http-head';
import { CERT, KEY } from './self-signed';
import { noise } from './kit';
import { aWhile } from '../setup/until';

const BODY = noise(300_000);
const CLOSE = { keepAlive: 'close' as const };

/** Takes a body into pieces of this size; says no room after each until it is told otherwise. */
class Sink {
  head_: Head | undefined;
  readonly bytes: Buffer[] = [];
  readonly #piece: Buffer;
  readonly #slow: boolean;
  #full = false;
  lane: Lane | undefined;
  constructor(size: number, slow: boolean) {
    this.#piece = Buffer.alloc(size);
    this.#slow = slow;
  }
  head(head: Head): void { this.head_ = head; }
  space(): Uint8Array | undefined {
    if (!this.#full) return this.#piece;
    setTimeout(() => { this.#full = false; this.lane?.resume(); }, 1);
    return undefined;
  }
  took(bytes: number): void {
    this.bytes.push(Buffer.from(this.#piece.subarray(0, bytes)));
    this.#full = this.#slow;
  }
  all(): Buffer { return Buffer.concat(this.bytes); }
}

let server: Server;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

/** Answers the n-th request of all connections with the n-th function. */
async function serve(tls: boolean, ...answers: ((socket: Socket) => void)[]): Promise<() => Socket> {
  let n = 0;
  const hear = (socket: Socket): void => {
    sockets.push(socket);
    socket.on('error', () => undefined).on('data', (request: Buffer) => { for (const _ of request.toString().matchAll(/\r\n\r\n/g)) answers[n++]?.(socket); });
  };
  server = tls ? createTlsServer({ key: KEY, cert: CERT }, hear) : createServer(hear);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return () => sockets.at(-1) as Socket;
}

function laneTo(tls: boolean): { readonly lane: Lane; readonly opened: () => number } {
  let opened = 0;
  const lane = new Lane((onread) => {
    opened++;
    const where = { host: '127.0.0.1', port: (server.address() as AddressInfo).port, onread };
    return tls ? connectTls({ ...where, ca: CERT }) : connectTcp(where);
  });
  return { lane, opened: () => opened };
}

const head = (more: string): string => `HTTP/1.1 200 OK\r\n${more}\r\n`;
const chunked = (body: Buffer, size: number): Buffer => Buffer.concat([
  ...Array.from({ length: Math.ceil(body.length / size) }, (_, i) => body.subarray(i * size, (i + 1) * size)).flatMap((chunk) => [Buffer.from(`${chunk.length.toString(16)};x=y\r\n`), chunk, Buffer.from('\r\n')]),
  Buffer.from('0\r\ntrailer: 1\r\n\r\n'),
]);
const inPieces = async (socket: Socket, bytes: Buffer, size: number): Promise<void> => {
  for (let at = 0; at < bytes.length; at += size) {
    socket.write(bytes.subarray(at, at + size));
    await new Promise((resolve) => setImmediate(resolve));
  }
};

describe.each([['TCP', false], ['TLS', true]])('over %s', (_, tls) => {
  describe.each([['into ample room', 1 << 20, false], ['into little room', 10_000, false], ['into a slow disk', 40_000, true]])('%s', (_name, size, slow) => {
    test.each<[string, (socket: Socket) => void]>([
      ['with its length', (socket) => void socket.write(Buffer.concat([Buffer.from(head(`Content-Length: ${BODY.length}\r\n`)), BODY]))],
      ['with its length, head in pieces', (socket) => void inPieces(socket, Buffer.from(head(`content-length: ${BODY.length}\r\n`)), 3).then(() => socket.write(BODY))],
      ['in chunks', (socket) => void socket.write(Buffer.concat([Buffer.from(head('Transfer-Encoding: chunked\r\n')), chunked(BODY, 7_001)]))],
      ['in chunks that come in pieces', (socket) => void inPieces(socket, Buffer.concat([Buffer.from(head('Transfer-Encoding: chunked\r\n')), chunked(BODY, 50_000)]), 9_999)],
      ['until the connection closes', (socket) => void socket.end(Buffer.concat([Buffer.from(head('')), BODY]))],
      ['with its length, on a connection that closes', (socket) => void socket.end(Buffer.concat([Buffer.from(head(`Connection: ${CLOSE.keepAlive}\r\nContent-Length: ${BODY.length}\r\n`)), BODY]))],
      ['after an interim answer', (socket) => void socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 100 Continue\r\n\r\n${head(`Content-Length: ${BODY.length}\r\n`)}`), BODY]))],
    ])('a body %s arrives, and so does the next', async (_how, answer) => {
      await serve(tls, answer, answer, answer);
      const { lane } = laneTo(tls);
      for (let i = 0; i < 3; i++) {
        const sink = new Sink(size, slow);
        sink.lane = lane;
        await lane.exchange('GET / HTTP/1.1\r\n\r\n', sink);
        expect(sink.all().equals(BODY)).toBe(true);
      }
      lane.destroy(new Error('over'));
    });
  });

  test('a connection is kept; one that was closed meanwhile is opened again without anybody noticing', async () => {
    const short = (socket: Socket): void => void socket.write(`${head('Content-Length: 2\r\n')}ok`);
    const newest = await serve(tls, short, short, (socket) => void socket.destroy(), short);
    const { lane, opened } = laneTo(tls);
    const ask = async (): Promise<string> => {
      const sink = new Sink(100, false);
      await lane.exchange('GET / HTTP/1.1\r\n\r\n', sink);
      return sink.all().toString();
    };
    expect([await ask(), await ask(), opened()]).toEqual(['ok', 'ok', 1]);
    expect([await ask(), opened()]).toEqual(['ok', 2]); // The third request met a closing door.
    newest().destroy();
    lane.destroy(new Error('over'));
  });

  test('what a server sends beyond its answer is never the beginning of the next one', async () => {
    await serve(tls, (socket) => void socket.write(`${head('Content-Length: 2\r\n')}ok`, () => void socket.write(head('Content-Length: 4\r\n') + 'evil')), (socket) => void socket.write(`${head('Content-Length: 4\r\n')}good`));
    const { lane } = laneTo(tls);
    const [first, second] = [new Sink(100, false), new Sink(100, false)];
    await lane.exchange('GET /1 HTTP/1.1\r\n\r\n', first);
    await aWhile(50);
    await lane.exchange('GET /2 HTTP/1.1\r\n\r\n', second);
    expect([first.all().toString(), second.all().toString()]).toEqual(['ok', 'good']);
    lane.destroy(new Error('over'));
  });

  test.each<[string, string, RegExp]>([
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', /want an HTTP\/1.1 answer/],
    ['a head without end', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(9_000)}`, /a head of more than/],
    ['a length that is none', head('Content-Length: -1\r\n'), /want a number/],
    ['a chunk that is none', `${head('Transfer-Encoding: chunked\r\n')}zz\r\n`, /want the size of a chunk/],
    ['an unknown coding', head('Transfer-Encoding: gzip\r\n'), /want chunked/],
  ])('%s is refused', async (_name, text, why) => {
    await serve(tls, (socket) => void socket.write(text));
    const { lane } = laneTo(tls);
    await expect(lane.exchange('GET / HTTP/1.1\r\n\r\n', new Sink(100, false))).rejects.toThrow(why);
  });

  test('a body cut short is told, with its connection gone', async () => {
    await serve(tls, (socket) => void socket.end(`${head('Content-Length: 100\r\n')}only this`));
    const { lane } = laneTo(tls);
    await expect(lane.exchange('GET / HTTP/1.1\r\n\r\n', new Sink(1000, false))).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});
