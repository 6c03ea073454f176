// A tar's entries one after the other, out of gzip where it is packed.

import { createReadStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import type { Header } from 'tar-stream';
import { refused, tooManyBytes } from './archive-plan';
import type { ArchiveEntry, ArchiveLimits } from './archive-plan';

/** Called for each entry in turn; `body` gives its bytes, and may be left alone. */
export type Visit = (entry: ArchiveEntry, body: () => AsyncIterable<Buffer>) => Promise<void>;

const READ_BYTES = 2 ** 20;
const BLOCK_BYTES = 512;

export async function walkTar(path: string, name: string, archiveBytes: number, limits: ArchiveLimits, signal: AbortSignal, visit: Visit): Promise<void> {
  const file = createReadStream(path, { highWaterMark: READ_BYTES });
  const tar = extract();
  const metered = new Metered(name, archiveBytes, limits);
  const entries = async (): Promise<void> => {
    for await (const entry of tar) {
      await visit(described(entry.header), () => entry as AsyncIterable<Buffer>);
      entry.resume();
    }
  };
  const bytes = /gz$/i.test(name) ? pipeline(file, createGunzip({ chunkSize: READ_BYTES }), metered, tar, { signal }) : pipeline(file, metered, tar, { signal });
  const [streamed, visited] = await Promise.allSettled([bytes, entries().catch((error: unknown) => {
    file.destroy();
    throw error;
  })]);
  // What a visit refused is the reason; that the stream then ended early is not.
  if (visited.status === 'rejected') throw visited.reason;
  if (streamed.status === 'rejected') throw streamed.reason;
  if (!metered.ended()) throw new Error('the archive is cut off: its last block is not empty');
}

function described({ name, type, size }: Header): ArchiveEntry {
  return { name, kind: kindOf(type), bytes: type === 'directory' ? 0 : size };
}

function kindOf(type: Header['type']): ArchiveEntry['kind'] {
  if (type === 'file' || type === 'directory') return type;
  return type === 'link' || type === 'symlink' ? 'link' : 'special';
}

/** Counts what comes out of gzip, headers and padding included: a bomb need not have entries. */
class Metered extends Transform {
  private bytes = 0;
  private last: Buffer = Buffer.alloc(0);
  constructor(private readonly name: string, private readonly archiveBytes: number, private readonly limits: ArchiveLimits) {
    super();
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: (error: Error | null, chunk?: Buffer) => void): void {
    this.bytes += chunk.length;
    this.last = chunk.length >= BLOCK_BYTES ? chunk.subarray(chunk.length - BLOCK_BYTES) : Buffer.concat([this.last, chunk]).subarray(-BLOCK_BYTES);
    // Each entry has a header and up to one block of padding.
    const why = tooManyBytes(this.bytes - 4 * BLOCK_BYTES * this.limits.maxEntries, this.archiveBytes, this.limits);
    done(why === undefined ? null : refused(this.name, '', why), chunk);
  }

  /** A tar ends in empty blocks; without one it may have lost entries. */
  ended(): boolean {
    return this.bytes % BLOCK_BYTES === 0 && this.last.length === BLOCK_BYTES && this.last.every((byte) => byte === 0);
  }
}
