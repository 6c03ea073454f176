// Whole slabs to their place in a file, a few at a time: more than the disk can take at once would only wait where an abort cannot reach them.

import { write } from 'node:fs';

/** As many as libuv has threads for. */
const AT_ONCE = 4;

interface Write {
  readonly fd: number;
  readonly bytes: Buffer;
  readonly at: number;
  readonly done: (error: NodeJS.ErrnoException | undefined) => void;
}

export class DiskWrites {
  #queue: Write[] = [];
  #under = 0;
  #quiet: (() => void)[] = [];

  /** `done` is called once, also for what `drop` drops. */
  write(fd: number, bytes: Buffer, at: number, done: (error: NodeJS.ErrnoException | undefined) => void): void {
    this.#queue.push({ fd, bytes, at, done });
    this.#pump();
  }

  /** What has not begun never does. Resolves when nothing writes any more. */
  async drop(): Promise<void> {
    const dropped = this.#queue;
    this.#queue = [];
    for (const { done } of dropped) done(undefined);
    if (this.#under > 0) await new Promise<void>((resolve) => { this.#quiet.push(resolve); });
  }

  #pump(): void {
    while (this.#under < AT_ONCE) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#under++;
      writeAll(next, 0, (error) => {
        this.#under--;
        next.done(error);
        this.#pump();
        if (this.#under > 0) return;
        for (const quiet of this.#quiet.splice(0)) quiet();
      });
    }
  }
}

function writeAll({ fd, bytes, at }: Write, from: number, done: (error: NodeJS.ErrnoException | undefined) => void): void {
  write(fd, bytes, from, bytes.length - from, at + from, (error, written) => {
    if (error !== null) done(error);
    else if (from + written < bytes.length) writeAll({ fd, bytes, at, done }, from + written, done);
    else done(undefined);
  });
}
