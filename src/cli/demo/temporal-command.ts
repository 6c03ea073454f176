// The temporal command line itself: what is printed is what is run.

import { spawn } from 'node:child_process';
import type { Say } from './report';

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Wall clock of its start and its end, epoch milliseconds. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

export interface TemporalCommand {
  /** Prints the command as a person would type it, runs it, and never throws for its exit code. */
  run(args: readonly string[]): Promise<CommandResult>;
}

/** `env` decides which server it talks to; the reader is told to export the same. */
export function temporalCommand(options: { readonly cli: string; readonly env: NodeJS.ProcessEnv; readonly say: Say; readonly signal: AbortSignal }): TemporalCommand {
  return {
    run: (args) => {
      options.say(`$ ${typed('temporal', args)}`);
      return runProgram(options.cli, args, options.env, options.signal);
    },
  };
}

/** One line, or several where a flag's value is long: each pasted whole into a POSIX shell gives the same arguments. */
export function typed(program: string, args: readonly string[]): string {
  return [program, ...args].map((word, index) => (index > 0 && word === '--input' ? `\\\n    ${word}` : quoted(word))).join(' ');
}

/** As a POSIX shell needs it. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function runProgram(program: string, args: readonly string[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const startedAtMs = Date.now();
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({
      exitCode: code ?? -1, stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8'), startedAtMs, endedAtMs: Date.now(),
    }));
  });
}
