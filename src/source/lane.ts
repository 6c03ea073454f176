// One connection that carries one request after another. What is read goes straight into memory the receiver owns (net.Socket `onread`): no Buffer per read, no stream
// (performance reference §1). Connects when it must, and again after the server closed it.

import type { Socket } from 'node:net';
import { MAX_HEAD_BYTES, NotHttpError, parseHead, Unchunker } from './http-head';
import type { Head } from './http-head';

/** For heads, for bodies in chunks, and for what arrives while there is no room: TLS goes on delivering what it has deciphered. */
const SCRATCH_BYTES = 256 * 1024;
/** Of it, while a head is awaited: what comes behind the head is copied, so little of it shall. */
const HEAD_READ_BYTES = 32 * 1024;

export interface OnRead {
  readonly buffer: () => Uint8Array;
  readonly callback: (bytes: number, buffer: Uint8Array) => boolean;
}

/** Begins to connect. What is written before it is connected is sent then. */
export type Connect = (onread: OnRead) => Socket;

export interface Receiver {
  /** The answer to a HEAD: whatever it declares, no body follows. */
  readonly bodyless?: boolean;
  /** Before the body. What it throws ends the exchange, and the connection. */
  head(head: Head): void;
  /** Where the next bytes of the body go; nothing while there is no room, until `Lane.resume`. */
  space(): Uint8Array | undefined;
  /** So many bytes are there now, at the beginning of what `space` gave. What it throws ends the exchange, and the connection. */
  took(bytes: number): void;
}

export class Lane {
  /** performance.now() of the last byte, or of the request. While paused, and between requests, the source owes us nothing. */
  lastByteMs = 0;
  /** Of body, since the request. */
  bodyBytes = 0;
  /** Requests so far. */
  exchanges = 0;
  readonly #connect: Connect;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  readonly #onread: OnRead = { buffer: () => this.#offered, callback: (bytes, buffer) => this.#read(bytes, buffer) };
  readonly #headRoom = this.#scratch.subarray(0, HEAD_READ_BYTES);
  #offered: Uint8Array = this.#headRoom;
  #socket: Socket | undefined;
  #used = false;
  #exchange: Exchange | undefined;
  #paused = false;
  /** What came while there was no room. */
  #held: Buffer[] = [];

  constructor(connect: Connect) {
    this.#connect = connect;
  }

  /** Is the source expected to send something? */
  get waiting(): boolean {
    return this.#exchange !== undefined && !this.#paused;
  }

  /** Resolves when the whole body was taken. Rejects with what the network, the receiver or `destroy` says; the connection is gone then. */
  async exchange(request: string, receiver: Receiver): Promise<void> {
    const reused = this.#socket !== undefined && this.#used;
    try {
      await this.#run(request, receiver);
    } catch (error) {
      // A kept connection that the server had closed before it saw the request (RFC 9112 §9.3.1): nothing was answered, so nothing was tried.
      if (!(error instanceof ClosedEarly && reused && error.bytes === 0)) throw error;
      await this.#run(request, receiver);
    }
  }

