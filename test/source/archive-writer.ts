// Archives as a test wants them: right ones, and each wrong in one place.

import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

export interface ZipEntry {
  readonly name: string;
  readonly data?: Buffer;
  /** Unix mode with its type bits. */
  readonly mode?: number;
  readonly method?: number;
  readonly flags?: number;
  readonly crc?: number;
  /** As declared, where it is a lie. */
  readonly size?: number;
  /** Name in the local header, where it is another. */
  readonly localName?: string;
  /** The index of the entry whose packed bytes are claimed. */
  readonly sharing?: number;
}

export function zip(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  const offsets: number[] = [];
  let at = 0;
  for (const { name, data = Buffer.alloc(0), mode = name.endsWith('/') ? 0o040755 : 0o100644, method = 8, flags = 0x800, crc = crc32(data), size = data.length, localName = name, sharing } of entries) {
    const packed = method === 8 ? deflateRawSync(data) : data;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc, 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(Buffer.byteLength(localName), 22);
    const own = sharing === undefined;
    const offset = own ? at : offsets[sharing]!;
    offsets.push(offset);
    if (own) {
      locals.push(Buffer.from('PK\x03\x04', 'latin1'), Buffer.from(common), Buffer.from(localName), packed);
      at += 30 + Buffer.byteLength(localName) + packed.length;
    }
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    central.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, tail, Buffer.from(name));
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, directory, end]);
}

export interface TarEntry {
  readonly name: string;
  readonly data?: Buffer;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'fifo';
}

export async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const out = pack();
  const chunks: Buffer[] = [];
  const read = (async () => {
    for await (const chunk of out) chunks.push(Buffer.from(chunk as Uint8Array));
  })();
  for (const { name, data, type = name.endsWith('/') ? 'directory' : 'file' } of entries) {
    if (type === 'file') out.entry({ name, type }, data ?? Buffer.alloc(0));
    else out.entry({ name, type, linkname: type === 'symlink' || type === 'link' ? 'elsewhere' : null } as Parameters<typeof out.entry>[0]);
  }
  out.finalize();
  await read;
  return Buffer.concat(chunks);
}

export async function tarGz(entries: readonly TarEntry[]): Promise<Buffer> {
  return gzipSync(await tar(entries));
}
