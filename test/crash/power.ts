// Power cuts: a writer on a real ext4, stopped at random moments; what its device holds at that instant, mounted anew, is what a power cut would have left
// (reliability reference §1.4: a copy under a running writer was seen to lose acknowledged writes falsely, so it is stopped, and the copy counts only if the device stood still).

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { makeLoopFileSystem } from '../setup/loop-file-system';
import { until } from '../setup/until';
import { acknowledged, type Acknowledged, violations } from './check';
import { live, openHost, STEPS } from './life';
import { restarted } from './restarted';
import type { Order } from './writer';

export interface PowerCuts {
  readonly kept: number;
  /** Because the device moved while it was copied. */
  readonly discarded: number;
  /** Kept samples by the step that was under way. */
  readonly duringStep: Readonly<Record<string, number>>;
  readonly versions: number;
  /** Each names the sample. */
  readonly violations: readonly string[];
}

export interface PowerCutOptions {
  readonly samples: number;
  readonly seed: number;
  readonly lyingSync?: Order['lyingSync'];
  /** Stops at the first violation. */
  readonly untilViolated?: boolean;
  readonly onSample?: (kept: number) => void;
}

/** A life takes some tens of milliseconds: every part of it is met. */
const LONGEST_RUN_MS = 25;
/** Kept samples are the rule; far more discarded ones mean that nothing is being tested. */
const DISCARDED_PER_KEPT = 5;

/** @param program the compiled writer. */
export async function cutPower(program: string, options: PowerCutOptions): Promise<PowerCuts> {
  const disk = await makeLoopFileSystem();
  const root = join(disk.mounted, 'root');
  mkdirSync(root);
  const writer = new Writer(program, { root, from: 1, to: Number.MAX_SAFE_INTEGER, ...options.lyingSync === undefined ? {} : { lyingSync: options.lyingSync } }, join(disk.beside, 'said'));
  const random = randomFrom(options.seed);
  const duringStep: Record<string, number> = {};
  const found: string[] = [];
  let [kept, discarded, versions] = [0, 0, 0];
  try {
    await until(() => writer.said().includes('ready\n'));
    while (kept < options.samples && !(options.untilViolated === true && found.length > 0)) {
      await after(random() * LONGEST_RUN_MS);
      const sample = await writer.whileStopped(() => disk.cut());
      if (sample.taken === 'it moved') {
        discarded += 1;
        if (discarded > DISCARDED_PER_KEPT * (kept + 20)) throw new Error(`${discarded} samples discarded, ${kept} kept: the device does not come to rest while the writer is stopped`);
        continue;
      }
      const acked = acknowledged(sample.said, 1, false);
      versions = acked.version;
      duringStep[STEPS[acked.steps] ?? ''] = (duringStep[STEPS[acked.steps] ?? ''] ?? 0) + 1;
      kept += 1;
      found.push(...(await afterTheCut(join(sample.taken.mounted, 'root'), acked, root)).map((violation) => `sample ${kept} of seed ${options.seed}: ${violation}`));
      await sample.taken.discard();
      options.onSample?.(kept);
    }
    return { kept, discarded, duringStep, versions, violations: found };
  } finally {
    await writer.kill();
    await disk.remove();
  }
}

/** What the disk holds; what a new agent makes of it; and that the work can be finished on it. */
async function afterTheCut(copy: string, acked: Acknowledged, root: string): Promise<readonly string[]> {
  const found = [...violations(copy, acked, root), ...await restarted(copy, acked)];
  if (found.length > 0) return found;
  await live(await openHost(copy), acked.version, 1, () => Promise.resolve());
  return violations(copy, { version: acked.version + 1, steps: 0, ready: true }).map((violation) => `done again: ${violation}`);
}

/** Says what it acknowledged into a file elsewhere, so that nothing said is under way when it is stopped. */
class Writer {
  readonly #child: ChildProcess;

  constructor(program: string, order: Order, private readonly file: string) {
    const out = openSync(file, 'w');
    this.#child = spawn(process.execPath, ['--no-warnings', program, JSON.stringify(order)], { stdio: ['ignore', out, 'inherit'] });
    closeSync(out);
  }

  said(): string {
    return readFileSync(this.file, 'utf8');
  }

  async whileStopped<T>(take: () => Promise<T>): Promise<{ readonly said: string; readonly taken: T }> {
    this.#child.kill('SIGSTOP');
    await until(() => this.#isStopped());
    try {
      return { said: this.said(), taken: await take() };
    } finally {
      this.#child.kill('SIGCONT');
    }
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'close');
  }

  /** Every thread: one inside an fsync stops only when that has ended. */
  #isStopped(): boolean {
    if (this.#child.exitCode !== null) throw new Error(`the writer ended: ${this.said().trim().split('\n').at(-1)}`);
    const tasks = `/proc/${this.#child.pid}/task`;
    return readdirSync(tasks).every((tid) => /\) [Tt] /.test(readFileSync(`${tasks}/${tid}/stat`, 'utf8')));
  }
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). What they hit depends on the machine all the same. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

