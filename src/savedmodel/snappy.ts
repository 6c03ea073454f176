// Snappy's raw block format, decoding only: half of the real indexes seen are compressed with it.

/** The plain bytes, or why these are none. Never holds more than `limit` bytes, whatever the input claims. */
export function decodeSnappy(input: Uint8Array, limit: number): { readonly bytes: Uint8Array } | { readonly why: string } {
  const header = readLength(input);
  if (header === undefined) return { why: 'Snappy length is not a varint32' };
  if (header.length > limit) return { why: `Snappy claims ${header.length} bytes, at most ${limit} are read` };
  const output = new Uint8Array(header.length);
  let from = header.size;
  let to = 0;
  while (from < input.length) {
    const tag = input[from++]!;
    if ((tag & 3) === 0) {
      let length = tag >>> 2;
      if (length >= 60) {
        const extra = length - 59;
        if (from + extra > input.length) return { why: 'Snappy literal length is cut off' };
        length = littleEndian(input, from, extra);
        from += extra;
      }
      length += 1;
      if (from + length > input.length) return { why: 'Snappy literal is cut off' };
      if (to + length > output.length) return { why: 'Snappy output is longer than its header says' };
      output.set(input.subarray(from, from + length), to);
      from += length;
      to += length;
      continue;
    }
    const kind = tag & 3;
    const offsetBytes = kind === 1 ? 1 : kind === 2 ? 2 : 4;
    if (from + offsetBytes > input.length) return { why: 'Snappy copy is cut off' };
    const offset = littleEndian(input, from, offsetBytes) + (kind === 1 ? (tag >>> 5) << 8 : 0);
    const length = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    from += offsetBytes;
    if (offset === 0 || offset > to) return { why: `Snappy copy reaches ${offset} bytes back of ${to}` };
    if (to + length > output.length) return { why: 'Snappy output is longer than its header says' };
    // Byte by byte: a copy may overlap what it is writing, which repeats a pattern.
    for (let i = 0; i < length; i++, to++) output[to] = output[to - offset]!;
  }
  return to === output.length ? { bytes: output } : { why: `Snappy output ends at ${to} of ${output.length} bytes` };
}

function readLength(input: Uint8Array): { readonly length: number; readonly size: number } | undefined {
  let length = 0;
  for (let size = 1; size <= 5; size++) {
    const byte = input[size - 1];
    if (byte === undefined) return undefined;
    length += (byte & 127) * 2 ** (7 * (size - 1));
    if (byte < 128) return length < 2 ** 32 ? { length, size } : undefined;
  }
  return undefined;
}

function littleEndian(input: Uint8Array, at: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + input[at + i]!;
  return value;
}
