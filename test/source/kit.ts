// A source on the kit's S3 server, with a directory to fetch it into.

import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourceRef } from '../../src/domain/source';
import { downloadFiles } from '../../src/source/download';
import type { DownloadOptions, DownloadedFile } from '../../src/source/download';
import { listSource } from '../../src/source/listing';
import type { ListOptions, SourceListing } from '../../src/source/listing';
import { SocketLedger } from '../../src/source/sockets';
import { startS3 } from '../../src/testing/s3/server';
import type { PutOptions, S3Server, S3ServerOptions } from '../../src/testing/s3/server';

export interface Kit {
  readonly s3: S3Server;
  readonly ref: SourceRef;
  readonly sockets: SocketLedger;
  readonly into: string;
  put(path: string, body: Buffer | string, options?: PutOptions): Promise<unknown>;
  /** Puts the manifest of these files, which may lie. */
  manifest(files: Readonly<Record<string, Buffer | string>>): Promise<unknown>;
  list(options?: Partial<ListOptions>): Promise<SourceListing>;
  /** Lists without faults, then fetches; patience is short. */
  fetch(options?: Partial<DownloadOptions>): Promise<readonly DownloadedFile[]>;
  /** GETs of this file so far. */
  gets(path: string): readonly { readonly range?: string; readonly status: number; readonly bytesSent: number }[];
}

/** @param body over which path bodies come; both must do the same */
export async function kit(options: S3ServerOptions = {}, body: 'own' | 'sdk' = 'own'): Promise<Kit> {
  const s3 = await startS3(options);
  const ref: SourceRef = { uri: 's3://models/half/1/', endpoint: s3.url, region: 'us-east-1', credentials: 'anonymous' };
  const sockets = new SocketLedger();
  const into = mkdtempSync(join(tmpdir(), 'segue-fetch-'));
  const patience = { backoffMs: 1, body, idleTimeoutMs: 250, signal: new AbortController().signal };
  const list = (more: Partial<ListOptions> = {}): Promise<SourceListing> => listSource(ref, { ...patience, ...more });
  return {
    s3, ref, sockets, into, list,
    put: (path, body, more) => s3.put('models', `half/1/${path}`, body, more),
    manifest: (files) => s3.put('models', 'half/1/manifest.json', JSON.stringify({ files: Object.entries(files).map(([path, body]) => ({ path, size: Buffer.byteLength(body), sha256: sha(body) })) })),
    fetch: async (more = {}) => downloadFiles(ref, await list(), into, { ...patience, sockets, ...more }),
    gets: (path) => s3.log().filter((line) => line.operation === 'GetObject' && line.key === `half/1/${path}`).map(({ range, status, bytesSent }) => ({ ...(range === undefined ? {} : { range }), status, bytesSent })),
  };
}

export function sha(body: Buffer | string): string {
  return createHash('sha256').update(body).digest('hex');
}

/** Bytes without a pattern that a shifted or repeated part could hide in. */
export function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0, x = 1; i < size; i++) bytes[i] = (x = (x * 1103515245 + 12345) & 0x7fffffff) >> 16;
  return bytes;
}

/** Descriptors of this process that are open below a directory. */
export function openBelow(directory: string): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(`${directory}/`) ? [target] : [];
    } catch {
      return [];
    }
  });
}
