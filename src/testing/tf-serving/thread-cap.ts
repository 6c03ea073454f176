// --grpc_max_threads: every handler that has not returned keeps a thread, and the server needs one for itself (grpc-wire: 8 threads, 7 blocked calls).

export class ThreadCap {
  #busy = 0;
  readonly #maxThreads: number;

  constructor(maxThreads: number) {
    this.#maxThreads = maxThreads;
  }

  get busy(): number {
    return this.#busy;
  }

  /** False: no thread is left for this call. */
  enter(): boolean {
    if (this.#busy >= this.#maxThreads - 1) return false;
    this.#busy += 1;
    return true;
  }

  leave(): void {
    this.#busy -= 1;
  }
}
