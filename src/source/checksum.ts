// The checksums an S3 server or a manifest may know an object by, computed by native code where there is any.

import * as zlib from 'node:zlib';

export type Algorithm = 'sha256' | 'sha1' | 'crc64nvme' | 'crc32c' | 'crc32' | 'md5';

/** Of all bytes; with `partBytes` as S3 sums an object that was put in parts of so many bytes (the last may be shorter): of the checksums of its parts, one after the other. */
export interface Sum {
  readonly algorithm: Algorithm;
  readonly partBytes?: number;
}

export function nameOf({ algorithm, partBytes }: Sum): string {
  return partBytes === undefined ? algorithm : `${algorithm} of ${partBytes}`;
}

export interface Checksum {
  update(bytes: Uint8Array): void;
  /** Of everything so far, lower-case hex; called once. */
  hex(): string | Promise<string>;
}

/** Where packages that may be missing are, for a thread that has no place of its own to look from. */
export interface Places {
  readonly crc32c: string | undefined;
  readonly crc64nvme: string | undefined;
}

export const PLACES: Places = { crc32c: placeOf('@node-rs/crc32'), crc64nvme: placeOf('@aws-sdk/checksums/crc') };

function placeOf(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}

export function canCompute(algorithm: Algorithm): boolean {
  if (algorithm === 'crc32c') return PLACES.crc32c !== undefined;
  if (algorithm === 'crc64nvme') return PLACES.crc64nvme !== undefined;
  return algorithm !== 'crc32' || 'crc32' in zlib; // Node 20.15.
}

/** Runs here and, as text, in a hashing thread: uses nothing from outside itself. */
export function startChecksum({ algorithm, partBytes }: Sum, places: Places): Checksum {
  if (partBytes !== undefined) {
    const whole: (string | Promise<string>)[] = [];
    let part: Checksum | undefined;
    let left = partBytes;
    return {
      update: (bytes) => {
        for (let at = 0; at < bytes.length;) {
          const run = bytes.subarray(at, at + left);
          part ??= startChecksum({ algorithm }, places);
          part.update(run);
          at += run.length;
          left -= run.length;
          if (left > 0) continue;
          whole.push(part.hex());
          part = undefined;
          left = partBytes;
        }
      },
      hex: async () => {
        const all = startChecksum({ algorithm }, places);
        all.update(Buffer.from((await Promise.all([...whole, ...(part === undefined ? [] : [part.hex()])])).join(''), 'hex'));
        return all.hex();
      },
    };
  }
  if (algorithm === 'crc32' || algorithm === 'crc32c') {
    const native = (algorithm === 'crc32' ? require('node:zlib').crc32 : require(places.crc32c ?? '').crc32c) as (bytes: Uint8Array, before: number) => number;
    let crc = 0;
    return { update: (bytes) => { crc = native(bytes, crc); }, hex: () => (crc >>> 0).toString(16).padStart(8, '0') };
  }
  if (algorithm === 'crc64nvme') {
    // The SDK's, in JavaScript: 0.2 GB/s, the one that is slow.
    const { Crc64NvmeJs } = require(places.crc64nvme ?? '') as { Crc64NvmeJs: new () => { update(bytes: Uint8Array): void; digest(): Promise<Uint8Array> } };
    const crc = new Crc64NvmeJs();
    return { update: (bytes) => crc.update(bytes), hex: async () => Buffer.from(await crc.digest()).toString('hex') };
  }
  const hash = (require('node:crypto') as { createHash(name: string): { update(bytes: Uint8Array): unknown; digest(encoding: 'hex'): string } }).createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
}
