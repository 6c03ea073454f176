// What a key may become on disk.

import fc from 'fast-check';
import { resolve } from 'node:path';
import { reasonNotFileSet, reasonNotPath } from '../../src/source/key-path';

test.each(['saved_model.pb', 'variables/variables.data-00000-of-00001', 'assets.extra/ü 漢字 (1).txt', '.hidden', 'a..b', '...a', `${'x'.repeat(255)}/y`, '😀'])('%j is a path', (path) => {
  expect(reasonNotPath(path)).toBeUndefined();
});

test.each([
  ['', 'empty'],
  ['/etc/passwd', 'absolute'],
  ['a//b', 'empty component'],
  ['a/', 'empty component'],
  ['../x', 'component ".."'],
  ['a/../../x', 'component ".."'],
  ['..', 'component ".."'],
  ['a/./b', 'component "."'],
  ['a\0b', 'control'],
  ['a\nb', 'control'],
  ['a\u0085b', 'control'],
  ['a\u007fb', 'control'],
  ['a\\b', 'backslash'],
  ['e\u0301', 'normal form C'],
  ['\ud800x', 'well-formed'],
  ['a\ufffdb', 'U+FFFD'],
  ['a.', 'ends in a dot'],
  ['a /b', 'ends in a dot or a space'],
  ['...', 'ends in a dot'],
  ['x'.repeat(256), 'longer than 255'],
  ['ü'.repeat(128), 'longer than 255'],
  [Array.from({ length: 342 }, () => 'ab').join('/'), 'longer than 1024'],
])('%j is none: %s', (path, why) => {
  expect(reasonNotPath(path)).toContain(why);
});

test.each([
  [['a', 'b/c', 'b/d'], undefined],
  [['a', 'a'], 'appears twice'],
  [['Model.pb', 'model.PB'], 'only by case'],
  [['straße', 'STRASSE'], 'only by case'],
  [['ſ', 's'], 'only by case'],
  [['a', 'a/b'], 'cannot be a directory too'],
  [['a/b', 'a'], 'cannot be a directory too'],
  [['A', 'a/b/c'], 'cannot be a directory too'],
  [['a', 'ab/c'], undefined],
  [['x', '../y'], 'component ".."'],
] as const)('as a set: %j', (paths, why) => {
  const found = reasonNotFileSet(paths);
  if (why === undefined) expect(found).toBeUndefined();
  else expect(found?.why).toContain(why);
});

test('whatever is accepted stays below its destination, whatever the key', () => {
  const nasty = fc.string({ unit: fc.constantFrom('.', '/', '\\', 'a', 'A', '\0', ' ', 'ü', '\u0301', '\ud800', '%', '~'), maxLength: 12 });
  fc.assert(
    fc.property(fc.oneof(nasty, fc.string({ unit: 'binary' })), (key) => {
      if (reasonNotPath(key) !== undefined) return;
      const on = resolve('/dest', key);
      expect(on).toBe(`/dest/${key}`);
    }),
    { numRuns: 20_000 },
  );
});

test('long and hostile keys cost microseconds, not backtracking', () => {
  const began = performance.now();
  for (let i = 0; i < 200_000; i++) reasonNotPath(`a/${'../'.repeat(i % 5)}${i}/${'x'.repeat(i % 300)}`);
  expect(performance.now() - began).toBeLessThan(5_000);
});
