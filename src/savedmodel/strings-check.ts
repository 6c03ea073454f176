// A DT_STRING tensor as it passes by: varint lengths, the masked CRC of the lengths, then the strings (TF Serving reference §10.6).

import { crc32c, unmaskCrc } from './crc32c';

const CHECKSUM_BYTES = 4;
const GATHER_BYTES = 16 * 2 ** 10;

/** Feed it the stored bytes in any pieces; then `end` gives the checksum to compare, or why the layout is none. */
export class StringsCheck {
  private crc = 0;
  private lengthsLeft: number;
  /** Bytes of strings still to come, by the lengths. */
  private dataBytes = 0;
  private stored = 0;
  private length = 0;
  private lengthBytes = 0;
  private readonly lengths = new DataView(new ArrayBuffer(GATHER_BYTES));
  private gathered = 0;
  private readonly checksum: number[] = [];
  private why: string | undefined;

  constructor(elements: number, private readonly size: number) {
    this.lengthsLeft = elements;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && this.lengthsLeft > 0 && this.why === undefined) this.pushLength(bytes[at++]!);
    while (at < bytes.length && this.lengthsLeft === 0 && this.checksum.length < CHECKSUM_BYTES && this.why === undefined) this.pushChecksum(bytes[at++]!);
    this.stored += bytes.length - at;
    if (at < bytes.length && this.why === undefined) this.crc = crc32c(bytes.subarray(at), this.crc);
  }

  end(): { readonly crc: number } | { readonly why: string } {
    if (this.why !== undefined) return { why: this.why };
    if (this.lengthsLeft > 0 || this.checksum.length < CHECKSUM_BYTES) return { why: `the string lengths do not end within ${this.size} bytes` };
    if (this.stored !== this.dataBytes) return { why: `the lengths say ${this.dataBytes} bytes of strings, there are ${this.stored}` };
    return { crc: this.crc };
  }

  private pushLength(byte: number): void {
    this.length += (byte & 127) * 2 ** (7 * this.lengthBytes++);
    if (byte >= 128) {
      if (this.lengthBytes >= 10) this.why = 'a string length has more than 10 bytes';
      return;
    }
    if (this.length > this.size) this.why = `a string of ${this.length} bytes cannot be in ${this.size}`;
    this.sumLength();
    this.dataBytes += this.length;
    this.length = 0;
    this.lengthBytes = 0;
    this.lengthsLeft--;
    if (this.lengthsLeft === 0) this.sumGathered();
  }

  /** Gathered first: a vocabulary has a million of them. */
  private sumLength(): void {
    if (this.gathered + 8 > this.lengths.byteLength) this.sumGathered();
    this.gathered += writeLength(this.lengths, this.gathered, this.length);
  }

  private sumGathered(): void {
    this.crc = crc32c(new Uint8Array(this.lengths.buffer, 0, this.gathered), this.crc);
    this.gathered = 0;
  }

  private pushChecksum(byte: number): void {
    if (this.checksum.push(byte) < CHECKSUM_BYTES) return;
    const raw = Uint8Array.from(this.checksum);
    const want = unmaskCrc(new DataView(raw.buffer).getUint32(0, true));
    if (want !== this.crc) this.why = `the string lengths want CRC-32C 0x${want.toString(16)}, found 0x${this.crc.toString(16)}`;
    this.crc = crc32c(raw, this.crc);
  }
}

/** Lengths are summed as u32 little-endian, those that do not fit as u64: older checkpoints knew only u32. Gives the bytes written. */
export function writeLength(into: DataView, at: number, length: number): 4 | 8 {
  if (length > 0xffffffff) {
    into.setBigUint64(at, BigInt(length), true);
    return 8;
  }
  into.setUint32(at, length, true);
  return 4;
}

/** The strings of a tensor that passed its check. */
export function splitStrings(bytes: Uint8Array, elements: number): Uint8Array[] {
  let at = 0;
  const lengths = Array.from({ length: elements }, () => {
    let length = 0;
    for (let shift = 0; ; shift++) {
      const byte = bytes[at++]!;
      length += (byte & 127) * 2 ** (7 * shift);
      if (byte < 128) return length;
    }
  });
  at += CHECKSUM_BYTES;
  return lengths.map((length) => bytes.subarray(at, (at += length)));
}
