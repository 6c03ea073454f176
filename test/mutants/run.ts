// npm run mutants: each mutant alone in a copy of the domain, held against the domain's own tests and, where these see nothing, against the exploration of the small worlds.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { MUTANTS, type Mutant } from './mutants';

const ROOT = resolve(__dirname, '../..');
const AT_ONCE = 2;
const CHECKS = ['test/domain', 'test/exploration'];

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'segue-mutants-'));
  const began = performance.now();
  const only = process.argv[2];
  const left = MUTANTS.map((mutant, index) => ({ mutant, index })).filter(({ mutant }) => only === undefined || `${mutant.file} ${mutant.harm}`.includes(only));
  let [killed, survived] = [0, 0];
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, async (_, worker) => {
      const place = copyOf(join(scratch, String(worker)));
      for (const check of worker === 0 ? CHECKS : []) {
        const failed = await firstFailure(place, check);
        if (failed !== undefined) throw new Error(`without any mutant, ${failed} fails`);
      }
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const by = await killer(place, next.mutant);
        if (by === undefined) survived += 1;
        else killed += 1;
        console.log(`${by === undefined ? 'SURVIVED' : 'killed  '} ${next.mutant.file}: ${next.mutant.harm}\n           ${by === undefined ? `${next.mutant.text}  ->  ${next.mutant.instead}` : `by: ${by}`}`);
      }
    }));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  console.log(`${killed} killed, ${survived} survived (${((performance.now() - began) / 1000).toFixed(0)} s)`);
  process.exitCode = survived === 0 && killed > 0 ? 0 : 1;
}

function copyOf(place: string): string {
  mkdirSync(place, { recursive: true });
  for (const part of ['src', ...CHECKS, 'test/setup', 'test/data/tfserving-core-traces/README.md', 'package.json', 'tools', 'docs']) cpSync(join(ROOT, part), join(place, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(place, 'node_modules'));
  const { transform, testEnvironment } = require(join(ROOT, 'jest.config.js')) as { transform: unknown; testEnvironment: string };
  writeFileSync(join(place, 'jest.config.json'), JSON.stringify({ transform, testEnvironment, testTimeout: 60_000 }));
  return place;
}

/** The first check that fails with it; nothing where all pass. A mutant that does not compile is no mutant. */
async function killer(place: string, { file, text, instead }: Mutant): Promise<string | undefined> {
  const original = readFileSync(join(ROOT, file), 'utf8');
  if (original.split(text).length !== 2) throw new Error(`${file} has not exactly once: ${text}`);
  writeFileSync(join(place, file), original.replace(text, () => instead));
  try {
    for (const check of CHECKS) {
      const failed = await firstFailure(place, check);
      if (failed !== undefined) return failed;
    }
    return undefined;
  } finally {
    writeFileSync(join(place, file), original);
  }
}

/** A mutant that loops for ever is found out by this. */
const CHECK_MS = 120_000;

function firstFailure(place: string, check: string): Promise<string | undefined> {
  return new Promise((done, fail) => {
    execFile(process.execPath, [join(ROOT, 'node_modules/jest/bin/jest.js'), '-c', 'jest.config.json', '--bail', '--silent', '-i', check], { cwd: place, timeout: CHECK_MS, killSignal: 'SIGKILL', maxBuffer: 64 << 20 }, (error, _out, said) => {
      if (error === null) return done(undefined);
      if (error.killed === true) return done(`${check} does not end`);
      const failed = /^ {2}● (.*)$/m.exec(said)?.[1];
      if (failed === undefined || failed.startsWith('Test suite failed to run')) return fail(new Error(`${check} could not be run: ${said.slice(0, 3000)}`));
      done(`${check}: ${failed}`);
    });
  });
}

void main();
