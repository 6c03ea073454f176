// The segue command as a process of its own, straight from the sources.

import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(__dirname, '../..');

export interface SegueProcess {
  readonly child: ChildProcess;
  /** Resolves when it has said this on either stream; rejects when it ended without. */
  readonly said: (text: string) => Promise<void>;
  readonly output: () => string;
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

export function startSegue(args: readonly string[], env: Readonly<Record<string, string>> = {}): SegueProcess {
  const child = spawn(process.execPath, ['-r', join(root, 'tools/ts.cjs'), join(root, 'src/cli/main.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let output = '';
  let over = false;
  let wake: () => void = () => undefined;
  const hear = (chunk: Buffer): void => {
    output += chunk.toString();
    wake();
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const ended = new Promise<number | NodeJS.Signals | null>((done) => child.once('close', (code, signal) => {
    over = true;
    wake();
    done(code ?? signal);
  }));
  const said = async (text: string): Promise<void> => {
    while (!output.includes(text)) {
      if (over) throw new Error(`segue ${args[0]} ended without saying ${JSON.stringify(text)}; it said:\n${output}`);
      await new Promise<void>((done) => { wake = done; });
    }
  };
  return { child, said, output: () => output, ended };
}
