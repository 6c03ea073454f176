// The real S3 server is found where it may be, or its absence is said once and wholly.

import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NoVersitygwError, canHaveVersitygw, findVersitygw, startVersitygw } from '../setup/versitygw';

const environment = { ...process.env };
let empty: string;
beforeEach(() => {
  empty = mkdtempSync(join(tmpdir(), 'segue-find-'));
  delete process.env['SEGUE_VERSITYGW'];
  Object.assign(process.env, { PATH: empty, SEGUE_CACHE_DIR: join(empty, 'cache') });
});
afterEach(() => {
  delete process.env['SEGUE_VERSITYGW'];
  delete process.env['SEGUE_CACHE_DIR'];
  Object.assign(process.env, environment);
});

function program(path: string, script = 'exit 0'): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

test('by its variable, then on PATH, then in our cache, in this order', async () => {
  const cached = program(join(empty, 'cache/versitygw-v1.8.0/versitygw'));
  expect(await findVersitygw()).toBe(cached);
  const onPath = program(join(empty, 'versitygw'));
  expect(await findVersitygw()).toBe(onPath);
  const given = (process.env['SEGUE_VERSITYGW'] = program(join(empty, 'given/versitygw')));
  expect(await findVersitygw()).toBe(given);
  process.env['SEGUE_VERSITYGW'] = join(empty, 'nothing');
  await expect(findVersitygw()).rejects.toThrow(/nothing is not an executable file/);
});

test('else it is built by Go into our cache, with one line of progress', async () => {
  program(join(empty, 'go'), `[ "$1" = install ] && [ "$2" = github.com/versity/versitygw/cmd/versitygw@v1.8.0 ] && echo x > "$GOBIN/versitygw" && /bin/chmod +x "$GOBIN/versitygw"`);
  const lines: string[] = [];
  expect(await findVersitygw((line) => lines.push(line))).toBe(join(empty, 'cache/versitygw-v1.8.0/versitygw'));
  expect(lines).toEqual([expect.stringMatching(/building with go install/)]);
});

test('without any of them one error names all four', async () => {
  expect(canHaveVersitygw()).toBe(false);
  const found = findVersitygw(() => undefined);
  await expect(found).rejects.toThrow(NoVersitygwError);
  await expect(found).rejects.toThrow(/SEGUE_VERSITYGW is not set; not on PATH; not in .*cache.*; go install .*: there is no Go/);
  program(join(empty, 'go'), 'echo "module not found" >&2; exit 1');
  expect(canHaveVersitygw()).toBe(true);
  await expect(findVersitygw(() => undefined)).rejects.toThrow(/go install .*: module not found/);
});

test('a binary that does not start is told with what it said', async () => {
  await expect(startVersitygw(program(join(empty, 'broken'), 'echo "no xattr here" >&2; exit 3'))).rejects.toThrow(/ended with 3: no xattr here/);
});
