// That every mutant still has its place in the code: `npm run mutants` runs for minutes and not with every change, and a mistake that is nowhere is found out by nobody.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MUTANTS } from './mutants';

const ROOT = resolve(__dirname, '../..');

test.each(MUTANTS.map(({ file, harm, text, instead }) => [`${file}: ${harm}`, file, text, instead] as const))('%s', (_name, file, text, instead) => {
  expect(readFileSync(join(ROOT, file), 'utf8').split(text)).toHaveLength(2);
  expect(instead).not.toBe(text);
});

test('no mistake is made twice', () => {
  const made = MUTANTS.map(({ file, text, instead }) => `${file} ${text} ${instead}`);
  expect(new Set(made).size).toBe(made.length);
});
