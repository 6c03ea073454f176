import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FAILURES, isFailureCode, type FailureRow } from '../../src/domain/failures';
import { program } from '../../src/cli/program';

const rows = Object.entries<FailureRow>(FAILURES);

test('every row says what it means and what to do next', () => {
  for (const [code, row] of rows) expect({ code, meaning: row.meaning.length > 10, next: row.next.length > 5 }).toEqual({ code, meaning: true, next: true });
});

test.each(rows.map(([code, row]) => [code, row.next]))('%s: the next command exists: %s', (_code, next) => {
  expect(unknownWord(next)).toBeUndefined();
});

test('a verb that does not exist would be noticed', () => {
  expect(unknownWord('segue frobnicate ID')).toBe('frobnicate');
  expect(unknownWord('segue rollout frobnicate ID')).toBe('frobnicate');
  expect(unknownWord('segue rollout status --frobnicate')).toBe('--frobnicate');
});

test('the design names exactly the rows of the table', () => {
  const design = readFileSync(join(__dirname, '../../docs/design.md'), 'utf8');
  const section = design.slice(design.indexOf('## 9.'), design.indexOf('## 10.'));
  const named = new Set([...section.matchAll(/\b[A-Z][A-Za-z]+\b/g)].map(([word]) => word).filter((word) => isFailureCode(word)));
  expect([...named].sort()).toEqual(rows.map(([code]) => code).sort());
});

/** The first word of a command line that the CLI does not know: a verb or an option. Upper-case words stand for something. */
function unknownWord(line: string): string | undefined {
  const [tool, ...words] = line.split(' ');
  if (tool !== 'segue') return tool;
  let command = program();
  let descending = true;
  for (const word of words) {
    if (word.startsWith('--')) {
      if (word !== '--help' && !command.options.some((option) => option.long === word)) return word;
      descending = false;
    } else if (/^[A-Z]+$/.test(word)) {
      descending = false;
    } else if (descending) {
      const next = command.commands.find((one) => one.name() === word);
      if (next === undefined) return word;
      command = next;
    }
  }
  return undefined;
}
