// A writer that waits for orders, with strace on the one thread that makes its file-system calls: a case costs some milliseconds instead of the start of a process.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Order } from './writer';

export class Zygote {
  #lines: string[] = [];
  #heard: () => void = () => undefined;
  ended = false;
  private constructor(private readonly child: ChildProcess) {}

  /** @param program the compiled writer. */
  static async start(program: string): Promise<Zygote> {
    const child = spawn(process.execPath, ['--no-warnings', program], { env: { ...process.env, UV_THREADPOOL_SIZE: '1' }, stdio: ['pipe', 'pipe', 'inherit'] });
    const zygote = new Zygote(child);
    if (child.stdout === null || child.stdin === null) throw new Error('no pipes');
    child.stdin.on('error', () => undefined); // It was killed, which is told by `ended`.
    createInterface({ input: child.stdout }).on('line', (line) => { zygote.#lines.push(line); zygote.#heard(); });
    child.once('close', () => { zygote.ended = true; zygote.#heard(); });
    await zygote.#until((line) => line.startsWith('thread '));
    zygote.thread = Number(zygote.#lines.splice(0)[0]?.split(' ')[1]);
    return zygote;
  }

  thread = 0;

  /** All lines it said until it had done the order, or was killed. */
  async obey(order: Order): Promise<readonly string[]> {
    this.child.stdin?.write(`${JSON.stringify(order)}\n`);
    await this.#until((line) => line === '.');
    return this.#lines.splice(0).filter((line) => line !== '.');
  }

  async stop(): Promise<void> {
    if (this.ended) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'close');
  }

  async #until(is: (line: string) => boolean): Promise<void> {
    while (!this.ended && !this.#lines.some(is)) await new Promise<void>((resolve) => { this.#heard = resolve; });
  }
}

export interface Tracing {
  /** Such as `fsync:error=EIO:when=3`; absent: only looked at. */
  readonly inject?: string;
  /** The traced calls. */
  readonly calls: readonly string[];
  /** Only calls on exactly these. */
  readonly paths?: readonly string[];
}

/** Attached when this resolves; `detach` gives the lines of the trace. */
export async function attach(strace: string, thread: number, { inject, calls, paths = [] }: Tracing): Promise<{ detach(): Promise<readonly string[]> }> {
  const args = ['-y', '-s', '0', '-p', String(thread), '-e', `trace=${calls.join(',')}`, ...inject === undefined ? [] : ['-e', `inject=${inject}`], ...paths.flatMap((path) => ['-P', path])];
  const child = spawn(strace, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  let heard = (): void => undefined;
  child.stderr.on('data', (chunk: Buffer) => { text += chunk.toString(); heard(); });
  let ended = false;
  child.once('close', () => { ended = true; heard(); });
  while (!ended && !text.includes(' attached')) await new Promise<void>((resolve) => { heard = resolve; });
  if (ended) throw new Error(`strace could not attach: ${text.trim()} (the same user, and /proc/sys/kernel/yama/ptrace_scope 0 or root, are needed)`);
  return {
    detach: async () => {
      if (!ended) {
        child.kill('SIGINT');
        await once(child, 'close');
      }
      return text.split('\n').slice(1);
    },
  };
}
