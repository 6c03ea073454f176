// Long work in small steps: between two of them the process answers others, and an abort is heard.

import { setImmediate } from 'node:timers/promises';

/** A few milliseconds of looking at protobuf bytes. */
const STEP_BYTES = 2 ** 20;

export class Pace {
  private bytes = 0;
  constructor(private readonly signal?: AbortSignal) {}

  /** After so many bytes of work: a promise to await, once a step is full. It rejects with the signal's reason. */
  after(bytes: number): Promise<void> | undefined {
    this.bytes += bytes;
    if (this.bytes < STEP_BYTES) return undefined;
    this.bytes = 0;
    return this.rest();
  }

  private async rest(): Promise<void> {
    await setImmediate();
    this.signal?.throwIfAborted();
  }
}
