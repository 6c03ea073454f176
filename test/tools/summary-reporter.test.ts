import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(__dirname, '../..');

test.each([
  ['all is well', "test('a', () => {}); test('b', () => {});", {}, '2 passed, 0 failed', 0],
  ['one fails', "test('a', () => {}); test('b', () => { throw new Error('no'); });", {}, '1 passed, 1 failed', 1],
  ['a file that cannot run is a failure, not silence', 'this is no code', {}, '0 passed, 1 failed', 1],
  ['a skipped test is no failure at a desk', "test('a', () => {}); test.skip('b', () => {});", {}, '1 passed, 0 failed', 0],
  ['with CI set it is one', "test('a', () => {}); test.skip('b', () => {});", { CI: '1' }, '1 passed, 1 failed', 1],
])('%s', (_, code, env, line, status) => {
  const scratch = mkdtempSync(join(tmpdir(), 'segue-summary-'));
  try {
    mkdirSync(join(scratch, 'test'));
    writeFileSync(join(scratch, 'test', 'one.test.js'), code);
    const config = { rootDir: scratch, testEnvironment: require.resolve('jest-environment-node'), reporters: [join(root, 'tools', 'summary-reporter.js')], transform: {}, haste: { forceNodeFilesystemAPI: true } };
    const ended = spawnSync(process.execPath, [join(root, 'node_modules/jest/bin/jest.js'), '--config', JSON.stringify(config), '-i', '--cache=false'], { cwd: scratch, encoding: 'utf8', env: { ...withoutCi(), ...env } });
    expect({ line: ended.stdout.trim().split('\n').at(-1), status: ended.status }).toEqual({ line, status });
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

function withoutCi(): NodeJS.ProcessEnv {
  const { CI: _ci, SEGUE_SUMMARY_FILE: _file, ...env } = process.env;
  return env;
}
