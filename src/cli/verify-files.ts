// Where the files to verify come from, and their removal afterwards where they were fetched or unpacked.

import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { isArchive, type SourceRef } from '../domain/source';
import { checkSavedModel } from '../savedmodel/check';
import type { SavedModelReport } from '../savedmodel/check';
import { unpackArchive } from '../source/archive';
import { downloadFiles } from '../source/download';
import { listSource } from '../source/listing';
import { signaturesOf } from '../source/signature';
import { SocketLedger } from '../source/sockets';
import { EXIT, Exit } from './exit';
import { signatureRules } from './signature-flags';
import type { VerifyFlags } from './verify';

export interface Verified {
  readonly where: string;
  readonly report: SavedModelReport;
  readonly files: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Throws Exit where there is nothing to look at, and what listing, fetching and unpacking throw. */
export async function verify(where: string, flags: VerifyFlags): Promise<Verified> {
  const began = performance.now();
  const stop = new AbortController();
  const interrupted = (): void => stop.abort(new Exit(EXIT.stopped, 'interrupted'));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const late = flags.timeout === undefined ? undefined : setTimeout(() => stop.abort(new Exit(EXIT.stillRunning, `not verified within ${flags.timeout} ms`)), flags.timeout);
  const scratch = await mkdtemp(join(tmpdir(), 'segue-verify-'));
  try {
    const ops = flags.ops === undefined ? undefined : new Set((await readFile(flags.ops, 'utf8')).split(/\s+/).filter((line) => line !== ''));
    const dir = await directoryOf(where, flags, scratch, stop.signal);
    const report = await checkSavedModel(dir, { signal: stop.signal, tags: flags.tags ?? ['serve'], signature: flags.signature, serverVersion: flags.serverVersion, allowedOps: ops });
    return { where, report, ...(await weigh(dir)), seconds: (performance.now() - began) / 1000 };
  } finally {
    clearTimeout(late);
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await rm(scratch, { recursive: true, force: true });
  }
}

async function weigh(dir: string): Promise<{ readonly files: number; readonly bytes: number }> {
  let [files, bytes] = [0, 0];
  for (const path of await readdir(dir, { recursive: true })) {
    const one = await stat(join(dir, path)).catch(() => undefined);
    if (one?.isFile() !== true) continue;
    files++;
    bytes += one.size;
  }
  return { files, bytes };
}

async function directoryOf(where: string, flags: VerifyFlags, scratch: string, signal: AbortSignal): Promise<string> {
  if (/^[a-z0-9]+:\/\//i.test(where)) return fetched(where, flags, scratch, signal);
  if (signatureRules(flags) !== undefined) throw new Exit(EXIT.usage, `${where}: signatures are checked of s3:// sources only; leave --trusted-key and --signatures out`);
  const found = await stat(where).catch(() => undefined);
  if (found?.isDirectory() === true) return where;
  if (found?.isFile() !== true) throw new Exit(EXIT.rejected, `${where}: want a directory, an archive or s3://BUCKET/PREFIX/, found ${found === undefined ? 'nothing' : 'something else'}`);
  if (!isArchive(where)) throw new Exit(EXIT.usage, `${where}: want a directory or an archive (.zip, .tar, .tar.gz), found another file`);
  await unpackArchive(where, scratch, { signal });
  return scratch;
}

async function fetched(uri: string, flags: VerifyFlags, scratch: string, signal: AbortSignal): Promise<string> {
  const ref: SourceRef = { uri, region: flags.region ?? 'us-east-1', credentials: flags.credentials ?? 'env', ...(flags.endpoint === undefined ? {} : { endpoint: flags.endpoint }) };
  const rules = signatureRules(flags);
  const listing = await listSource(ref, { signal, ...(rules === undefined ? {} : { signatures: signaturesOf(rules, '') }) });
  const files = await downloadFiles(ref, listing, scratch, { signal, sockets: new SocketLedger() });
  const [only] = files;
  if (only === undefined || files.length > 1 || !isArchive(only.path)) return scratch;
  if (rules !== undefined && listing.signedBy === undefined) throw new Exit(EXIT.usage, `${uri}: a signature inside an archive is checked by the agent that unpacks it; leave --trusted-key and --signatures out`);
  const unpacked = await mkdtemp(join(scratch, 'unpacked-'));
  await unpackArchive(join(scratch, basename(only.path)), unpacked, { signal });
  return unpacked;
}
