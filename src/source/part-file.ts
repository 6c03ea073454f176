// One file of a version while its parts arrive, in any order: each piece to its place on the disk, and, in the file's order, to its checksums.

import { close, fdatasync, ftruncate } from 'node:fs';
import { promisify } from 'node:util';
import type { ListedFile } from '../domain/source';
import { partsOf, wantedOf } from './authority';
import type { Wanted } from './authority';
import { nameOf } from './checksum';
import type { Sum } from './checksum';
import type { DiskWrites } from './disk-writes';
import { hashInline } from './hash-threads';
import type { Digests } from './hash-thread';
import type { FileHash, HashThreads } from './hash-threads';
import { openDirect, reserve } from './large-file';
import { SLAB_BYTES } from './slabs';
import type { Slab, SlabRing } from './slabs';
import { createFile, diskFailure, placeOf, reopenFile } from './staged-file';

const [closeFile, truncateTo, syncData] = [promisify(close), promisify(ftruncate), promisify(fdatasync)];

/** Asking a thread costs about 30 µs of the reading one; hashing this much costs it 150. */
const INLINE_BYTES = 256 * 1024;
/** What O_DIRECT asks of offset, length and memory: at most a page. */
const DIRECT_ALIGN = 4096;
/** From here on the cost of a second descriptor is nothing, and the page cache would only hold what nobody reads soon. */
const DIRECT_FROM_BYTES = 16 * 1024 * 1024;

/** What starting a command costs is nothing against writing this much. */
const RESERVE_FROM_BYTES = 64 * 1024 * 1024;

export type Verify = 'sha256' | 'checksum' | 'none';

export interface PartFileOptions {
  readonly verify: Verify;
  readonly hashes: HashThreads;
  readonly writes: DiskWrites;
  /** Past the page cache, and on the disk before the file counts as whole. */
  readonly durable: boolean;
  /** A write failed: the whole download ends. */
  readonly onFailure: (error: unknown) => void;
  readonly onBytes: (bytes: number) => void;
  /** Files of at most so many bytes are put whole, by a thread; 0: none is. */
  readonly wholeBytes: number;
}

