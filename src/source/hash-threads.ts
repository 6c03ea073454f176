// Checksums in threads of their own, by native code, over memory shared with the thread that reads: never a byte copied, never the reading thread kept busy
// (performance reference §1). Small files are also written there, whole (whole-file.ts).

import { Worker } from 'node:worker_threads';
import { nameOf, PLACES, startChecksum } from './checksum';
import type { Checksum, Sum } from './checksum';
import { MADE } from './staged-file';
import { putWhole } from './whole-file';
import type { WholeFile } from './whole-file';

/** The machine's other cores also write, decipher and serve. */
const THREADS = 2;

/** Checksums over the bytes of one file, fed in order. */
export interface FileHash {
  /** Of shared memory. `done` once these bytes are not needed any more. */
  update(bytes: Buffer, done: () => void): void;
  /** Of the file itself, which another life of this download wrote. */
  read(fd: number, from: number, to: number, done: (error: Error | undefined) => void): void;
  /** Of a file by its path, which is no link: opened by the thread, so that its end closes the file too, whenever that is. */
  readFile(path: string, range: { readonly from: number; readonly to: number }, done: (error: Error | undefined) => void): void;
  /** Of everything fed, by the name of the sum, in lower-case hex. */
  digest(): Promise<Digests>;
}

export type Digests = Readonly<Partial<Record<string, string>>>;

/** Why a file could not be put, or what it is. Neither: the thread was stopped before. */
export interface Put {
  readonly error?: { readonly message: string; readonly code: string | undefined };
  readonly digests?: Digests;
}

interface Reply {
  readonly seq: number;
  readonly error?: string;
  readonly digests?: Digests;
  readonly puts?: readonly Put[];
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, (reply: Reply) => void>;
  /** To be sent at the end of this turn of the event loop, all at once. */
  readonly puts: { readonly file: WholeFile; readonly done: (put: Put) => void }[];
  /** Files it was given and has not answered for. */
  putting: number;
  ended: boolean;
  /** Called with every answer, and when it ends. */
  heard: () => void;
}

/** Places in the memory that says who may write: the first is set where nobody may any more, then one per thread that says whether it does. */
const STOPPED = 0;
const WRITING = 1;

export class HashThreads {
  readonly #memory: SharedArrayBuffer;
  readonly #onFailure: (error: Error) => void;
  readonly #threads: Thread[] = [];
  #files = 0;
  #seq = 0;
  #closed = false;
  readonly #control = new Int32Array(new SharedArrayBuffer((WRITING + THREADS) * Int32Array.BYTES_PER_ELEMENT));

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
      readFile: (path, { from, to }, done) => ask({ path, from, to }, ({ error }) => done(error === undefined ? undefined : new Error(error))),
      digest: () => new Promise((resolve) => ask({ digest: true }, ({ digests = {} }) => resolve(digests))),
    };
  }

  /**
   * Makes, writes, hashes and closes a file whose bytes lie in the shared memory; they are not needed any more once `done` is called. That is never after `close`.
   * @param by the thread that put this file before. Gives the one that does now.
   */
  put(file: WholeFile, by: number | undefined, done: (put: Put) => void): number {
    const threads = Array.from({ length: THREADS }, (_, index) => this.#thread(index));
    const index = by ?? threads.reduce((least, one, at) => (one.putting < (threads[least]?.putting ?? 0) ? at : least), 0);
    const thread = this.#thread(index);
    thread.putting++;
    if (thread.puts.push({ file, done }) === 1) setImmediate(() => this.#send(thread));
    return index;
  }

  #send(thread: Thread): void {
    const puts = thread.puts.splice(0);
    if (this.#closed) return;
    const seq = this.#seq++;
    thread.waiting.set(seq, ({ puts: found = [] }) => {
      thread.putting -= puts.length;
      for (const [i, { done }] of puts.entries()) done(found[i] ?? {});
    });
    thread.worker.postMessage({ seq, puts: puts.map(({ file }) => file) });
  }

  #thread(index: number): Thread {
    const running = this.#threads[index];
    if (running !== undefined) return running;
    const worker = new Worker(HASHING, { eval: true, workerData: { memory: this.#memory, places: PLACES, made: MADE, control: this.#control, stopped: STOPPED, writing: WRITING + index } });
    const thread: Thread = { worker, waiting: new Map(), puts: [], putting: 0, ended: false, heard: () => undefined };
    worker.on('message', (reply: Reply) => {
      const told = thread.waiting.get(reply.seq);
      thread.waiting.delete(reply.seq);
      if (!this.#closed) told?.(reply);
      thread.heard();
    });
    worker.on('error', (error) => { if (!this.#closed) this.#onFailure(error); });
    worker.on('exit', () => {
      thread.ended = true;
      thread.heard();
    });
    worker.unref();
    this.#threads[index] = thread;
    return thread;
  }

  /**
   * Nothing is told after this. Resolves when nothing is written any more: a thread that begins a file says so first and then looks whether it may, so that one which says
   * it writes nothing never will. Its end is not waited for: it holds no file and no socket, and a thread that just starts takes 50 ms to.
   */
  async close(): Promise<void> {
    this.#closed = true;
    Atomics.store(this.#control, STOPPED, 1);
    await Promise.all(this.#threads.map((thread, index) => this.#quiet(thread, WRITING + index)));
    for (const { worker } of this.#threads) void worker.terminate();
  }

  async #quiet(thread: Thread, writing: number): Promise<void> {
    while (Atomics.load(this.#control, writing) === 1 && !thread.ended) {
      thread.worker.ref();
      await new Promise<void>((resolve) => { thread.heard = resolve; });
    }
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
const fs = require('node:fs');
const { closeSync, constants, openSync, readSync } = fs;
const { parentPort, workerData } = require('node:worker_threads');
const startChecksum = ${startChecksum.toString()};
const putWhole = ${putWhole.toString()};
const { control, made } = workerData;
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
const stopped = () => Atomics.load(control, workerData.stopped) === 1;
const put = (file) => {
  const hashes = file.sums.map(({ name, sum }) => ({ name, hash: startChecksum(sum, workerData.places) }));
  try {
    return { hashes, whole: putWhole(fs, made, file, memory.subarray(file.at, file.at + file.length), hashes.map(({ hash }) => hash), stopped) };
  } catch ({ message, code }) {
    return { error: { message, code } };
  }
};
const answer = async ({ hashes, whole, error }) => error !== undefined ? { error } : whole ? { digests: await digest(hashes) } : {};
parentPort.on('message', (message) => {
  const { id, seq } = message;
  if (message.puts) {
    Atomics.store(control, workerData.writing, 1);
    const done = message.puts.map(put);
    Atomics.store(control, workerData.writing, 0);
    return void Promise.all(done.map(answer)).then((puts) => parentPort.postMessage({ seq, puts }));
  }
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
