// A zip's entries by its central directory, which is what every reader goes by.

import * as zlib from 'node:zlib';
import { openPromise } from 'yauzl';
import type { Entry, ZipFile } from 'yauzl';
import type { ArchiveEntry, ArchiveLimits } from './archive-plan';
import { refused } from './archive-plan';
import type { Visit } from './archive-tar';

/** Node has its own since 20.15. */
const crc32: (bytes: Uint8Array, before: number) => number = (zlib as Partial<typeof zlib>).crc32 ?? crc32ByTable;
const STORED = 0;
const DEFLATED = 8;
const LOCAL_HEADER_BYTES = 30;
const TYPE_MASK = 0o170000;
const REGULAR = 0o100000;
const DIRECTORY = 0o040000;
const LINK = 0o120000;

export async function walkZip(path: string, name: string, limits: ArchiveLimits, signal: AbortSignal, visit: Visit): Promise<void> {
  // Strict: a backslash is told, not turned into a slash.
  const zip = await openPromise(path, { autoClose: false, strictFileNames: true });
  try {
    if (zip.entryCount > limits.maxEntries) throw refused(name, '', `the archive has ${zip.entryCount} entries, at most ${limits.maxEntries} are unpacked`);
    for await (const entry of zip.eachEntry()) {
      signal.throwIfAborted();
      await visit(described(entry), async function* () {
        await assertOneName(zip, entry);
        let sum = 0;
        for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
          sum = crc32(chunk, sum);
          yield chunk;
        }
        if (sum !== entry.crc32) throw new Error(`entry ${JSON.stringify(entry.fileName)}: want CRC-32 0x${entry.crc32.toString(16)}, found 0x${sum.toString(16)}`);
      });
    }
  } finally {
    zip.close();
  }
}

/** Each name stands twice. Readers that go by the other one would unpack something else; and no checksum covers either. */
async function assertOneName(zip: ZipFile, entry: Entry): Promise<void> {
  const local = await zip.readLocalFileHeaderPromise(entry);
  if (Buffer.compare(local.fileName, entry.fileNameRaw) !== 0) throw new Error(`entry ${JSON.stringify(entry.fileName)}: its own header names it ${JSON.stringify(local.fileName.toString('utf8').slice(0, 300))}`);
}

function described(entry: Entry): ArchiveEntry {
  const from = entry.relativeOffsetOfLocalHeader;
  return {
    name: entry.fileName, kind: kindOf(entry), bytes: entry.uncompressedSize,
    packed: { from, to: from + LOCAL_HEADER_BYTES + entry.fileNameRaw.length + entry.compressedSize },
    ...(entry.isEncrypted() ? { unreadable: 'it is encrypted' } : {}),
    ...(entry.compressionMethod === STORED || entry.compressionMethod === DEFLATED ? {} : { unreadable: `it is packed by method ${entry.compressionMethod}, want stored or deflated` }),
  };
}

/** The mode of Unix zips is in the upper half; zips of other systems have nothing there. */
function kindOf({ fileName, externalFileAttributes, uncompressedSize }: Entry): ArchiveEntry['kind'] {
  const type = (externalFileAttributes >>> 16) & TYPE_MASK;
  if (type === LINK) return 'link';
  if (fileName.endsWith('/')) return uncompressedSize === 0 && (type === 0 || type === DIRECTORY) ? 'directory' : 'special';
  return type === 0 || type === REGULAR ? 'file' : 'special';
}

export function crc32ByTable(bytes: Uint8Array, before: number): number {
  let crc = ~before;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 255]!;
  return ~crc >>> 0;
}

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
