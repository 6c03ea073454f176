// A crash or an error at the n-th system call of each kind that the agent's file-system thread makes, for n = 1, 2, 3 … until none is left (SQLite's way; reliability reference §1.5).

import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acknowledged, type Acknowledged, violations } from './check';
import { Durability } from './durability';
import { leftovers, restarted } from './restarted';
import type { Order } from './writer';
import { attach, Zygote } from './zygote';

export const FAULTS = ['SIGKILL', 'EIO', 'ENOSPC', 'EROFS'] as const;
export type Fault = (typeof FAULTS)[number];

/** Each call the agent's file-system thread may make on its root, and what can befall it. Calls that change nothing leave the same disk behind a kill as the next one that does. */
const CALLS: Readonly<Record<string, readonly Fault[]>> = {
  openat: FAULTS, write: ['SIGKILL', 'EIO', 'ENOSPC'], pwrite64: ['SIGKILL', 'EIO', 'ENOSPC'], fsync: ['SIGKILL', 'EIO', 'ENOSPC'],
  rename: FAULTS, mkdir: FAULTS, unlink: ['SIGKILL', 'EIO', 'EROFS'], rmdir: ['SIGKILL', 'EIO', 'EROFS'], link: FAULTS, ftruncate: ['SIGKILL', 'EIO', 'EROFS'],
  fallocate: ['SIGKILL', 'EIO', 'ENOSPC'], fdatasync: ['SIGKILL', 'EIO', 'ENOSPC'], copy_file_range: ['SIGKILL', 'EIO', 'ENOSPC'],
  close: ['EIO'], read: ['EIO'], getdents64: ['EIO'], statx: ['EIO'], newfstatat: ['EIO'],
};

