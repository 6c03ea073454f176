// Checksums in threads of their own, by native code, over memory shared with the thread that reads: never a byte copied, never the reading thread kept busy
// (performance reference §1).

import { Worker } from 'node:worker_threads';
import { nameOf, PLACES, startChecksum } from './checksum';
import type { Checksum, Sum } from './checksum';

/** The machine's other cores also write, decipher and serve. */
const THREADS = 2;

/** Checksums over the bytes of one file, fed in order. */
export interface FileHash {
  /** Of shared memory. `done` once these bytes are not needed any more. */
  update(bytes: Buffer, done: () => void): void;
  /** Of the file itself, which another life of this download wrote. */
  read(fd: number, from: number, to: number, done: (error: Error | undefined) => void): void;
  /** Of a file by its path, which is no link: opened by the thread, so that its end closes the file too, whenever that is. */
  readFile(path: string, size: number, done: (error: Error | undefined) => void): void;
  /** Of everything fed, by the name of the sum, in lower-case hex. */
  digest(): Promise<Digests>;
}

export type Digests = Readonly<Partial<Record<string, string>>>;

interface Reply {
  readonly seq: number;
  readonly error?: string;
  readonly digests?: Digests;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, (reply: Reply) => void>;
}

export class HashThreads {
  readonly #memory: SharedArrayBuffer;
  readonly #onFailure: (error: Error) => void;
  readonly #threads: Thread[] = [];
  #files = 0;
  #seq = 0;
  #closed = false;

  /** `onFailure`: a thread died, which is a bug. Nothing is started before the first file. */
  constructor(memory: SharedArrayBuffer, onFailure: (error: Error) => void) {
    this.#memory = memory;
    this.#onFailure = onFailure;
  }

  open(sums: readonly Sum[]): FileHash {
    const id = this.#files++;
    const thread = this.#thread(id % THREADS);
    const ask = (message: object, reply: (reply: Reply) => void): void => {
      const seq = this.#seq++;
      thread.waiting.set(seq, reply);
      thread.worker.postMessage({ id, seq, ...message });
    };
    thread.worker.postMessage({ id, open: sums.map((sum) => ({ name: nameOf(sum), sum })) });
    return {
      update: (bytes, done) => ask({ at: bytes.byteOffset, length: bytes.length }, done),
      read: (fd, from, to, done) => ask({ fd, from, to }, ({ error }) => done(error === undefined ? undefined : new Error(error))),
      readFile: (path, size, done) => ask({ path, from: 0, to: size }, ({ error }) => done(error === undefined ? undefined : new Error(error))),
      digest: () => new Promise((resolve) => ask({ digest: true }, ({ digests = {} }) => resolve(digests))),
    };
  }

  #thread(index: number): Thread {
    const running = this.#threads[index];
    if (running !== undefined) return running;
    const worker = new Worker(HASHING, { eval: true, workerData: { memory: this.#memory, places: PLACES } });
    const thread: Thread = { worker, waiting: new Map() };
    worker.on('message', (reply: Reply) => {
      const told = thread.waiting.get(reply.seq);
      thread.waiting.delete(reply.seq);
      if (!this.#closed) told?.(reply);
    });
    worker.on('error', (error) => { if (!this.#closed) this.#onFailure(error); });
    worker.unref();
    this.#threads[index] = thread;
    return thread;
  }

  /** Nothing is told after this. Not waited for: a thread that ends holds no file and no socket, and one that just starts takes 50 ms to. */
  close(): void {
    this.#closed = true;
    for (const { worker } of this.#threads) void worker.terminate();
  }
}

/** Here and now: for files so small that asking a thread costs more than the hash. */
export function hashInline(sums: readonly Sum[]): FileHash {
  const hashes = sums.map((sum) => ({ name: nameOf(sum), hash: startChecksum(sum, PLACES) }));
  return {
    update: (bytes, done) => {
      for (const { hash } of hashes) hash.update(bytes);
      done();
    },
    read: () => { throw new Error('a file this small has one part, which is fetched whole'); },
    readFile: () => { throw new Error('only threads read files'); },
    digest: async () => hexOf(hashes),
  };
}

async function hexOf(hashes: readonly { readonly name: string; readonly hash: Checksum }[]): Promise<Digests> {
  const digests: Partial<Record<string, string>> = {};
  for (const { name, hash } of hashes) digests[name] = await hash.hex();
  return digests;
}

/** What a thread runs. Text, because a thread has no compiler where we are run without a build; small, because nobody checks its types. */
const HASHING = `
const { closeSync, constants, openSync, readSync } = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
const startChecksum = ${startChecksum.toString()};
const memory = Buffer.from(workerData.memory);
const files = new Map();
const pieceBytes = 1024 * 1024;
const read = (feed, { fd, from, to }) => {
  const piece = Buffer.allocUnsafeSlow(pieceBytes);
  for (let at = from; at < to; ) {
    const bytes = readSync(fd, piece, 0, Math.min(piece.length, to - at), at);
    if (bytes === 0) throw new Error('the file ends at ' + at);
    feed(piece.subarray(0, bytes));
    at += bytes;
  }
};
const readFile = (feed, { path, from, to }) => {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try { read(feed, { fd, from, to }); } finally { closeSync(fd); }
};
const digest = async (hashes) => Object.fromEntries(await Promise.all(hashes.map(async ({ name, hash }) => [name, await hash.hex()])));
parentPort.on('message', (message) => {
  const { id, seq } = message;
  if (message.open) return void files.set(id, message.open.map(({ name, sum }) => ({ name, hash: startChecksum(sum, workerData.places) })));
  const hashes = files.get(id);
  const feed = (bytes) => { for (const { hash } of hashes) hash.update(bytes); };
  if (message.digest) {
    files.delete(id);
    return void digest(hashes).then((digests) => parentPort.postMessage({ seq, digests }));
  }
  let error;
  try {
    if (message.path !== undefined) readFile(feed, message);
    else if (message.fd === undefined) feed(memory.subarray(message.at, message.at + message.length));
    else read(feed, message);
  } catch (caught) {
    error = String(caught);
  }
  parentPort.postMessage(error === undefined ? { seq } : { seq, error });
});
`;
