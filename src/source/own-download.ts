// A version's bytes over connections of our own: parts of all files, a few lanes, whole slabs to the disk, checksums beside (performance reference §1). The SDK finds, lists and signs.

import type { ManifestFile } from '../domain/source';
import { wantedOf, wasPutInParts } from './authority';
import type { Authority } from './authority';
import { secondLook } from './bad-parts';
import type { SecondLook } from './bad-parts';
import { nameOf } from './checksum';
import { HashThreads } from './hash-threads';
import { DiskWrites } from './disk-writes';
import { Lane } from './lane';
import { LaneWatch } from './lane-watch';
import type { SourceListing } from './listing';
import { PartFile } from './part-file';
import type { Outcome, Range, Verify } from './part-file';
import { PartLog } from './part-log';
import { PartPlan } from './part-plan';
import type { Part } from './part-plan';
import { requestHead, requestPart } from './part-request';
import { RateLimit } from './rate-limit';
import { withRetries } from './retry';
import type { S3Handle } from './s3-client';
import { SignedRequests } from './signed-requests';
import { RING_BYTES, SLAB_BYTES, slabRings } from './slabs';
import type { SlabRing } from './slabs';
import { BrokenBodyError, troubleWith } from './trouble';
import { orAbort } from './watchdog';
import type { WatchdogLimits } from './watchdog';
import { Weather } from './weather';
import { WHOLE_FROM_FILES } from './whole-file';

export interface FetchedFile {
  readonly path: string;
  readonly size: number;
  /** Where it was computed. */
  readonly sha256?: string;
  readonly authority: Authority;
}

export interface OwnDownloadOptions extends WatchdogLimits {
  readonly signal: AbortSignal;
  readonly lanes: number;
  readonly partBytes: number;
  readonly verify: Verify;
  readonly durable: boolean;
  readonly bytesPerSecond?: number;
  /** Its checksums come after whatever else this process has to do. */
  readonly behind?: boolean;
  readonly backoffMs?: number;
  /** Bytes of these files on the disk now. */
  readonly onProgress: (bytes: number) => void;
  readonly onFile: (file: FetchedFile) => void;
  /** So many more bytes came over the network. */
  readonly onReceived?: (bytes: number) => void;
}

/** A slow lane may be a slow object: after so many new connections it is left as it is. */
const MAX_REPLACED = 3;
/** Once for a damaged transfer; twice the same damage is in the object. */
const MAX_REFETCHED = 1;
const NOTHING_BROKEN: SecondLook = { broken: undefined, good: [] };

/** These files of the listing into `destination`. Once it has settled nothing of it writes, reads or is connected. */
export async function downloadOverLanes(s3: S3Handle, listing: SourceListing, paths: ReadonlySet<string>, destination: string, options: OwnDownloadOptions): Promise<void> {
  const { signal } = options;
  const requests = await orAbort(SignedRequests.of(s3), signal);
  const { log, written } = await PartLog.open(destination, listing.resolved.pin);
  const download = new OwnDownload(s3, requests, listing, paths, destination, log, written, options);
  try {
    await download.run();
    signal.throwIfAborted();
  } finally {
    try { await download.close(); } finally { await log.close(); }
  }
}

class OwnDownload {
  readonly #s3: S3Handle;
  readonly #requests: SignedRequests;
  readonly #destination: string;
  readonly #log: PartLog;
  readonly #there: ReadonlyMap<string, readonly Range[]>;
  readonly #options: OwnDownloadOptions;
  readonly #stop = new AbortController();
  readonly #writes = new DiskWrites();
  readonly #hashes: HashThreads;
  readonly #rings: readonly SlabRing[];
  readonly #giveBack: () => void;
  readonly #files: readonly PartFile[];
  readonly #plan: PartPlan;
  readonly #weather = new Weather();
  readonly #limit: RateLimit | undefined;
  readonly #directories = new Set<string>();
  readonly #lanes: Lane[] = [];
  #bytes = 0;
  #unfinished: number;
  /** Lanes without a part, while other lanes' files may still need them. */
  #idle: (() => void)[] = [];