/** libuv's own wake-ups are writes too, and no file's. */
const WAKE_UP = /^write\(\d+<anon_inode:\[eventfd\]>/;
/** Of the thread itself, or the writer's own words. */
const OTHER = /^(futex|access|madvise|munmap|mmap|mprotect|restart_syscall|sched_yield|rt_sig\w+|brk)$/;

export interface Matrix {
  readonly order: Omit<Order, 'root'>;
  readonly faults: readonly Fault[];
}

export interface Outcome {
  /** Cases in which the fault really happened, by call and fault. */
  readonly cases: Readonly<Record<string, number>>;
  /** Each names the call, its number and the fault. */
  readonly violations: readonly string[];
}

/** @param lanes how many run side by side: each waits for other processes half of its time. */
export async function injectEverywhere(strace: string, program: string, matrix: Matrix, lanes = 3): Promise<Outcome> {
  const found: string[] = [];
  const cases: Record<string, number> = {};
  const all = await Promise.all(Array.from({ length: lanes }, () => Lane.start(strace, program, matrix.order)));
  try {
    const calls = (await Promise.all(all.map((lane) => lane.callsOfOneRun()))).flat();
    const tracks = [...new Set(calls)].flatMap((call) => (CALLS[call] ?? []).filter((fault) => matrix.faults.includes(fault)).map((fault) => ({ call, fault })));
    await Promise.all(all.map(async (lane) => {
      for (let track = tracks.shift(); track !== undefined; track = tracks.shift()) {
        const { call, fault } = track;
        for (let when = 1; ; when += 1) {
          const result = await lane.run(call, fault, when);
          if (result === 'past the end') break;
          cases[`${call} ${fault}`] = when;
          found.push(...result.map((violation) => `${fault} at ${call} #${when}: ${violation}`));
        }
      }
    }));
    return { cases, violations: found };
  } finally {
    for (const lane of all) await lane.stop();
  }
}

/** One root, one waiting writer, one case after the other. */
class Lane {
  readonly #root: string;
  #writer: Promise<Zygote>;
  #paths: readonly string[] = [];
  private constructor(private readonly directory: string, private readonly strace: string, private readonly program: string, private readonly order: Omit<Order, 'root'>) {
    this.#root = join(directory, 'root');
    this.#writer = Zygote.start(program);
  }

  static async start(strace: string, program: string, order: Omit<Order, 'root'>): Promise<Lane> {
    const lane = new Lane(scratchDirectory(), strace, program, order);
    mkdirSync(lane.#root);
    if (order.from > 1) await (await lane.#writer).obey({ root: lane.#root, from: 1, to: order.from - 1 });
    cpSync(lane.#root, join(lane.directory, 'before'), { recursive: true });
    return lane;
  }

  /** Kinds of calls in a run without any fault. Fails on a kind that nobody decided about. */
  async callsOfOneRun(): Promise<readonly string[]> {
    this.#reset();
    const writer = await this.#writer;
    const trace = await attach(this.strace, writer.thread, { calls: ['all'] });
    const said = await writer.obey({ ...this.order, root: this.#root });
    const lines = (await trace.detach()).filter((line) => !WAKE_UP.test(line));
    if (said.at(-1) !== 'end') throw new Error(`the writer did not come to its end even without a fault: ${said.join('; ')}`);
    const calls = new Set(lines.flatMap((line) => /^(\w+)\(/.exec(line)?.[1] ?? []).filter((call) => !OTHER.test(call)));
    const unknown = [...calls].filter((call) => CALLS[call] === undefined);
    if (unknown.length > 0) throw new Error(`calls nobody decided about: ${unknown.join(', ')}`);
    this.#paths = [...new Set(lines.flatMap((line) => [...line.matchAll(/"(\/[^"]+)"/g)].map((match) => match[1] ?? '')))];
    return [...calls];
  }

  /** Violations of one case: just after the fault, after a start of the agent on what it left, and after the work was done again; or that there is no such call any more. */
  async run(call: string, fault: Fault, when: number): Promise<readonly string[] | 'past the end'> {
    this.#reset();
    const order = { ...this.order, root: this.#root };
    const writer = await this.#writer;
    const durability = new Durability(this.#root);
    const trace = await attach(this.strace, writer.thread, { calls: [...Object.keys(CALLS), 'access'], inject: `${call}:${fault === 'SIGKILL' ? 'signal=SIGKILL' : `error=${fault}`}:when=${when}`,
      // The thread also wakes the main one by a write, which is no file's: counted are those on our paths.
      ...call === 'write' ? { paths: this.#paths } : {},
    });
    const said = await writer.obey(order);
    const lines = (await trace.detach()).filter((line) => !WAKE_UP.test(line));
    if (writer.ended) this.#writer = Zygote.start(this.program);
    const hit = fault === 'SIGKILL' ? writer.ended : lines.some((line) => line.includes('(INJECTED)'));
    if (!hit) return 'past the end';
    const acked = acknowledged(`${said.join('\n')}\n`, order.from, order.from > 1);
    return [
      ...fault === 'SIGKILL' || losesNothing(lines) ? [] : namedFailure(said, fault),
      ...violations(this.#root, acked),
      ...fault === 'SIGKILL' || fault === 'EIO' ? await this.#restartedCopy(acked) : [], // Another error leaves the same disk.
      ...durability.follow(lines),
      ...await this.#doneAgain({ ...order, attempt: fault === 'SIGKILL' ? 1 : 2 }, durability),
    ];
  }

  async stop(): Promise<void> {
    await (await this.#writer).stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A new start of the real agent on what was left; on a copy, because what it writes is not traced. */
  async #restartedCopy(acked: Acknowledged): Promise<readonly string[]> {
    const copy = join(this.directory, 'copy');
    rmSync(copy, { recursive: true, force: true });
    cpSync(this.#root, copy, { recursive: true });
    return restarted(copy, acked);
  }

  async #doneAgain(order: Order, durability: Durability): Promise<readonly string[]> {
    const writer = await this.#writer;
    const trace = await attach(this.strace, writer.thread, { calls: [...Object.keys(CALLS), 'access'] });
    const said = await writer.obey(order);
    const lines = await trace.detach();
    const end = { version: order.to + 1, steps: 0, ready: true };
    return [
      ...said.at(-1) === 'end' ? [] : [`done again, it did not come to its end: ${said.at(-1)}`],
      ...durability.follow(lines),
      ...violations(this.#root, end).map((violation) => `done again: ${violation}`),
      ...leftovers(this.#root, false).map((path) => `done again: ${path} was left`),
    ];
  }

  #reset(): void {
    rmSync(this.#root, { recursive: true, force: true });
    cpSync(join(this.directory, 'before'), this.#root, { recursive: true });
  }
}

/** It was told, in words of the failure table. */
function namedFailure(said: readonly string[], fault: Fault): readonly string[] {
  const last = said.at(-1) ?? 'nothing';
  if (last.startsWith(fault === 'ENOSPC' ? 'failed InsufficientDisk ' : 'failed ')) return [];
  return [last === 'end' ? 'nobody was told' : `want a named failure, found: ${last}`];
}

/**
 * Of two kinds of calls a failure loses nothing, and need not be told: closing what was only read (libuv does not report it for a directory), and the look before a
 * removal (Node's `rm` removes all the same, or is refused then). What was done is checked as always.
 */
function losesNothing(trace: readonly string[]): boolean {
  const at = trace.findIndex((line) => line.includes('(INJECTED)'));
  const line = trace[at] ?? '';
  const path = /[<"](\/[^">]*)[">]/.exec(line.replace(/AT_FDCWD<[^>]*>/, ''))?.[1] ?? '';
  if (line.startsWith('close(')) return trace.slice(0, at).findLast((one) => one.startsWith('openat(') && one.includes(`"${path}"`))?.includes('O_RDONLY') === true;
  return line.startsWith('statx(') && line.includes('AT_SYMLINK_NOFOLLOW') && trace.slice(at + 1).some((one) => /^(unlink|rmdir)\(/.test(one) && one.includes(`"${path}"`));
}

/** In memory where there is such a place: what a kill or an error leaves is decided by the page cache, and an fsync of a real disk costs more than all the rest. */
function scratchDirectory(): string {
  const memory = statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() === true ? '/dev/shm' : tmpdir();
  return realpathSync(mkdtempSync(join(memory, 'segue-crash-')));
}
