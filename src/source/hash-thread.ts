// A thread that hashes, and writes small files, for one download after the other: to start one costs 25 ms of a core, which the first bytes of the next download would wait for.

import { Worker } from 'node:worker_threads';
import { PLACES, startChecksum } from './checksum';
import { MADE } from './staged-file';
import { putWhole } from './whole-file';

export type Digests = Readonly<Partial<Record<string, string>>>;

/** Why a file could not be put, or what it is. Neither: the thread was stopped before. */
export interface Put {
  readonly error?: { readonly message: string; readonly code: string | undefined };
  readonly digests?: Digests;
}

export interface Reply {
  readonly seq: number;
  readonly error?: string;
  readonly digests?: Digests;
  readonly puts?: readonly Put[];
}

/** What it works on for one download. */
export interface Session {
  readonly memory: SharedArrayBuffer;
  /** One place says that nobody may go on, the other whether this thread has a file open. */
  readonly control: Int32Array;
  readonly stopped: number;
  readonly holding: number;
  /** What is added to the niceness of the thread, for good. */
  readonly nice: number;
}

/** Those without a download, for the next one. */
const spare = new Set<HashThread>();
/** As many as two downloads have. */
const MAX_SPARE = 4;
/** Long enough for what follows a download closely: the one that overtook it, the next version of a wave. */
const SPARE_MS = 10_000;
const NOTHING = (): void => undefined;

export class HashThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #seq = 0;
  #ended = false;
  /** It dies, and has perhaps not ended yet. */
  #failed = false;
  #onFailure: (error: Error) => void = NOTHING;
  /** Called with every answer, and when it ends. */
  #heard: () => void = NOTHING;
  #idle: NodeJS.Timeout | undefined;

  /** One that waits, or a new one. */
  static take(): HashThread {
    const [waiting] = spare;
    if (waiting === undefined) return new HashThread();
    spare.delete(waiting);
    clearTimeout(waiting.#idle);
    return waiting;
  }

  private constructor() {
    // No loaders of the process that starts it: what it runs needs none.
    this.#worker = new Worker(HASHING, { eval: true, execArgv: [], workerData: { places: PLACES, made: MADE } });
    this.#worker.on('message', (reply: Reply) => {
      const told = this.#waiting.get(reply.seq);
      this.#waiting.delete(reply.seq);
      told?.(reply);
      this.#heard();
    });
    this.#worker.on('error', (error) => {
      this.#failed = true;
      spare.delete(this);
      this.#onFailure(error);
    });
    this.#worker.on('exit', () => {
      this.#ended = true;
      spare.delete(this);
      this.#heard();
    });
    this.#worker.unref();
  }

  /** Until `end`. @param onFailure it died, which is a bug */
  begin(session: Session, onFailure: (error: Error) => void): void {
    this.#onFailure = onFailure;
    this.tell({ begin: session });
  }

  tell(message: object): void {
    this.#worker.postMessage(message);
  }

  ask(message: object, reply: (reply: Reply) => void): void {
    const seq = this.#seq++;
    this.#waiting.set(seq, reply);
    this.tell({ seq, ...message });
  }

  /** Nobody is answered any more. Resolves when it has no file open, and waits for the next download; what it was asked and has not begun, it passes over, because its session was stopped. */
  async end(quiet: () => boolean): Promise<void> {
    this.#waiting.clear();
    this.#onFailure = NOTHING;
    this.#worker.ref();
    while (!quiet() && !this.#ended) await new Promise<void>((resolve) => { this.#heard = resolve; });
    this.#worker.unref();
    if (this.#ended || this.#failed) return;
    this.tell({ end: true });
    if (spare.size >= MAX_SPARE) return void this.#worker.terminate();
    spare.add(this);
    this.#idle = setTimeout(() => {
      spare.delete(this);
      void this.#worker.terminate();
    }, SPARE_MS).unref();
  }
}

/** What a thread runs. Text, because a thread has no compiler where we are run without a build; small, because nobody checks its types. */
const HASHING = `
const fs = require('node:fs');
const { closeSync, constants, openSync, readSync } = fs;
const { getPriority, setPriority } = require('node:os');
const { parentPort, workerData } = require('node:worker_threads');
const startChecksum = ${startChecksum.toString()};
const putWhole = ${putWhole.toString()};
const { made, places } = workerData;
const pieceBytes = 1024 * 1024;
let session;
let nice = 0;
const setNice = (wanted) => {
  if (wanted <= nice) return;
  nice = wanted;
  try {
    const tid = Number(fs.readlinkSync('/proc/thread-self').split('/').pop());
    setPriority(tid, Math.min(getPriority(tid) + wanted, 19));
  } catch {
    // Not Linux: as everyone else.
  }
};
const stopped = () => Atomics.load(session.control, session.stopped) === 1;
const holding = (run) => {
  const { control, holding: place } = session;
  Atomics.store(control, place, 1);
  try { return run(); } finally { Atomics.store(control, place, 0); }
};
const read = (feed, { fd, from, to }) => {
  const piece = Buffer.allocUnsafeSlow(pieceBytes);
  for (let at = from; at < to && !stopped(); ) {
    const bytes = readSync(fd, piece, 0, Math.min(piece.length, to - at), at);
    if (bytes === 0) throw new Error('the file ends at ' + at);
    feed(piece.subarray(0, bytes));
    at += bytes;
  }
};
const readFile = (feed, { path, from, to }) => {
  if (stopped()) return;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try { read(feed, { fd, from, to }); } finally { closeSync(fd); }
};
const digest = async (hashes) => Object.fromEntries(await Promise.all(hashes.map(async ({ name, hash }) => [name, await hash.hex()])));
const start = (sums) => sums.map(({ name, sum }) => ({ name, hash: startChecksum(sum, places) }));
const put = (file) => {
  const hashes = start(file.sums);
  try {
    return { hashes, whole: putWhole(fs, made, file, session.memory.subarray(file.at, file.at + file.length), hashes.map(({ hash }) => hash), stopped) };
  } catch ({ message, code }) {
    return { error: { message, code } };
  }
};
const answer = async ({ hashes, whole, error }) => error !== undefined ? { error } : whole ? { digests: await digest(hashes) } : {};
parentPort.on('message', (message) => {
  const { id, seq } = message;
  if (message.begin) {
    setNice(message.begin.nice);
    session = { ...message.begin, memory: Buffer.from(message.begin.memory), files: new Map() };
    return;
  }
  if (message.end) {
    session = undefined;
    return;
  }
  if (message.puts) {
    const done = holding(() => message.puts.map(put));
    return void Promise.all(done.map(answer)).then((puts) => parentPort.postMessage({ seq, puts }));
  }
  const { files, memory } = session;
  if (message.open) return void files.set(id, start(message.open));
  const hashes = files.get(id);
  if (message.digest) {
    files.delete(id);
    return void digest(hashes).then((digests) => parentPort.postMessage({ seq, digests }));
  }
  const feed = (bytes) => { for (const { hash } of hashes) hash.update(bytes); };
  let error;
  try {
    if (message.path !== undefined) holding(() => readFile(feed, message));
    else if (message.fd !== undefined) holding(() => read(feed, message));
    else if (!stopped()) feed(memory.subarray(message.at, message.at + message.length));
  } catch (caught) {
    error = String(caught);
  }
  parentPort.postMessage(error === undefined ? { seq } : { seq, error });
});
`;
