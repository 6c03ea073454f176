// Where the `temporal` program comes from: five ways, asked in this order; the first that gives a program that runs is taken.

import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { errorText } from './error-text';
import { NoTemporalError } from './no-temporal';
import { downloadTemporal } from './temporal-download';
import { goInstall, temporalVersion } from './temporal-install';

/** The last version without a replace line in its go.mod: the newest that `go install` can build (Temporal reference §4.3). */
export const TEMPORAL_CLI_VERSION = 'v1.5.1';
export const TEMPORAL_CLI_MODULE = `github.com/temporalio/cli/cmd/temporal@${TEMPORAL_CLI_VERSION}`;

/** One way to the program. `find` gives its path, or throws an Error whose message is the reason why not. */
export interface Way {
  readonly name: string;
  readonly find: (report: Report) => Promise<string>;
}

/** Takes one line of progress for a person. */
export type Report = (line: string) => void;

/** The path of a `temporal` program that answered `--version`. Throws NoTemporalError naming every way and why it failed. */
export async function resolveTemporalCli(report: Report = toStderr, ways: readonly Way[] = waysFrom(process.env)): Promise<string> {
  const reasons: string[] = [];
  for (const [index, way] of ways.entries()) {
    try {
      return await way.find(report);
    } catch (error) {
      reasons.push(`  ${index + 1}. ${way.name}: ${errorText(error)}`);
    }
  }
  throw new NoTemporalError(
    `no temporal command line found. Tried, in this order:\n${reasons.join('\n')}\n` +
      'Install it (https://docs.temporal.io/cli), or set SEGUE_TEMPORAL_CLI to its path, or TEMPORAL_ADDRESS to a server that runs.',
  );
}

/** The effects behind the five ways, so that their order and reasons can be tested without installing anything. */
export interface Probes {
  /** Throws unless this path is a program that answers `--version`. */
  readonly runs: (path: string) => Promise<void>;
  /** Both put the program at this path, or throw and leave nothing there. */
  readonly download: (path: string, report: Report) => Promise<void>;
  readonly install: (path: string, report: Report) => Promise<void>;
}

const REAL: Probes = {
  runs: temporalVersion,
  download: (path, report) => downloadTemporal(TEMPORAL_CLI_VERSION, path, report),
  install: (path, report) => goInstall(TEMPORAL_CLI_MODULE, path, report),
};

export function waysFrom(env: Readonly<Record<string, string | undefined>>, probes: Probes = REAL): readonly Way[] {
  const cached = join(cacheDirectory(env), `temporal-${TEMPORAL_CLI_VERSION}`, executable('temporal'));
  return [
    { name: 'SEGUE_TEMPORAL_CLI', find: (report) => given(env['SEGUE_TEMPORAL_CLI'], probes, report) },
    { name: 'temporal on PATH', find: () => onPath(env['PATH'] ?? '', probes) },
    { name: `our cache (${cached})`, find: () => runnable(cached, probes) },
    { name: "the download service of Temporal's SDKs", find: (report) => made(cached, probes, probes.download, report) },
    { name: `go install ${TEMPORAL_CLI_MODULE}`, find: (report) => made(cached, probes, probes.install, report) },
  ];
}

/** Where programs that we fetched or built are kept between runs. */
export function cacheDirectory(env: Readonly<Record<string, string | undefined>>): string {
  return env['SEGUE_CACHE_DIR'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'segue');
}

/** A person who named a program should hear at once that another one is taken. */
async function given(path: string | undefined, probes: Probes, report: Report): Promise<string> {
  if (!path) throw new Error('not set');
  return runnable(path, probes).catch((error: unknown) => {
    report(`SEGUE_TEMPORAL_CLI is set, but ${errorText(error)}; looking further`);
    throw error;
  });
}

async function onPath(path: string, probes: Probes): Promise<string> {
  for (const directory of path.split(delimiter).filter((entry) => entry !== '')) {
    const program = join(directory, executable('temporal'));
    const runs = await probes.runs(program).then(() => true, () => false);
    if (runs) return program;
  }
  throw new Error('not there');
}

async function runnable(path: string, probes: Probes): Promise<string> {
  await probes.runs(path);
  return path;
}

/** Made beside its final place and renamed into it: whoever else makes it at the same time, a reader finds a whole program or none. */
async function made(path: string, probes: Probes, make: (path: string, report: Report) => Promise<void>, report: Report): Promise<string> {
  const directory = join(path, '..');
  await mkdir(directory, { recursive: true });
  const workshop = await mkdtemp(`${directory}-making-`);
  try {
    const program = join(workshop, executable('temporal'));
    await make(program, report);
    await probes.runs(program);
    await rename(program, path);
    return path;
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

function executable(name: string): string {
  return process.platform === 'win32' ? `${name}.exe` : name;
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
