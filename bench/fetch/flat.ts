// Many fetches in one process: does its memory grow, and does it leave anything open?

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchFiles } from '../../src/source/download';
import { listSource } from '../../src/source/listing';
import { SocketLedger } from '../../src/source/sockets';
import { CASES, prepare, Server } from './contest';
import type { Tools } from './tools';

export interface Flat {
  readonly fetches: number;
  readonly rssMbAfterTen: number;
  readonly rssMbAtEnd: number;
  readonly maxRssMb: number;
  readonly descriptorsBefore: number;
  readonly descriptorsAfter: number;
}

/** Of the 1 GiB SavedModel, hashed and past the page cache. */
export async function flat(fetches: number, found: Tools): Promise<Flat> {
  prepare('C');
  const server = await Server.start('range', found);
  const ref = { uri: `s3://models/${CASES.C.prefix}`, endpoint: server.endpoint, region: 'us-east-1', credentials: 'anonymous' };
  const signal = new AbortController().signal;
  const rss: number[] = [];
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  try {
    for (let i = 0; i < fetches; i++) {
      const into = mkdtempSync(join(tmpdir(), 'segue-flat-'));
      await fetchFiles(ref, await listSource(ref, { signal }), into, { signal, sockets: new SocketLedger(), durable: true, verify: 'sha256', onProgress: () => undefined });
      rss.push(process.memoryUsage().rss / 1e6);
      rmSync(into, { recursive: true });
    }
    await new Promise((resolve) => { setTimeout(resolve, 200); }); // Threads end.
    return { fetches, rssMbAfterTen: Math.round(rss[Math.min(9, rss.length - 1)] ?? 0), rssMbAtEnd: Math.round(rss.at(-1) ?? 0), maxRssMb: Math.round(Math.max(...rss)), descriptorsBefore: before, descriptorsAfter: open() };
  } finally {
    server.stop();
  }
}
