// Programs that tests run beside ours: found where they may be, or installed once into our cache.

import { existsSync } from 'node:fs';
import { access, constants, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

export interface Program {
  readonly name: string;
  /** Names the file where somebody gives it. */
  readonly variable: string;
  /** Its file name on PATH. */
  readonly file: string;
  /** Of our cache: one folder for each version. */
  readonly folder: string;
  /** Its place in that folder. */
  readonly place: string;
  readonly installer: 'go' | 'python3';
  /** Systems the installer has it for; absent: all. */
  readonly platform?: NodeJS.Platform;
  /** What installing does, as it is typed. */
  readonly command: string;
  /** What is said once, because it takes its time. */
  readonly said: string;
  readonly advice: string;
  /** Rejects with what the installer said. Afterwards it is in that folder. */
  install(folder: string): Promise<void>;
}

/** Neither there nor to be had. The message says what was tried, and what to do. */
export class NoProgramError extends Error {
  override readonly name = 'NoProgramError';
}

export type Say = (line: string) => void;
const toStderr: Say = (line) => void process.stderr.write(`${line}\n`);

/** By its variable, then on PATH, then in our cache, else installed there, with a line of progress. Throws NoProgramError naming all four. */
export async function findProgram(program: Program, say: Say = toStderr): Promise<string> {
  const { name, variable, file, command, said, advice } = program;
  const given = process.env[variable];
  if (given !== undefined && given !== '') {
    if (await executable(given)) return given;
    throw new NoProgramError(`${variable}=${given} is not an executable file`);
  }
  const cached = cachedAt(program);
  for (const candidate of [...onPath(file), cached]) if (await executable(candidate)) return candidate;
  say(`${name}: ${said}`);
  const why = await installed(program);
  if (why === undefined) return cached;
  throw new NoProgramError(`no ${name}: ${variable} is not set; not on PATH; not in ${folderOf(program)}; ${command}: ${why}. ${advice}, or set ${variable} to the binary.`);
}

/** Is there a binary, or what installs it? Looks at files only. */
export function canHaveProgram(program: Program): boolean {
  const there = (file: string): boolean => onPath(file).some((path) => existsSync(path));
  const { platform = process.platform } = program;
  return (process.env[program.variable] ?? '') !== '' || there(program.file) || existsSync(cachedAt(program)) || (platform === process.platform && there(program.installer));
}

/** Why it could not be; nothing when it was. */
async function installed(program: Program): Promise<string | undefined> {
  try {
    await mkdir(dirname(folderOf(program)), { recursive: true });
    await program.install(folderOf(program));
    return undefined;
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
    return code === 'ENOENT' ? `there is no ${program.installer}` : (stderr?.trim().split('\n').at(-1) ?? message);
  }
}

function folderOf({ folder }: Program): string {
  const ours = process.env['SEGUE_CACHE_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'segue');
  return join(ours, folder);
}

function cachedAt(program: Program): string {
  return join(folderOf(program), program.place);
}

function onPath(file: string): readonly string[] {
  return (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, file));
}

async function executable(path: string): Promise<boolean> {
  return existsSync(path) && access(path, constants.X_OK).then(() => true, () => false);
}
