import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { NoTemporalError } from '../../src/worker/no-temporal';
import type { Probes } from '../../src/worker/temporal-cli';
import { resolveTemporalCli, TEMPORAL_CLI_VERSION, waysFrom } from '../../src/worker/temporal-cli';
import { temporalVersion } from '../../src/worker/temporal-install';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'segue-cli-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

describe('the temporal program is taken from the first way that gives one that runs', () => {
  const all = ['named', 'onPath', 'cached', 'downloaded', 'built'] as const;
  test.each(all.map((_, index) => [all[index], all.slice(index)] as const))('%s', async (expected, available) => {
    const { env, probes, paths } = world(available);
    await expect(resolveTemporalCli(quiet, waysFrom(env, probes))).resolves.toBe(paths[expected as keyof typeof paths]);
  });
});

test('when no way works, one error names all five and why each failed', async () => {
  const { env, probes } = world([]);
  const error: unknown = await resolveTemporalCli(quiet, waysFrom(env, probes)).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(NoTemporalError);
  const lines = (error as Error).message.split('\n').slice(1, 6);
  expect(lines.map((line) => line.slice(0, 5))).toEqual(['  1. ', '  2. ', '  3. ', '  4. ', '  5. ']);
  expect(lines[0]).toContain('SEGUE_TEMPORAL_CLI: not set');
  expect(lines[1]).toContain('PATH: not there');
  expect(lines[2]).toContain(`temporal-${TEMPORAL_CLI_VERSION}`);
  expect(lines[3]).toContain('no network');
  expect(lines[4]).toContain(`go install github.com/temporalio/cli/cmd/temporal@${TEMPORAL_CLI_VERSION}: no Go`);
});

test('a program that was named but does not run is told at once, before another is taken', async () => {
  const { env, probes, paths } = world(['onPath']);
  const said: string[] = [];
  await expect(resolveTemporalCli((line) => said.push(line), waysFrom({ ...env, SEGUE_TEMPORAL_CLI: join(scratch, 'mistyped') }, probes))).resolves.toBe(paths.onPath);
  expect(said.join()).toContain('SEGUE_TEMPORAL_CLI is set, but');
});

test('a failed download leaves nothing behind that the next run could take for a program', async () => {
  const { env, probes } = world([]);
  const tearing: Probes = { ...probes, download: (path) => writeProgram(path, 'torn').then(() => Promise.reject(new Error('connection reset'))) };
  await expect(resolveTemporalCli(quiet, waysFrom(env, tearing))).rejects.toThrow('connection reset');
  expect(readdirSync(join(scratch, 'cache')).filter((name) => name.includes('making'))).toEqual([]);
  expect(existsSync(cachedPath())).toBe(false);
});

test('a download that does not run is not kept: building is tried next', async () => {
  const { env, probes } = world(['built']);
  const broken: Probes = { ...probes, download: (path) => writeProgram(path, 'for another machine') };
  await resolveTemporalCli(quiet, waysFrom(env, { ...broken, runs: (path) => (readFileSync(path, 'utf8') === 'for another machine' ? Promise.reject(new Error('exec format error')) : Promise.resolve()) }));
  expect(readFileSync(cachedPath(), 'utf8')).toBe('built');
});

test('many that need it at once never see half a program, and end with a whole one', async () => {
  const { env, probes } = world([]);
  const slow: Probes = {
    ...probes,
    runs: (path) => (readFileSync(path, 'utf8') === 'whole' ? Promise.resolve() : Promise.reject(new Error('half a program'))),
    download: async (path) => {
      await writeProgram(path, 'wh');
      await new Promise((resolve) => setImmediate(resolve));
      await writeProgram(path, 'whole');
    },
  };
  const found = await Promise.all(Array.from({ length: 8 }, () => resolveTemporalCli(quiet, waysFrom(env, slow))));
  expect(new Set(found)).toEqual(new Set([cachedPath()]));
  expect(readFileSync(cachedPath(), 'utf8')).toBe('whole');
  expect(readdirSync(join(scratch, 'cache'))).toEqual([`temporal-${TEMPORAL_CLI_VERSION}`]);
});

test('a program that is not there, may not be run, or fails says which', async () => {
  await expect(temporalVersion(join(scratch, 'none'))).rejects.toThrow('is not a program we may run (ENOENT)');
  writeFileSync(join(scratch, 'plain'), '');
  await expect(temporalVersion(join(scratch, 'plain'))).rejects.toThrow('is not a program we may run (EACCES)');
  await writeProgram(join(scratch, 'failing'), '#!/bin/sh\nexit 3\n');
  await expect(temporalVersion(join(scratch, 'failing'))).rejects.toThrow('--version failed');
});

type Where = 'named' | 'onPath' | 'cached' | 'downloaded' | 'built';

/** A machine on which only these ways work. */
function world(available: readonly Where[]): { env: Record<string, string>; probes: Probes; paths: Record<Where, string> } {
  const paths: Record<Where, string> = { named: join(scratch, 'named', 'temporal'), onPath: join(scratch, 'bin', 'temporal'), cached: cachedPath(), downloaded: cachedPath(), built: cachedPath() };
  for (const where of ['named', 'onPath', 'cached'] as const) {
    if (!available.includes(where)) continue;
    mkdirSync(dirname(paths[where]), { recursive: true });
    writeFileSync(paths[where], where);
  }
  const make = (where: Where, why: string) => (path: string): Promise<void> => (available.includes(where) ? writeProgram(path, where) : Promise.reject(new Error(why)));
  const probes: Probes = {
    runs: (path) => (existsSync(path) ? Promise.resolve() : Promise.reject(new Error(`${path} is not a program we may run (ENOENT)`))),
    download: make('downloaded', 'no network'),
    install: make('built', 'no Go'),
  };
  const env: Record<string, string> = { PATH: `/nowhere:${join(scratch, 'bin')}`, SEGUE_CACHE_DIR: join(scratch, 'cache') };
  if (available.includes('named')) env['SEGUE_TEMPORAL_CLI'] = paths.named;
  return { env, probes, paths };
}

function cachedPath(): string {
  return join(scratch, 'cache', `temporal-${TEMPORAL_CLI_VERSION}`, 'temporal');
}

async function writeProgram(path: string, text: string): Promise<void> {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

function quiet(): void {}
