// A data shard read once from front to back: each tensor's bytes pass by and only their checksum is kept.

import type { FileHandle } from 'node:fs/promises';
import { DataType } from '../proto/gen/tensorflow/core/framework/types_pb';
import { shardPath } from './bundle';
import type { BundleEntry, BundleIndex } from './bundle';
import { crc32c, unmaskCrc } from './crc32c';
import { dtypeName } from './dtype';
import type { Finding } from './finding';
import { openRegular } from './regular-file';
import { StringsCheck } from './strings-check';

/** Two of these are held: one is read into while the other is summed. */
const SLAB_BYTES = 2 ** 20;

/** Every tensor of one shard against the index. Findings in file order, at most `limit` of them; warnings for what cannot be checked. */
export async function checkShard(dir: string, index: BundleIndex, shard: number, options: { readonly limit: number; readonly signal?: AbortSignal | undefined }): Promise<{ readonly findings: Finding[]; readonly warnings: Finding[] }> {
  const path = shardPath(shard, index.shards);
  const entries = [...index.entries.values()].filter((entry) => entry.shard === shard && !entry.sliced).sort((a, b) => a.offset - b.offset || a.size - b.size);
  if (entries.length === 0) return { findings: [], warnings: [] };
  const file = await openRegular(dir, path);
  if (file === undefined) return { findings: [{ check: 'shardMissing', path, message: `the index places ${entries.length} tensors here, and there is no such file` }], warnings: [] };
  const findings: Finding[] = [];
  const warnings: Finding[] = [];
  try {
    const layout = misplaced(entries, file.size);
    if (layout !== undefined) return { findings: [{ ...layout, path }], warnings };
    const slabs = new Slabs(file.handle, file.size, options.signal);
    for (const entry of entries) {
      const wrong = entry.dtype === DataType.DT_VARIANT || (index.bigEndian && entry.dtype === DataType.DT_STRING) ? undefined : await wrongBytes(slabs, entry);
      if (entry.dtype === DataType.DT_VARIANT) warnings.push({ check: 'checksum', path, message: `${entry.name}: ${dtypeName(entry.dtype)} is not summed here` });
      if (wrong !== undefined) findings.push({ check: 'checksum', path, message: `${entry.name}: ${wrong}` });
      if (findings.length >= options.limit) break;
    }
  } finally {
    await file.handle.close();
  }
  return { findings, warnings };
}

/** Tensors beyond the end, or one over another: each byte is summed once, so an index cannot ask for more work than the file is long. */
function misplaced(entries: readonly BundleEntry[], size: number): Omit<Finding, 'path'> | undefined {
  let end = 0;
  for (const entry of entries) {
    if (entry.size > 0 && entry.offset < end) return { check: 'entry', message: `${entry.name} at ${entry.offset} overlaps the tensor that ends at ${end}` };
    end = Math.max(end, entry.offset + entry.size);
    if (end > size) return { check: 'shardShort', message: `${entry.name} wants bytes ${entry.offset} to ${end}, the file has ${size}` };
  }
  return undefined;
}

async function wrongBytes(slabs: Slabs, entry: BundleEntry): Promise<string | undefined> {
  const want = unmaskCrc(entry.crc32c);
  let found = 0;
  const strings = entry.dtype === DataType.DT_STRING && entry.size > 0 ? new StringsCheck(entry.elements, entry.size) : undefined;
  for (let at = entry.offset; at < entry.offset + entry.size;) {
    const bytes = slabs.here(at, entry.offset + entry.size) ?? (await slabs.load(at, entry.offset + entry.size));
    if (bytes.length === 0) return `the file ended at byte ${at} while it was read`;
    if (strings === undefined) found = crc32c(bytes, found);
    else strings.push(bytes);
    at += bytes.length;
  }
  const layout = strings?.end();
  if (layout !== undefined && 'why' in layout) return layout.why;
  found = layout?.crc ?? found;
  return found === want ? undefined : `want CRC-32C 0x${want.toString(16)}, found 0x${found.toString(16)} over ${entry.size} bytes`;
}

/** The file in slabs, the next one being read while the caller works on this one. */
class Slabs {
  private slab: { readonly at: number; readonly bytes: Uint8Array } = { at: 0, bytes: new Uint8Array(0) };
  private next: Promise<{ readonly at: number; readonly bytes: Uint8Array }> | undefined;
  private readonly spare: readonly Buffer[];
  constructor(private readonly handle: FileHandle, private readonly size: number, private readonly signal: AbortSignal | undefined) {
    const bytes = Math.min(SLAB_BYTES, size);
    this.spare = [Buffer.allocUnsafeSlow(bytes), Buffer.allocUnsafeSlow(bytes)];
  }

  /** Bytes from `at`, at least one and none beyond `end`, if they are in memory. */
  here(at: number, end: number): Uint8Array | undefined {
    const from = at - this.slab.at;
    return from >= 0 && from < this.slab.bytes.length ? this.slab.bytes.subarray(from, Math.min(this.slab.bytes.length, end - this.slab.at)) : undefined;
  }

  /** The same, after reading; none when the file is over. */
  async load(at: number, end: number): Promise<Uint8Array> {
    this.signal?.throwIfAborted();
    const ready = await this.next;
    this.next = undefined;
    this.slab = ready !== undefined && at >= ready.at && at < ready.at + ready.bytes.length ? ready : await this.read(at);
    const after = this.slab.at + this.slab.bytes.length;
    if (this.slab.bytes.length > 0 && after < this.size) {
      this.next = this.read(after);
      // It may fail while nobody waits for it; whoever waits sees it then.
      this.next.catch(() => undefined);
    }
    return this.here(at, end) ?? new Uint8Array(0);
  }

  private async read(at: number): Promise<{ readonly at: number; readonly bytes: Uint8Array }> {
    const buffer = this.spare.find((candidate) => candidate.buffer !== this.slab.bytes.buffer)!;
    const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, at);
    return { at, bytes: buffer.subarray(0, bytesRead) };
  }
}
