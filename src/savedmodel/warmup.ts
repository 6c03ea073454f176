// assets.extra/tf_serving_warmup_requests: a TFRecord file the server replays inside the load, so a bad one fails the load (TF Serving reference §9, §10.9).

import { crc32c, unmaskCrc } from './crc32c';
import type { Finding } from './finding';
import { openRegular } from './regular-file';

export const WARMUP_PATH = 'assets.extra/tf_serving_warmup_requests';
/** The server's own limit. */
const MAX_RECORDS = 1000;
const SLAB_BYTES = 2 ** 20;
const HEADER_BYTES = 12;

/** The first thing wrong with the frames, if the file is there. What the records say is not looked into. */
export async function checkWarmup(dir: string, signal?: AbortSignal): Promise<Finding[]> {
  const file = await openRegular(dir, WARMUP_PATH);
  if (file === undefined) return [];
  try {
    const slab = Buffer.allocUnsafeSlow(Math.min(SLAB_BYTES, Math.max(file.size, HEADER_BYTES)));
    const read = async (at: number, bytes: number) => slab.subarray(0, (await file.handle.read(slab, 0, Math.min(bytes, slab.length), at)).bytesRead);
    let at = 0;
    for (let record = 0; at < file.size; record++) {
      const wrong = (message: string): Finding[] => [{ check: 'warmup', path: WARMUP_PATH, message: `record ${record} at byte ${at}: ${message}` }];
      if (record >= MAX_RECORDS) return wrong(`more than ${MAX_RECORDS} records`);
      const header = await read(at, HEADER_BYTES);
      if (header.length < HEADER_BYTES) return wrong('its header is cut off');
      if (unmaskCrc(header.readUInt32LE(8)) !== crc32c(header.subarray(0, 8))) return wrong('the checksum of its length does not match: not a TFRecord file, or damaged');
      const length = Number(header.readBigUInt64LE(0));
      const end = at + HEADER_BYTES + length;
      if (end + 4 > file.size) return wrong(`wants ${length} bytes, the file ends before`);
      let found = 0;
      for (let from = at + HEADER_BYTES; from < end;) {
        signal?.throwIfAborted();
        const bytes = await read(from, end - from);
        if (bytes.length === 0) return wrong('the file ended while it was read');
        found = crc32c(bytes, found);
        from += bytes.length;
      }
      if (unmaskCrc((await read(end, 4)).readUInt32LE(0)) !== found) return wrong('the checksum of its data does not match');
      at = end + 4;
    }
    return [];
  } finally {
    await file.handle.close();
  }
}
