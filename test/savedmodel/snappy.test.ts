import fc from 'fast-check';
import { decodeSnappy } from '../../src/savedmodel/snappy';
import { varint } from './bundle-writer';

const decoded = (bytes: readonly number[], limit = 1000) => {
  const result = decodeSnappy(Uint8Array.from(bytes), limit);
  return 'why' in result ? result.why : Buffer.from(result.bytes).toString('latin1');
};
const literal = (text: string) => [(text.length - 1) << 2, ...Buffer.from(text)];

test('a literal, and copies of each kind, one of them over bytes it is itself writing', () => {
  expect(decoded([0])).toBe('');
  expect(decoded([5, ...literal('hello')])).toBe('hello');
  // copy with 1-byte offset: length 4, back 5
  expect(decoded([9, ...literal('hello'), 1 | (0 << 2), 5])).toBe('hellohell');
  // the same from further back than a byte counts: 300 in 3 + 8 bits
  expect(decoded([...varint(304), 61 << 2, 299 & 255, 299 >> 8, ...Buffer.from('head'), ...Buffer.alloc(296, 'q'), 1 | ((300 >> 8) << 5), 300 & 255])).toBe(`head${'q'.repeat(296)}head`);
  // copy with 2-byte offset: length 6, back 1
  expect(decoded([7, ...literal('a'), 2 | (5 << 2), 1, 0])).toBe('aaaaaaa');
  // copy with 4-byte offset: length 2, back 3
  expect(decoded([5, ...literal('xyz'), 3 | (1 << 2), 3, 0, 0, 0])).toBe('xyzxy');
  // a literal whose length is in two bytes of its own
  expect(decoded([...varint(300), 61 << 2, 299 & 255, 299 >> 8, ...Buffer.alloc(300, 'q')])).toBe('q'.repeat(300));
});

test.each([
  ['no length', [], 'Snappy length is not a varint32'],
  ['a length beyond 32 bits', [255, 255, 255, 255, 127], 'Snappy length is not a varint32'],
  ['a claim of 4 GiB costs nothing', [255, 255, 255, 255, 15], 'Snappy claims 4294967295 bytes, at most 1000 are read'],
  ['a literal without its bytes', [5, 4 << 2, 104], 'Snappy literal is cut off'],
  ['a literal without its length', [200, 1, 61 << 2, 1], 'Snappy literal length is cut off'],
  ['a copy without its offset', [9, ...literal('hello'), 2], 'Snappy copy is cut off'],
  ['a copy from before the beginning', [9, ...literal('hello'), 1, 6], 'Snappy copy reaches 6 bytes back of 5'],
  ['a copy from nowhere', [9, ...literal('hello'), 1, 0], 'Snappy copy reaches 0 bytes back of 5'],
  ['more than it said', [3, ...literal('hello')], 'Snappy output is longer than its header says'],
  ['a copy of more than it said', [6, ...literal('hello'), 1, 5], 'Snappy output is longer than its header says'],
  ['less than it said', [9, ...literal('hello')], 'Snappy output ends at 5 of 9 bytes'],
])('%s is said, not read', (_, bytes, why) => {
  expect(decoded(bytes)).toBe(why);
});

test('any sequence of literals and copies gives what they mean', () => {
  const ops = fc.array(fc.oneof(
    fc.record({ kind: fc.constant('literal' as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }) }),
    fc.record({ kind: fc.constant('copy' as const), back: fc.nat(200), length: fc.integer({ min: 1, max: 64 }) }),
  ), { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(ops, (list) => {
    const output: number[] = [];
    const body: number[] = [];
    for (const op of list) {
      if (op.kind === 'literal') {
        body.push((op.bytes.length - 1) << 2, ...op.bytes);
        output.push(...op.bytes);
      } else if (output.length > 0) {
        const back = 1 + (op.back % output.length);
        body.push(2 | ((op.length - 1) << 2), back & 255, back >> 8);
        for (let i = 0; i < op.length; i++) output.push(output[output.length - back]!);
      }
    }
    expect(decodeSnappy(Uint8Array.from([...varint(output.length), ...body]), 10_000)).toEqual({ bytes: Uint8Array.from(output) });
  }), { numRuns: 200 });
});

test('any bytes at all end, and never beyond the limit', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const result = decodeSnappy(bytes, 500);
    expect('why' in result || result.bytes.length <= 500).toBe(true);
  }), { numRuns: 500 });
});
