import fc from 'fast-check';
import { clockText, timeText } from '../../src/domain/time-text';

test('a time reads as Date writes it, from 1970 to 2200', () => fc.assert(fc.property(fc.integer({ min: 0, max: 7_258_118_400_000 }), (ms) => {
  const text = new Date(ms).toISOString();
  expect(timeText(ms)).toBe(text.slice(0, 19).replace('T', ' '));
  expect(clockText(ms)).toBe(text.slice(11, 19));
}), { numRuns: 2000 }));
