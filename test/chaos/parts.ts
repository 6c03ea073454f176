// A process that can be killed, ended, frozen and started again, with a log. One that ends although nobody ended it is news.

import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { startChild, type Child } from '../../src/worker/child-process';

export interface PartOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What it prints once it is ready, or a look that says so. */
  readonly ready: string | (() => Promise<boolean>);
  readonly logFile: string;
  /** Told when it ended by itself. */
  readonly onSurprise: (what: string) => void;
}

const READY_MS = 60_000;
const TRY_EVERY_MS = 500;
const LOOK_EVERY_MS = 50;
/** A worker gives its activities ten seconds; more is a process that does not end. */
const END_MS = 20_000;

export class Part {
  #child: Child | undefined;
  #queue: Promise<void> = Promise.resolve();
  #stopping = false;
  readonly pids: number[] = [];

  constructor(readonly options: PartOptions) {}

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** As its supervisor would: until it is ready, again where it ended before. */
  async start(): Promise<void> {
    const deadline = Date.now() + READY_MS;
    for (;;) {
      if (await this.#startOnce()) return;
      if (Date.now() > deadline) throw new Error(`${this.options.name} did not come up within ${READY_MS / 1000} s: see ${this.options.logFile}`);
      await delay(TRY_EVERY_MS);
    }
  }

  /** Ends it and starts it again. One thing at a time: what comes meanwhile waits for its turn. */
  restart(signal: 'SIGKILL' | 'SIGTERM', { before, after }: { readonly before?: () => void; readonly after?: () => Promise<void> } = {}): Promise<void> {
    return this.#inTurn(async () => {
      before?.();
      await this.#end(signal);
      await this.start();
      await after?.();
    });
  }

  freeze(forMs: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#log(`-- SIGSTOP for ${forMs} ms`);
      this.#signal('SIGSTOP');
      await delay(forMs);
      this.#signal('SIGCONT');
      this.#log('-- SIGCONT');
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal('SIGCONT');
    await this.#child?.stop();
  }

  async #startOnce(): Promise<boolean> {
    const { name, command, args, env, ready } = this.options;
    let isReady: () => void = () => undefined;
    const said = new Promise<true>((resolve) => { isReady = () => resolve(true); });
    const child = await startChild({ name, command, args, env, graceMs: 1_000, onLine: (line) => {
      this.#log(line);
      if (typeof ready === 'string' && line.includes(ready)) isReady();
    } });
    this.#child = child;
    this.pids.push(child.pid);
    this.#log(`-- started, pid ${child.pid}`);
    if (this.#stopping) await child.stop();
    if (typeof ready === 'function') void lookUntil(ready, child.ended).then(isReady);
    const came = await Promise.race([said, child.ended.then(() => false, () => false)]);
    if (came) child.ended.catch(() => { if (this.#child === child && !this.#stopping) this.#surprise(); });
    return came || this.#stopping;
  }

  #surprise(): void {
    this.options.onSurprise(`${this.options.name} ended by itself; it said last: ${this.#child?.lastLines().split('\n').at(-1) ?? ''}`);
    this.#inTurn(() => this.start()).catch((error: unknown) => this.options.onSurprise(String(error)));
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined; // its end is no surprise
    this.#log(`-- ${signal}`);
    process.kill(child.pid, signal);
    const late = setTimeout(() => {
      this.options.onSurprise(`${this.options.name} did not end within ${END_MS / 1000} s of ${signal}`);
      process.kill(child.pid, 'SIGKILL');
    }, END_MS);
    await child.ended.catch(() => undefined);
    clearTimeout(late);
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      if (this.#child !== undefined) process.kill(this.#child.pid, signal);
    } catch {
      // it is gone: nothing to freeze
    }
  }

  #inTurn(what: () => Promise<void>): Promise<void> {
    const mine = this.#queue.then(what);
    this.#queue = mine.catch(() => undefined);
    return mine;
  }

  #log(line: string): void {
    appendFileSync(this.options.logFile, `${new Date().toISOString()} ${line}\n`);
  }
}

async function lookUntil(ready: () => Promise<boolean>, ended: Promise<void>): Promise<void> {
  let over = false;
  ended.catch(() => { over = true; });
  while (!over && !await ready()) await delay(LOOK_EVERY_MS);
}