/** From `from` up to and without `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface Outcome {
  readonly digests: Digests;
  readonly wanted: Wanted;
}

export class PartFile {
  /** Resolves when every byte is written and hashed. Again after `restart`. */
  whole: Promise<Outcome>;
  wanted: Wanted | undefined;
  /** Headers of the first of the parts it was put in, where those matter. */
  firstPart: ReadonlyMap<string, string> | undefined;
  restarts = 0;
  readonly listed: ListedFile;
  readonly #manifestSha256: string | undefined;
  readonly #options: PartFileOptions;
  #settle: (outcome: Promise<Outcome>) => void = () => undefined;
  #hash: FileHash | undefined;
  /** Hashed, or on its way there, up to here. */
  #frontier = 0;
  readonly #ahead = new Map<number, Piece>();
  #there: readonly Range[] = [];
  #settled = false;
  #unwritten: number;
  #unhashed: number;
  #fd = -1;
  #directFd = -1;
  /** Where a thread puts it, whole. */
  #place: string | undefined;
  #thread: number | undefined;
  #sums: readonly Sum[] = [];

  constructor(listed: ListedFile, manifestSha256: string | undefined, options: PartFileOptions) {
    this.listed = listed;
    this.#manifestSha256 = manifestSha256;
    this.#options = options;
    this.#unwritten = this.#unhashed = listed.size;
    this.whole = this.#promise();
  }

  get isOpen(): boolean {
    return this.#fd >= 0;
  }

  /** Its bytes are taken all at once, or not at all. */
  get isWhole(): boolean {
    return this.#place !== undefined;
  }

  /** @param there what another life of this download wrote of it: kept, and read again for the checksums. @param forget that: the file is made anew */
  async open(destination: string, directories: Set<string>, there: readonly Range[], forget: () => Promise<void>): Promise<void> {
    const { path, size } = this.listed;
    if (there.length === 0 && size > 0 && size <= this.#options.wholeBytes) {
      this.#place = await onDisk(path, () => placeOf(destination, path, directories));
      return;
    }
    const left = there.length > 0 ? await reopenFile(destination, path, size) : undefined;
    if (left !== undefined) this.#there = [...there].sort((a, b) => a.from - b.from);
    else if (there.length > 0) await forget(); // Before there is a file of the right size that holds none of it.
    this.#fd = left ?? await createFile(destination, path, directories);
    await onDisk(path, async () => {
      const { durable } = this.#options;
      if (size > SLAB_BYTES && this.#there.length === 0 && !(durable && size >= RESERVE_FROM_BYTES && await reserve(this.#fd, size))) await truncateTo(this.#fd, size);
      if (durable && size >= DIRECT_FROM_BYTES) this.#directFd = await openDirect(this.#fd);
    });
    const kept = bytesOf(this.#there);
    this.#unwritten -= kept;
    this.#options.onBytes(kept);
  }

  /** Only the server's answer about the whole object can say what it will be held against. */
  get needsHead(): boolean {
    return this.#options.verify !== 'none' && this.#manifestSha256 === undefined;
  }

  /** The parts of it that are there already, once it is open. */
  get there(): readonly Range[] {
    return this.#there;
  }

  /** Before its first byte: what it will be held against. */
  decide(headers: ReadonlyMap<string, string>): void {
    if (this.wanted !== undefined) return this.#check(); // An empty file has no byte that would.
    const { verify } = this.#options;
    this.wanted = verify === 'none' ? { authority: 'size' } : wantedOf(headers, this.#manifestSha256, partsOf(this.firstPart, this.listed.size));
    this.#startHash();
    this.#advance();
    this.#check();
  }

  #startHash(): void {
    const own: readonly Sum[] = this.#options.verify === 'sha256' ? [{ algorithm: 'sha256' }] : [];
    const wanted = this.wanted?.sum;
    const sums = wanted === undefined || (own.length > 0 && wanted.algorithm === 'sha256' && wanted.partBytes === undefined) ? own : [...own, wanted];
    this.#sums = sums;
    if (this.#place !== undefined) return;
    if (sums.length === 0) this.#unhashed = 0;
    else this.#hash = this.listed.size <= INLINE_BYTES && this.#there.length === 0 ? hashInline(sums) : this.#options.hashes.open(sums);
  }

  /** Takes what was filled of a ring since its last cut, for this offset. `written` is called when it is in the file. */
  take(ring: SlabRing, at: number, written: (bytes: number) => void): void {
    if (this.#place !== undefined) return this.#put(this.#place, ring, written);
    const cut = ring.cut(this.#hash === undefined ? 1 : 2);
    if (cut === undefined) return;
    const { slab, length } = cut;
    const bytes = slab.bytes.subarray(0, length);
    const run = this.restarts;
    const direct = this.#directFd >= 0 && at % DIRECT_ALIGN === 0 && length % DIRECT_ALIGN === 0;
    this.#options.writes.write(direct ? this.#directFd : this.#fd, bytes, at, (error) => {
      ring.release(slab);
      if (error !== undefined) this.#options.onFailure(diskFailure(this.listed.path, error));
      else if (run === this.restarts) {
        this.#unwritten -= length;
        this.#options.onBytes(length);
        written(length);
        this.#check();
      }
    });
    if (this.#hash === undefined) return;
    this.#ahead.set(at, { slab, bytes, release: ring.release });
    this.#advance();
  }

  #put(place: string, ring: SlabRing, written: (bytes: number) => void): void {
    const { size } = this.listed;
    if (ring.filled < size) return;
    const cut = ring.cut(1);
    const { wanted } = this;
    if (cut === undefined || wanted === undefined) throw new Error(`${this.listed.path} came before it was said what it is held against`);
    const run = this.restarts;
    // Always by the same thread, so that an answer that was thrown away is never written after the one that counts.
    this.#thread = this.#options.hashes.put({ path: place, at: cut.slab.bytes.byteOffset, length: size, sums: this.#sums.map((sum) => ({ name: nameOf(sum), sum })), durable: this.#options.durable }, this.#thread, ({ error, digests }) => {
      ring.release(cut.slab);
      if (run !== this.restarts) return;
      if (error !== undefined) this.#options.onFailure(diskFailure(this.listed.path, Object.assign(new Error(error.message), { code: error.code })));
      else if (digests !== undefined) {
        this.#unwritten = this.#unhashed = 0;
        this.#options.onBytes(size);
        written(size);
        this.#settle(Promise.resolve({ digests, wanted }));
        this.#settled = true;
      }
    });
  }

  /** Hands to the checksums what comes next in the file's order. */
  #advance(): void {
    const hash = this.#hash;
    if (hash === undefined) return;
    const run = this.restarts;
    const hashed = (bytes: number): void => {
      if (run !== this.restarts) return;
      this.#unhashed -= bytes;
      this.#check();
    };
    for (;;) {
      const piece = this.#ahead.get(this.#frontier);
      const range = this.#there.find(({ from }) => from === this.#frontier);
      if (piece !== undefined) {
        this.#ahead.delete(this.#frontier);
        this.#frontier += piece.bytes.length;
        hash.update(piece.bytes, () => {
          piece.release(piece.slab);
          hashed(piece.bytes.length);
        });
      } else if (range !== undefined) {
        this.#frontier = range.to;
        hash.read(this.#fd, range.from, range.to, (error) => {
          if (error !== undefined) this.#options.onFailure(diskFailure(this.listed.path, error));
          else hashed(range.to - range.from);
        });
      } else return;
    }
  }

  #check(): void {
    const { wanted } = this;
    if (this.#settled || this.#unwritten > 0 || this.#unhashed > 0 || wanted === undefined) return;
    this.#settled = true;
    const digests = this.#hash?.digest() ?? Promise.resolve({});
    this.#settle(digests.then((found) => ({ digests: found, wanted })));
  }

  /** Of these bytes as they are in the file, which is whole. */
  sumOf(sum: Sum, range: Range): Promise<string> {
    const hash = this.#options.hashes.open([sum]);
    return new Promise((resolve, reject) => {
      const done = (error: Error | undefined): void => {
        if (error !== undefined) reject(diskFailure(this.listed.path, error));
        else resolve(hash.digest().then((digests) => digests[nameOf(sum)] ?? ''));
      };
      if (this.#place === undefined) hash.read(this.#fd, range.from, range.to, done);
      else hash.readFile(this.#place, range, done);
    });
  }

  /** Everything of it is fetched again, but for what is good: that is kept, and read again for the checksums. What is put whole is fetched whole. */
  restart(right: readonly Range[] = []): void {
    const good = this.#place === undefined ? right : [];
    const kept = bytesOf(good);
    this.#options.onBytes(this.#unwritten - this.listed.size + kept);
    this.restarts++;
    for (const { slab, release } of this.#ahead.values()) release(slab);
    this.#ahead.clear();
    this.#there = good;
    this.#frontier = 0;
    this.#unwritten = this.listed.size - kept;
    this.#unhashed = this.listed.size;
    if (this.#settled) this.whole = this.#promise();
    this.#settled = false;
    this.#startHash();
    this.#advance();
  }

  /** Makes it last, where that was asked for, and closes it. */
  async finish(): Promise<void> {
    if (this.#place !== undefined) return;
    if (this.#options.durable) await onDisk(this.listed.path, () => syncData(this.#fd));
    await this.close();
  }

  async close(): Promise<void> {
    const open = [this.#fd, this.#directFd].filter((fd) => fd >= 0);
    this.#fd = this.#directFd = -1;
    await onDisk(this.listed.path, async () => { for (const fd of open) await closeFile(fd); });
  }

  #promise(): Promise<Outcome> {
    return new Promise((resolve) => { this.#settle = resolve; });
  }
}

interface Piece {
  readonly slab: Slab;
  readonly bytes: Buffer;
  readonly release: (slab: Slab) => void;
}

function bytesOf(ranges: readonly Range[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from, 0);
}

async function onDisk<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw diskFailure(path, error);
  }
}
