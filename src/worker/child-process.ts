// A program that we run and that never outlives us: not after our stop, not after our crash, not after kill -9.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import type { Running } from './running';

export interface ChildOptions {
  /** How it is called in messages: `Temporal dev server`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** From SIGTERM to SIGKILL; 0: SIGKILL at once. */
  readonly graceMs?: number;
  /** Takes every line it prints; absent: only the last ones are kept, for the error. */
  readonly onLine?: (line: string) => void;
}

export interface Child extends Running {
  readonly pid: number;
  /** What it printed last, for a message that explains why it ended. */
  lastLines(): string;
}

const KEPT_LINES = 20;
const GRACE_MS = 5_000;

export async function startChild(options: ChildOptions): Promise<Child> {
  // Its own process group: Ctrl-C in a terminal must reach us first, so that what depends on this child can end before it.
  const child = spawn(options.command, options.args, {
    stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { ...process.env, ...options.env },
  });
  const lines: string[] = [];
  const keep = (line: string): void => {
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
    options.onLine?.(line);
  };
  const closed = new Promise<string>((resolve) => child.once('close', (code, signal) => resolve(signal ?? `code ${code}`)));
  await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  eachLine(child.stdout, keep);
  eachLine(child.stderr, keep);
  const pid = child.pid as number;
  const reaper = startReaper(pid);
  const onExit = (): void => kill(pid, 'SIGKILL');
  process.once('exit', onExit);

  let stopping = false;
  const ended = closed.then((how) => {
    process.off('exit', onExit);
    reaper.kill('SIGKILL');
    if (!stopping) throw new Error(`${options.name} ended by itself (${how})${lines.length === 0 ? ' without a word' : `; it said last:\n${lines.join('\n')}`}`);
  });
  ended.catch(() => undefined); // whoever waits for `ended` hears it; nobody need wait
  return {
    pid,
    ended,
    lastLines: () => lines.join('\n'),
    stop: async () => {
      stopping = true;
      const graceMs = options.graceMs ?? GRACE_MS;
      kill(pid, graceMs === 0 ? 'SIGKILL' : 'SIGTERM');
      const late = setTimeout(() => kill(pid, 'SIGKILL'), graceMs);
      await closed;
      clearTimeout(late);
    },
  };
}

/** Its stdin is a pipe that only we hold: when we are gone, however it happened, the kernel closes the pipe and it kills the child. */
function startReaper(pid: number): ChildProcess {
  const reaper = spawn('/bin/sh', ['-c', `cat >/dev/null; kill -s KILL -- -${pid}`], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  reaper.once('error', () => undefined); // no /bin/sh: the exit handler is all there is
  reaper.stdin?.on('error', () => undefined);
  (reaper.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  reaper.unref();
  return reaper;
}

/** The whole process group: what the child started goes with it. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // already gone: what we wanted
  }
}

function eachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString('utf8')).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) onLine(line);
  });
  stream.once('end', () => {
    if (rest !== '') onLine(rest);
  });
}