  #run(request: string, receiver: Receiver): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#exchange = { receiver, resolve, reject, state: 'head', head: '', bytes: 0, left: 0, unchunk: undefined, keepAlive: false };
      this.bodyBytes = 0;
      this.exchanges++;
      this.#paused = false;
      this.#held = [];
      this.lastByteMs = performance.now();
      const socket = this.#socket ?? this.#open();
      socket.write(request, 'latin1');
      this.#used = true;
    });
  }

  #open(): Socket {
    this.#offered = this.#headRoom;
    this.#used = false;
    const socket = this.#connect(this.#onread);
    this.#socket = socket;
    let why: Error | undefined;
    socket.on('error', (error) => { why = error; });
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      const exchange = this.#exchange;
      if (exchange === undefined) return;
      const held = this.#held.reduce((sum, bytes) => sum + bytes.length, 0);
      if (exchange.state === 'until close' || (exchange.state === 'length' && held >= exchange.left)) {
        // All of it came; what is held is still to be taken.
        exchange.state = 'held';
        if (held === 0) this.#end(exchange);
      } else this.destroy(why === undefined || (why as NodeJS.ErrnoException).code === 'EPIPE' || (why as NodeJS.ErrnoException).code === 'ECONNRESET' ? new ClosedEarly(exchange.bytes, why) : why);
    });
    return socket;
  }

  /** There is room again. */
  resume(): void {
    const exchange = this.#exchange;
    if (!this.#paused || exchange === undefined) return;
    this.#paused = false;
    this.lastByteMs = performance.now();
    const held = this.#held;
    this.#held = [];
    this.#guarded(exchange, () => {
      this.#copy(exchange, Buffer.concat(held));
      if (exchange.state === 'held' && this.#held.length === 0) this.#end(exchange);
    });
    if (!this.#paused && this.#exchange === exchange) this.#offer(exchange);
    // Also where what was held was the end: the next answer is to be read.
    if (!this.#paused) this.#socket?.resume();
  }

  /** Ends the connection at once; an exchange under way rejects with the reason. */
  destroy(reason: Error): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.reject(reason);
  }

  #read(bytes: number, buffer: Uint8Array): boolean {
    const exchange = this.#exchange;
    if (exchange === undefined) {
      // Nobody asked for it: what a server sends beyond its answer is not the beginning of the next one.
      this.#socket?.destroy();
      this.#socket = undefined;
      return false;
    }
    this.lastByteMs = performance.now();
    exchange.bytes += bytes;
    this.#guarded(exchange, () => {
      if (buffer.buffer === this.#scratch.buffer) this.#feed(exchange, this.#scratch.subarray(0, bytes));
      else this.#body(exchange, bytes);
    });
    if (this.#exchange === exchange) this.#offer(exchange);
    else this.#offered = this.#headRoom;
    return !this.#paused;
  }

  /** Says where the next read goes. */
  #offer(exchange: Exchange): void {
    this.#offered = this.#scratch;
    if (exchange.state !== 'length' || this.#paused) return;
    const space = exchange.receiver.space();
    if (space === undefined) this.#paused = true;
    else this.#offered = space.length > exchange.left ? space.subarray(0, exchange.left) : space;
  }

  #feed(exchange: Exchange, bytes: Buffer): void {
    if (exchange.state === 'head') {
      const rest = this.#head(exchange, bytes);
      if (rest !== undefined) this.#feed(exchange, rest); // Of an empty body this is the end.
      return;
    }
    if (exchange.state === 'chunks') {
      const used = exchange.unchunk?.feed(bytes, (run) => this.#copy(exchange, run)) ?? 0;
      if (exchange.unchunk?.over !== true) return;
      if (used < bytes.length) exchange.keepAlive = false;
      // What is held is still to be copied; the end is after it.
      if (this.#held.length > 0) exchange.state = 'held';
      else this.#end(exchange);
      return;
    }
    this.#copy(exchange, bytes);
  }

  /** Gives what follows the head; nothing while it is not whole. */
  #head(exchange: Exchange, bytes: Buffer): Buffer | undefined {
    const before = exchange.head.length;
    // Of a head that came whole only the head becomes text, not the body behind it.
    const whole = before === 0 ? bytes.indexOf('\r\n\r\n') : -1;
    exchange.head += bytes.toString('latin1', 0, whole < 0 ? bytes.length : whole + 4);
    const end = exchange.head.indexOf('\r\n\r\n', Math.max(0, before - 3));
    if (end < 0 || end > MAX_HEAD_BYTES) {
      if (exchange.head.length > MAX_HEAD_BYTES) throw new NotHttpError(`a head of more than ${MAX_HEAD_BYTES} bytes`);
      return undefined;
    }
    const head = parseHead(exchange.head.slice(0, end));
    const rest = bytes.subarray(end + 4 - before);
    if (head.status >= 100 && head.status < 200) {
      exchange.head = '';
      return this.#head(exchange, rest);
    }
    exchange.keepAlive = head.keepAlive;
    exchange.receiver.head(head);
    const framing: Head['framing'] = exchange.receiver.bodyless === true ? { by: 'length', bytes: 0 } : head.framing;
    exchange.state = framing.by === 'close' ? 'until close' : framing.by;
    if (framing.by === 'length') exchange.left = framing.bytes;
    if (framing.by === 'chunks') exchange.unchunk = new Unchunker();
    return rest;
  }

  /** Body bytes that lie elsewhere. */
  #copy(exchange: Exchange, bytes: Buffer): void {
    let rest = bytes;
    if (exchange.state === 'length' && rest.length > exchange.left) {
      exchange.keepAlive = false; // More than it declared: ends where it was declared to.
      rest = rest.subarray(0, exchange.left);
    }
    while (rest.length > 0) {
      const space = this.#paused || this.#held.length > 0 ? undefined : exchange.receiver.space();
      if (space === undefined) {
        this.#paused = true;
        this.#held.push(Buffer.from(rest));
        return;
      }
      const run = rest.subarray(0, space.length);
      space.set(run);
      rest = rest.subarray(run.length);
      this.#body(exchange, run.length);
    }
    if (exchange.state === 'length' && exchange.left === 0 && this.#exchange === exchange) this.#end(exchange);
  }

  #body(exchange: Exchange, bytes: number): void {
    this.bodyBytes += bytes;
    exchange.receiver.took(bytes);
    if (exchange.state !== 'length') return;
    exchange.left -= bytes;
    if (exchange.left === 0) this.#end(exchange);
  }

  #end(exchange: Exchange): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    this.#paused = false;
    if (!exchange.keepAlive) {
      this.#socket?.destroy();
      this.#socket = undefined;
    }
    exchange.resolve();
  }

  #guarded(exchange: Exchange, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (this.#exchange === exchange) this.destroy(error as Error);
    }
  }

}

/** One request and its answer, as far as it came. */
interface Exchange {
  readonly receiver: Receiver;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  state: 'head' | 'length' | 'chunks' | 'held' | 'until close';
  head: string;
  /** Read, head included. */
  bytes: number;
  left: number;
  unchunk: Unchunker | undefined;
  keepAlive: boolean;
}

/** The connection ended before the answer did. */
class ClosedEarly extends Error {
  override readonly name = 'ClosedEarly';
  readonly code = 'ECONNRESET';
  constructor(readonly bytes: number, cause: Error | undefined) {
    super('the connection was closed before the answer was whole', cause === undefined ? undefined : { cause });
  }
}
