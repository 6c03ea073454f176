import { crc32c as nativeCrc32c } from '@node-rs/crc32';
import { crc32c, crc32cByTables, maskCrc, unmaskCrc } from '../../src/savedmodel/crc32c';

// RFC 3720, appendix B.4, and the usual check value.
test.each([
  ['123456789', Buffer.from('123456789'), 0xe3069283],
  ['32 bytes of zero', Buffer.alloc(32), 0x8a9136aa],
  ['32 bytes of ones', Buffer.alloc(32, 255), 0x62a8ab43],
  ['0 to 31', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ['31 to 0', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
  ['nothing', Buffer.alloc(0), 0],
])('the published value of %s', (_, bytes, crc) => {
  expect([crc32c(bytes), crc32cByTables(bytes), nativeCrc32c(bytes)]).toEqual([crc, crc, crc]);
});

test.each([['the tables', crc32cByTables], ['the one that chooses', crc32c]])('wherever the bytes begin in memory and however many they are, %s agree with one bit at a time', (_, sum) => {
  const bytes = Uint8Array.from({ length: 340 }, (_, i) => (i * 167 + 13) & 255);
  for (let from = 0; from < 9; from++) {
    for (const length of [...Array(140).keys(), 250, 251, 252, 253, 254, 255, 256, 257, 258, 259, 300, 331]) {
      const part = bytes.subarray(from, from + length);
      if (sum(part) !== bitwise(part)) throw new Error(`${length} bytes from ${from}: want ${bitwise(part)}, found ${sum(part)}`);
    }
  }
});

test('a sum goes on over pieces, at any cut', () => {
  const bytes = Buffer.from('variables/variables.data-00000-of-00001'.repeat(20));
  for (let cut = 0; cut <= bytes.length; cut++) expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(crc32c(bytes));
});

test('masking is undone by unmasking, for sums at every edge', () => {
  for (const crc of [0, 1, 0x7fff, 0x8000, 0x7fffffff, 0x80000000, 0xffffffff, 0xa282ead8, 0xe3069283]) expect(unmaskCrc(maskCrc(crc))).toBe(crc);
});

function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