  constructor(s3: S3Handle, requests: SignedRequests, listing: SourceListing, paths: ReadonlySet<string>, destination: string, log: PartLog, there: ReadonlyMap<string, readonly Range[]>, options: OwnDownloadOptions) {
    this.#s3 = s3;
    this.#requests = requests;
    this.#destination = destination;
    this.#log = log;
    this.#there = there;
    this.#options = options;
    const { memory, rings, giveBack } = slabRings(options.lanes);
    this.#giveBack = giveBack;
    this.#rings = rings;
    this.#hashes = new HashThreads(memory, (error) => this.#stop.abort(error), options.behind);
    const manifest = new Map((listing.manifest ?? []).map((file: ManifestFile) => [file.path, file.sha256]));
    const chosen = listing.files.filter(({ path }) => paths.has(path));
    const wholeBytes = Math.min(SLAB_BYTES, options.partBytes);
    const small = chosen.filter(({ path, size }) => size <= wholeBytes && !there.has(path)).length;
    const shared = {
      wholeBytes: small < WHOLE_FROM_FILES ? 0 : wholeBytes,
      verify: options.verify, hashes: this.#hashes, writes: this.#writes, durable: options.durable,
      onFailure: (error: unknown) => this.#stop.abort(error),
      onBytes: (bytes: number) => {
        this.#bytes += bytes;
        if (bytes !== 0 && !this.#stop.signal.aborted) options.onProgress(this.#bytes);
      },
    };
    this.#files = chosen.map((file) => new PartFile(file, manifest.get(file.path), shared));
    this.#unfinished = this.#files.length;
    this.#plan = new PartPlan(this.#files, options.partBytes);
    this.#limit = options.bytesPerSecond === undefined ? undefined : new RateLimit(options.bytesPerSecond);
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    signal.throwIfAborted(); // While nobody listened.
    const abort = (): void => this.#stop.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    this.#stop.signal.addEventListener('abort', () => {
      for (const lane of this.#lanes) lane.destroy(this.#stop.signal.reason as Error);
      this.#wake();
    }, { once: true });
    const workers = this.#rings.map((ring) => new LaneWorker(ring, this.#requests.connect));
    this.#lanes.push(...workers.map(({ lane }) => lane));
    const watch = new LaneWatch(workers, this.#options);
    try {
      await Promise.all(workers.map((worker) => this.#work(worker).catch((error: unknown) => this.#stop.abort(error))));
      this.#stop.signal.throwIfAborted();
    } finally {
      watch.stop();
      signal.removeEventListener('abort', abort);
    }
  }

  async #work(worker: LaneWorker): Promise<void> {
    const stopped = this.#stop.signal;
    while (this.#unfinished > 0 && !stopped.aborted) {
      const next = this.#plan.next(worker.part?.file);
      if (next === undefined) await new Promise<void>((resolve) => { this.#idle.push(resolve); });
      else if (next instanceof PartFile) await this.#begin(worker, next);
      else await this.#fetch(worker, next);
    }
  }

  /** Opened by the lane that takes its first part. */
  async #begin(worker: LaneWorker, file: PartFile): Promise<void> {
    const { path, size } = file.listed;
    const there = this.#there.get(path) ?? [];
    // An object read in parts says in none of them what it is as a whole. The source is asked while the disk opens the file.
    const inParts = size > this.#options.partBytes || there.length > 0;
    const asked = inParts || wasPutInParts(file.listed);
    const [opened, whole] = await Promise.allSettled([file.open(this.#destination, this.#directories, there, () => this.#log.forget(path)), asked ? this.#ask(worker, file, inParts) : undefined]);
    if (opened.status === 'rejected') throw opened.reason;
    if (this.#stop.signal.aborted) return file.close();
    if (whole.status === 'rejected') throw whole.reason;
    void this.#finishing(file).catch((error: unknown) => this.#stop.abort(error));
    if (whole.value !== undefined) file.decide(whole.value);
    this.#plan.begin(file);
    worker.part = undefined;
    const first = this.#plan.next(file);
    this.#wake();
    if (first instanceof PartFile) await this.#begin(worker, first);
    else if (first !== undefined) await this.#fetch(worker, first);
  }

  /** What it will be held against, as its head says; nothing where the one answer that brings it will say so too. */
  async #ask(worker: LaneWorker, file: PartFile, inParts: boolean): Promise<ReadonlyMap<string, string> | undefined> {
    worker.part = undefined;
    if (!file.needsHead) return inParts ? new Map<string, string>() : undefined;
    const head = (partNumber?: number): Promise<ReadonlyMap<string, string>> => this.#retrying(file.listed.key, () => requestHead({ lane: worker.lane, requests: this.#requests }, file.listed, partNumber));
    const whole = inParts ? await head() : undefined;
    // Where only sums of its parts are known, how long its parts are is asked too.
    if (wasPutInParts(file.listed) && (whole === undefined || wantedOf(whole, undefined).authority === 'size')) file.firstPart = await head(1);
    return whole;
  }

  async #fetch(worker: LaneWorker, part: Part): Promise<void> {
    await worker.logged;
    if (this.#stop.signal.aborted) return;
    worker.part = part;
    // What a kill loses of a lane is what its ring holds. Where that is more than a part, the lane waits for one part before it asks for the next.
    worker.logged = this.#options.partBytes < RING_BYTES && (part.from > 0 || part.to < part.file.listed.size) ? orAbort(new Promise<void>((resolve) => { part.onWritten = resolve; }), this.#stop.signal).catch(() => undefined) : undefined;
    await this.#retrying(part.file.listed.key, async () => {
      for (let replaced = 0; ; replaced++) {
        worker.replaceable = replaced < MAX_REPLACED;
        try {
          if (part.at < part.to || part.to === 0) await requestPart({ ...worker.place, requests: this.#requests, limit: this.#limit, received: this.#options.onReceived, written: (some, range) => this.#written(some, range) }, part);
          return;
        } catch (error) {
          if (!(error instanceof SlowLane)) throw error;
        }
      }
    });
  }

  #written(part: Part, range: Range): void {
    const last = part.written === part.to - part.from;
    const logged = this.#log.written(part.file.listed.path, range);
    if (last) void logged.then(() => part.onWritten());
  }

  #retrying<T>(key: string, run: () => Promise<T>): Promise<T> {
    const { backoffMs } = this.#options;
    return withRetries({ ref: this.#s3.ref, verb: 'get', key }, { signal: this.#stop.signal, weather: this.#weather, ...(backoffMs === undefined ? {} : { backoffMs }) }, run);
  }

  /** Waits for the file's end: whole and as wanted, or what is wrong of it fetched once more. */
  async #finishing(file: PartFile): Promise<void> {
    for (let refetched = 0; ; refetched++) {
      const outcome = await file.whole;
      if (this.#stop.signal.aborted) return;
      const difference = differenceOf(outcome);
      const { broken, good } = difference === undefined ? NOTHING_BROKEN : await secondLook(this.#s3, file, outcome.wanted, difference, { ...this.#options, signal: this.#stop.signal, weather: this.#weather });
      if (this.#stop.signal.aborted) return;
      if (broken === undefined) {
        await file.finish();
        if (this.#stop.signal.aborted) return;
        const { path, size } = file.listed;
        const { sha256 } = outcome.digests;
        this.#options.onFile({ path, size, authority: outcome.wanted.authority, ...(sha256 === undefined ? {} : { sha256 }) });
        this.#unfinished--;
        if (this.#unfinished === 0) this.#wake();
        return;
      }
      if (refetched >= MAX_REFETCHED) throw troubleWith(broken, { ref: this.#s3.ref, verb: 'get', key: file.listed.key })?.failure(refetched + 1) ?? broken;
      file.restart(good);
      this.#plan.begin(file);
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#idle.splice(0)) wake();
  }

  /** Nothing acts after this: sockets first, then whoever reads memory or files, then the files. */
  async close(): Promise<void> {
    for (const lane of this.#lanes) lane.destroy(new Error('the download is over'));
    await this.#hashes.close();
    await this.#writes.drop();
    await Promise.all(this.#files.filter((file) => file.isOpen).map((file) => file.close()));
    this.#giveBack();
  }
}

/** What belongs to one lane. */
class LaneWorker {
  readonly lane: Lane;
  readonly place: { readonly lane: Lane; readonly ring: SlabRing };
  part: Part | undefined;
  /** That its last part is in the file and in the log; nothing where that need not be waited for. */
  logged: Promise<void> | undefined;
  replaceable = false;

  constructor(ring: SlabRing, connect: ConstructorParameters<typeof Lane>[0]) {
    this.lane = new Lane(connect);
    this.place = { lane: this.lane, ring };
    ring.onSpace = () => this.lane.resume();
  }

  readonly progress = (): string => `byte ${this.part?.at ?? 0} of ${this.part?.file.listed.size ?? 0}`;

  readonly replace = (): void => {
    if (this.replaceable) this.lane.destroy(new SlowLane());
  };
}

class SlowLane extends Error {
  override readonly name = 'SlowLane';
}

function differenceOf({ digests, wanted: { sum, hex } }: Outcome): BrokenBodyError | undefined {
  if (sum === undefined || hex === undefined) return undefined;
  const found = digests[nameOf(sum)] ?? 'none';
  return found === hex ? undefined : new BrokenBodyError(nameOf(sum), hex, found);
}
