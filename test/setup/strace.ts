// strace, for tests that fail the agent's system calls: found, or unpacked from the distribution's package into our cache, or installed.
// https://strace.io

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { APT_TIMEOUT_MS, installPackages } from './apt';
import { may } from './capabilities';

const run = promisify(execFile);

/** Why there can be none here, or none that could be attached to a process; nothing where it can be tried. Looks at files only. */
export function reasonNoStrace(): string | undefined {
  if (process.platform !== 'linux') return `${process.platform} has no strace`;
  if (![process.env['SEGUE_STRACE'] ?? '', join(cacheDirectory(), 'strace'), ...onPath('strace'), ...onPath('apt-get')].some((path) => path !== '' && existsSync(path))) return 'there is neither strace nor apt-get';
  const yama = '/proc/sys/kernel/yama/ptrace_scope';
  if (!may('traceOthers') && existsSync(yama) && readFileSync(yama, 'utf8').trim() !== '0') return `attaching strace needs root, CAP_SYS_PTRACE, or 0 in ${yama}`;
  return undefined;
}

/** The program: SEGUE_STRACE, PATH, our cache, the distribution's package unpacked into our cache, or (as root) installed. Throws naming all that was tried. */
export async function findStrace(): Promise<string> {
  const given = process.env['SEGUE_STRACE'];
  if (given !== undefined && given !== '') return given;
  const cached = join(cacheDirectory(), 'strace');
  const tried: string[] = [];
  for (const candidate of [...onPath('strace'), cached]) if (existsSync(candidate) && await works(candidate, tried)) return candidate;
  for (const get of [unpackPackage, installPackage]) {
    const found = await get(cached).catch((error: unknown) => { tried.push(`${get.name}: ${lastLine(error)}`); });
    if (found !== undefined && await works(found, tried)) return found;
  }
  throw new Error(`no strace: SEGUE_STRACE is not set; not on PATH; not in ${cacheDirectory()}; ${tried.join('; ')}. Install strace, or set SEGUE_STRACE to it.`);
}

/** Changes nothing of the system. */
async function unpackPackage(cached: string): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), 'segue-strace-'));
  try {
    await run('apt-get', ['download', 'strace'], { cwd: scratch, timeout: APT_TIMEOUT_MS });
    const deb = (await readdir(scratch)).find((name) => name.endsWith('.deb'));
    if (deb === undefined) throw new Error('apt-get download left no package');
    await run('dpkg-deb', ['-x', join(scratch, deb), join(scratch, 'unpacked')]);
    await mkdir(cacheDirectory(), { recursive: true });
    await run('cp', [join(scratch, 'unpacked/usr/bin/strace'), `${cached}.${process.pid}`]);
    await rename(`${cached}.${process.pid}`, cached);
    return cached;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function installPackage(): Promise<string> {
  await installPackages(['strace']);
  return '/usr/bin/strace';
}

async function works(path: string, tried: string[]): Promise<boolean> {
  return run(path, ['-V']).then(() => true, (error: unknown) => { tried.push(`${path}: ${lastLine(error)}`); return false; });
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { readonly stderr?: string; readonly message: string };
  return (stderr ?? '').trim().split('\n').at(-1) || message;
}

function onPath(name: string): readonly string[] {
  return (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name));
}

function cacheDirectory(): string {
  const ours = process.env['SEGUE_CACHE_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'segue');
  return join(ours, 'strace');
}
