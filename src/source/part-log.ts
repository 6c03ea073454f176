// Which bytes of a version are written already, line by line, beside the files themselves: what a download believes after its process was killed. One small append per slab,
// after the slab: at most what the lanes held is fetched again. A kill loses no page of the kernel's; a power cut may, so a log of another boot is not believed.

import { close, constants, open, readFileSync, write } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Pin } from '../domain/names';
import type { Range } from './part-file';

const [openFile, closeFile] = [promisify(open), promisify(close)];
const writeFile: (fd: number, text: string) => Promise<unknown> = promisify(write);

/** No object can have this name (key-path.ts refuses the backslash), so it never stands in a file's place. */
export const PART_LOG_NAME = 'parts\\log';

/** In a line: forget what was said of the file until here. */
const NOTHING: Range = { from: 0, to: 0 };

interface Line {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

export class PartLog {
  readonly #fd: number;
  #lines = '';
  #writing: Promise<void> | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Goes on with the log of this directory where it speaks of the same objects in the same life of the machine; begins a new one otherwise. */
  static async open(directory: string, pin: Pin): Promise<{ readonly log: PartLog; readonly written: ReadonlyMap<string, readonly Range[]> }> {
    const file = join(directory, PART_LOG_NAME);
    const { head, written } = await read(directory, pin);
    if (written === undefined) await rm(file, { force: true });
    const log = new PartLog(await openFile(file, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW, 0o600));
    // A line that was cut short by the kill ends here.
    await log.#append(written === undefined ? `${head}\n` : '\n');
    return { log, written: written ?? new Map<string, readonly Range[]>() };
  }

  /** Resolves when the line is in the log, or could not be written: that costs a part fetched twice, should we be killed; no more. */
  written(path: string, { from, to }: Range): Promise<void> {
    return this.#append(`${JSON.stringify({ path, from, to } satisfies Line)}\n`);
  }

  /** Nothing of this file is written any more. */
  forget(path: string): Promise<void> {
    return this.written(path, NOTHING);
  }

  /** Lines that come while others are written share one write. */
  async #append(text: string): Promise<void> {
    this.#lines += text;
    if (this.#writing !== undefined) await this.#writing;
    if (this.#lines !== '') await (this.#writing ??= this.#write());
  }

  async #write(): Promise<void> {
    while (this.#lines !== '') {
      const lines = this.#lines;
      this.#lines = '';
      await writeFile(this.#fd, lines).catch(() => undefined);
    }
    this.#writing = undefined;
  }

  async close(): Promise<void> {
    await this.#writing;
    await closeFile(this.#fd);
  }
}

/** The version is whole: nothing of it is to be resumed. */
export async function removePartLog(directory: string): Promise<void> {
  await rm(join(directory, PART_LOG_NAME), { force: true });
}

/** Files of which the log of this directory knows some part, where it speaks of the same objects in the same life of the machine. */
export async function filesOnPartLog(directory: string, pin: Pin): Promise<ReadonlySet<string>> {
  return new Set((await read(directory, pin)).written?.keys());
}

async function read(directory: string, pin: Pin): Promise<{ readonly head: string; readonly written?: ReadonlyMap<string, readonly Range[]> }> {
  const head = JSON.stringify({ pin, boot: bootId() });
  const [first, ...lines] = (await readFile(join(directory, PART_LOG_NAME), 'utf8').catch(() => '')).split('\n');
  return first === head ? { head, written: rangesOf(lines) } : { head };
}

function rangesOf(lines: readonly string[]): ReadonlyMap<string, readonly Range[]> {
  const found = new Map<string, Range[]>();
  for (const line of lines) {
    const { path, from, to } = parsed(line) ?? {};
    if (path === undefined || from === undefined || to === undefined) continue;
    const ranges = found.get(path);
    if (from === NOTHING.from && to === NOTHING.to) found.delete(path);
    else if (ranges === undefined) found.set(path, [{ from, to }]);
    else ranges.push({ from, to });
  }
  return new Map([...found].map(([path, ranges]) => [path, joined(ranges)]));
}

/** In order, and as few as say the same. */
function joined(ranges: readonly Range[]): readonly Range[] {
  const few: Range[] = [];
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = few.at(-1);
    if (last === undefined || from > last.to) few.push({ from, to });
    else few[few.length - 1] = { from: last.from, to: Math.max(last.to, to) };
  }
  return few;
}

function parsed(line: string): Partial<Line> | undefined {
  try {
    return JSON.parse(line) as Partial<Line>;
  } catch {
    return undefined; // Empty, or cut short.
  }
}

/** Changes with every start of the kernel. Where there is none to read, no log is ever believed. Of no disk, so nobody waits for it. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return `${Date.now()} ${Math.random()}`;
  }
}
