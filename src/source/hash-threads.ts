// Checksums in threads of their own, by native code, over memory shared with the thread that reads: never a byte copied, never the reading thread kept busy
// (performance reference §1). Small files are also written there, whole (whole-file.ts).

import { nameOf, PLACES, startChecksum } from './checksum';
import type { Checksum, Sum } from './checksum';
import { HashThread } from './hash-thread';
import type { Digests, Put, Reply } from './hash-thread';
import type { WholeFile } from './whole-file';

/** The machine's other cores also write, decipher and serve. */
const THREADS = 2;

/** Checksums over the bytes of one file, fed in order. */
export interface FileHash {
  /** Of shared memory. `done` once these bytes are not needed any more. */
  update(bytes: Buffer, done: () => void): void;
  /** Of the file itself, which another life of this download wrote. */
  read(fd: number, from: number, to: number, done: (error: Error | undefined) => void): void;
  /** Of a file by its path, which is no link: opened by the thread, so that whoever closes the threads knows that it is closed too. */
  readFile(path: string, range: { readonly from: number; readonly to: number }, done: (error: Error | undefined) => void): void;
  /** Of everything fed, by the name of the sum, in lower-case hex. */
  digest(): Promise<Digests>;
}

/** One thread of a download. */
interface Place {
  readonly thread: HashThread;
  /** To be sent at the end of this turn of the event loop, all at once. */
  readonly puts: { readonly file: WholeFile; readonly done: (put: Put) => void }[];
  /** Files it was given and has not answered for. */
  putting: number;
}

/** Places in the memory that says who may go on: the first is set where nobody may any more, then one per thread that says whether it has a file open. */
const STOPPED = 0;
const HOLDING = 1;
/** Behind the thread that reads, answers an abort and begins the next load, and whatever else of the same session wants the processor (across sessions and containers Linux weighs by group). */
const NICE = 10;

export class HashThreads {
  readonly #memory: SharedArrayBuffer;
  readonly #onFailure: (error: Error) => void;
  readonly #places: Place[] = [];
  readonly #nice: number;
  #files = 0;
  #closed = false;
  readonly #control = new Int32Array(new SharedArrayBuffer((HOLDING + THREADS) * Int32Array.BYTES_PER_ELEMENT));

  /** `onFailure`: a thread died, which is a bug. Nothing is started before the first file. @param behind whatever else this process does comes first */
  constructor(memory: SharedArrayBuffer, onFailure: (error: Error) => void, behind = false) {
    this.#memory = memory;
    this.#onFailure = onFailure;
    this.#nice = behind ? NICE : 0;
  }

  open(sums: readonly Sum[]): FileHash {
    const id = this.#files++;
    const { thread } = this.#place(id % THREADS);
    // Writes that end after the close still ask; the thread works for another download by then.
    const ask = (message: object, reply: (reply: Reply) => void): void => { if (!this.#closed) thread.ask({ id, ...message }, reply); };
    thread.tell({ id, open: sums.map((sum) => ({ name: nameOf(sum), sum })) });
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
    const places = Array.from({ length: THREADS }, (_, index) => this.#place(index));
    const index = by ?? places.reduce((least, one, at) => (one.putting < (places[least]?.putting ?? 0) ? at : least), 0);
    const place = this.#place(index);
    place.putting++;
    if (place.puts.push({ file, done }) === 1) setImmediate(() => this.#send(place));
    return index;
  }

  #send(place: Place): void {
    const puts = place.puts.splice(0);
    if (this.#closed) return;
    place.thread.ask({ puts: puts.map(({ file }) => file) }, ({ puts: found = [] }) => {
      place.putting -= puts.length;
      for (const [i, { done }] of puts.entries()) done(found[i] ?? {});
    });
  }

  #place(index: number): Place {
    const known = this.#places[index];
    if (known !== undefined) return known;
    if (this.#closed) throw new Error('a file for threads that are closed');
    const thread = HashThread.take();
    thread.begin({ memory: this.#memory, control: this.#control, stopped: STOPPED, holding: HOLDING + index, nice: this.#nice }, this.#onFailure);
    return this.#places[index] = { thread, puts: [], putting: 0 };
  }

  /**
   * Nothing is told after this. Resolves when no thread has a file open any more: one that opens a file says so first and then looks whether it may, so that one which says
   * it has none never will. The threads wait for the next download.
   */
  async close(): Promise<void> {
    this.#closed = true;
    Atomics.store(this.#control, STOPPED, 1);
    await Promise.all(this.#places.splice(0).map(({ thread }, index) => thread.end(() => Atomics.load(this.#control, HOLDING + index) === 0)));
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
