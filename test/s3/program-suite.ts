// A program that tests need is found where it may be, or installed, or its absence is said once and wholly.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NoProgramError, type Say } from '../setup/program';

export interface ProgramUnderTest {
  readonly find: (say?: Say) => Promise<string>;
  readonly canHave: () => boolean;
  /** Runs it as a server; only seen to fail here. */
  readonly start: (binary: string) => Promise<unknown>;
  readonly variable: string;
  readonly file: string;
  /** Below the cache. */
  readonly cached: string;
  readonly installer: string;
  /** A shell script in place of the installer, which does what it is asked for, once it has seen that it is asked rightly. @param asked where it may leave what it was asked */
  readonly installing: (asked: string) => string;
  readonly seen?: (asked: string) => void;
  /** Of the error: what was tried last. */
  readonly tried: string;
  readonly installable: boolean;
}

export function program(path: string, script = 'exit 0'): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

export function programSuite({ find, canHave, start, variable, file, cached, installer, installing, seen, tried, installable }: ProgramUnderTest): void {
  const environment = { ...process.env };
  let empty: string;
  beforeEach(() => {
    empty = mkdtempSync(join(tmpdir(), 'segue-find-'));
    delete process.env[variable];
    Object.assign(process.env, { PATH: empty, SEGUE_CACHE_DIR: join(empty, 'cache') });
  });
  afterEach(() => {
    delete process.env[variable];
    delete process.env['SEGUE_CACHE_DIR'];
    Object.assign(process.env, environment);
  });

  test('by its variable, then on PATH, then in our cache, in this order', async () => {
    const kept = program(join(empty, 'cache', cached));
    expect(await find()).toBe(kept);
    const onPath = program(join(empty, file));
    expect(await find()).toBe(onPath);
    const given = (process.env[variable] = program(join(empty, 'given', file)));
    expect(await find()).toBe(given);
    process.env[variable] = join(empty, 'nothing');
    await expect(find()).rejects.toThrow(/nothing is not an executable file/);
  });

  test('else it is installed into our cache, with one line of progress, and nothing is left beside it', async () => {
    const asked = join(empty, 'asked');
    program(join(empty, installer), installing(asked));
    const lines: string[] = [];
    const found = await find((line) => lines.push(line));
    expect([found, existsSync(found)]).toEqual([join(empty, 'cache', cached), true]);
    expect(lines).toEqual([expect.stringMatching(/building .* with go install|installing .* with pip/)]);
    expect(readdirSync(join(empty, 'cache'))).toEqual([cached.split('/')[0]]);
    seen?.(asked);
  });

  test('without any of them one error names all four', async () => {
    expect(canHave()).toBe(false);
    const found = find(() => undefined);
    await expect(found).rejects.toThrow(NoProgramError);
    await expect(found).rejects.toThrow(new RegExp(`${variable} is not set; not on PATH; not in .*cache.*; ${tried}: there is no ${installer}\\.`));
    program(join(empty, installer), 'echo "no such thing" >&2; exit 1');
    expect(canHave()).toBe(installable);
    await expect(find(() => undefined)).rejects.toThrow(new RegExp(`${tried}: no such thing`));
    expect(readdirSync(join(empty, 'cache'))).toEqual([]);
  });

  test('a binary that does not start is told with what it said', async () => {
    await expect(start(program(join(empty, 'broken'), 'echo "no xattr here" >&2; exit 3'))).rejects.toThrow(/ended with 3: no xattr here/);
  });
}
