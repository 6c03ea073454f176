// The memory bodies are read into: a ring of slabs per lane, shared with the hashing threads, page-aligned so that the disk takes it without a copy. All a download ever
// holds of its bytes (performance reference §1: bounded).

/** One write to the disk: large enough that its fixed cost is nothing, small enough that the first one begins soon. */
export const SLAB_BYTES = 1024 * 1024;
/** Of one lane: one that is filled, the others on their way to disk and hash. Eight lanes hold 32 MiB. */
const SLABS = 4;
/** What one lane has read and not yet written, at most. */
export const RING_BYTES = SLABS * SLAB_BYTES;
const WASM_PAGE_BYTES = 64 * 1024;

export interface Slab {
  /** Within the memory. */
  readonly at: number;
  readonly bytes: Buffer;
  /** Who still needs its bytes. */
  users: number;
}

/** Not in the library we compile against, which is that of the language. */
declare const WebAssembly: { readonly Memory: new (size: { readonly initial: number; readonly maximum: number; readonly shared: true }) => { readonly buffer: SharedArrayBuffer } };

/** Memory of downloads that are over, for the next ones: the garbage collector, which sees only the handle of it, takes its time to give 32 MiB back. */
const spare: SharedArrayBuffer[] = [];
/** As many downloads as a host runs at once. */
const MAX_SPARE = 2;

/** One for each lane, over memory of their own. `giveBack` once nothing reads into it, or writes from it, any more. */
export function slabRings(lanes: number): { readonly memory: SharedArrayBuffer; readonly rings: readonly SlabRing[]; readonly giveBack: () => void } {
  const memory = memoryOf(lanes * RING_BYTES);
  const giveBack = (): void => { if (spare.length < MAX_SPARE && !spare.includes(memory)) spare.push(memory); };
  return { memory, giveBack, rings: Array.from({ length: lanes }, (_, lane) => new SlabRing(memory, lane * SLABS * SLAB_BYTES)) };
}

function memoryOf(bytes: number): SharedArrayBuffer {
  const index = spare.findIndex(({ byteLength }) => byteLength === bytes);
  const [known] = index < 0 ? [] : spare.splice(index, 1);
  // WebAssembly's memory is the one way to page-aligned shared memory: O_DIRECT wants it.
  const pages = bytes / WASM_PAGE_BYTES;
  return known ?? new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer;
}

export class SlabRing {
  /** Called when there is room again after `space` gave none. */
  onSpace: () => void = () => undefined;
  readonly #slabs: readonly Slab[];
  #current = 0;
  #filled = 0;
  #wanted = false;

  constructor(memory: SharedArrayBuffer, from: number) {
    this.#slabs = Array.from({ length: SLABS }, (_, i) => {
      const at = from + i * SLAB_BYTES;
      return { at, bytes: Buffer.from(memory, at, SLAB_BYTES), users: 0 };
    });
  }

  /** Room for the next bytes of one body; nothing while all slabs are in use. */
  space(): Uint8Array | undefined {
    const slab = this.#slab();
    if (slab.users > 0) {
      this.#wanted = true;
      return undefined;
    }
    return slab.bytes.subarray(this.#filled);
  }

  /** Bytes since the last cut. */
  get filled(): number {
    return this.#filled;
  }

  /** So many bytes are in it now. True: the slab is full. */
  took(bytes: number): boolean {
    this.#filled += bytes;
    return this.#filled === SLAB_BYTES;
  }

  /** What was filled since the last cut, for `users` to release; nothing where that is nothing. The next bytes go into the next slab. */
  cut(users: number): { readonly slab: Slab; readonly length: number } | undefined {
    const length = this.#filled;
    if (length === 0) return undefined;
    const slab = this.#slab();
    slab.users = users;
    this.#filled = 0;
    this.#current = (this.#current + 1) % SLABS;
    return { slab, length };
  }

  /** One user less. */
  readonly release = (slab: Slab): void => {
    if (--slab.users > 0 || !this.#wanted || this.#slab().users > 0) return;
    this.#wanted = false;
    this.onSpace();
  };

  /** Forgets what was filled and not cut. */
  drop(): void {
    this.#filled = 0;
  }

  #slab(): Slab {
    const slab = this.#slabs[this.#current];
    if (slab === undefined) throw new Error('a ring without slabs');
    return slab;
  }
}
