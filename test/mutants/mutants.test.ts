// The list of mutants is kept true: `npm run mutants` would otherwise test nothing.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { MUTANTS } from './mutants';

test('there are at least thirty', () => expect(MUTANTS.length).toBeGreaterThanOrEqual(30));
test.each(MUTANTS.map((one) => [one.file, one.harm, one.text] as const))('%s: %s: its text stands there once', (file, _harm, text) => {
  expect(readFileSync(resolve(__dirname, '../..', file), 'utf8').split(text)).toHaveLength(2);
});
