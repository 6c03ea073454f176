// What `npm test` runs: types, lint, generated code, then every test. All of it, also after a failure; the last line counts them together: `N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
const { lineOf } = createRequire(import.meta.url)('./summary-reporter.js');
const scratch = mkdtempSync(join(tmpdir(), 'segue-test-'));
const summaryFile = join(scratch, 'summary.json');

const checks = [
  ['types', 'npm', ['run', '-s', 'typecheck']],
  ['lint', 'npm', ['run', '-s', 'lint']],
  ['generated code', 'npm', ['run', '-s', 'gen', '--', '--check']],
];
const results = checks.map(([name, command, args]) => ({ name, ok: run(name, command, args) === 0 }));
const jest = run('tests', process.execPath, [join(root, 'node_modules', 'jest', 'bin', 'jest.js'), ...process.argv.slice(2)]);
const tests = testCounts();
// After all others, because its clients wait for answers: 25 rounds of real processes killed and frozen, four to eight minutes by what else the machine does. Not where only some tests were asked for.
if (process.argv.length === 2) results.push({ name: 'chaos', ok: run('chaos', 'npm', ['run', '-s', 'chaos', '--', '--rounds', '25']) === 0 });

for (const { name, ok } of results) console.log(`${ok ? 'passed' : 'FAILED'}: ${name}`);
const passed = tests.passed + results.filter(({ ok }) => ok).length;
// Jest may fail where no test did: a reporter, a global set-up, a process that was killed.
const failed = Math.max(tests.failed, jest === 0 ? 0 : 1) + results.filter(({ ok }) => !ok).length;
rmSync(scratch, { recursive: true, force: true });
console.log(lineOf({ passed, failed }));
process.exitCode = failed === 0 ? 0 : 1;

function run(name, command, args) {
  console.log(`\n== ${name}`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, SEGUE_SUMMARY_FILE: summaryFile } });
  if (error !== undefined) console.error(String(error));
  return status ?? 1;
}

function testCounts() {
  try { return JSON.parse(readFileSync(summaryFile, 'utf8')); } catch { return { passed: 0, failed: 1 }; }
}
