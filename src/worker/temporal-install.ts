// `go install` of a program into a given place, with a line of progress while it builds.

import { execFile, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { errorCode, errorLine } from './error-text';

/** Two and a half minutes on two cores were measured (Temporal reference §9); a busy or slow machine needs more. */
const INSTALL_DEADLINE_MS = 20 * 60_000;
const PROGRESS_EVERY_MS = 5_000;
const VERSION_DEADLINE_MS = 20_000;

/** Builds `module` with Go into the directory of `path`. Throws with Go's own last words; needs Go and a module proxy it can reach. */
export async function goInstall(module: string, path: string, report: (line: string) => void): Promise<void> {
  await promisify(execFile)('go', ['version'], { timeout: VERSION_DEADLINE_MS }).catch((error: unknown) => {
    throw new Error(`go does not run (${reason(error)}); Go ≥ 1.25 from https://go.dev/dl would do`);
  });
  const startedMs = Date.now();
  const elapsed = (): string => `${Math.round((Date.now() - startedMs) / 1000)} s`;
  report(`building the temporal command line once: go install ${module} (some minutes)`);
  const ticker = setInterval(() => report(`… still building, ${elapsed()}`), PROGRESS_EVERY_MS);
  try {
    await run('go', ['install', module], { GOBIN: dirname(path) });
    await access(path, constants.X_OK);
    report(`built in ${elapsed()}`);
  } finally {
    clearInterval(ticker);
  }
}

/** Throws unless the file is there, may be run, and answers `--version`. */
export async function temporalVersion(path: string): Promise<void> {
  await access(path, constants.X_OK).catch((error: unknown) => {
    throw new Error(`${path} is not a program we may run (${reason(error)})`);
  });
  await promisify(execFile)(path, ['--version'], { timeout: VERSION_DEADLINE_MS }).catch((error: unknown) => {
    throw new Error(`${path} --version failed (${reason(error)})`);
  });
}

/** A program whose words are its own affair: only what it said last is kept, for the error. */
function run(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env }, timeout: INSTALL_DEADLINE_MS });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-2_000);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`ended with ${signal ?? code}: ${said.trim().split('\n').slice(-3).join(' | ') || 'it said nothing'}`));
    });
  });
}

function reason(error: unknown): string {
  const code = errorCode(error);
  return typeof code === 'string' ? code : errorLine(error);
}
