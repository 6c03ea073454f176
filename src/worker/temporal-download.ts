// The same service, question and archive as the SDK's own `cached-download` (core-bridge, ephemeral_server/mod.rs), asked without loading the SDK's native
// part: so it works where only production dependencies are installed, and gives exactly the version the cache is named for.

import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { chmod, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { promisify } from 'node:util';
import { rootCauseText } from './error-text';

export const DOWNLOAD_SERVICE = 'https://temporal.download';

/** The service answers in well under a second where it is reachable at all: offline must not cost a person more than this. */
const ASK_DEADLINE_MS = 10_000;
/** About 45 MB of archive: at 400 kB/s it is there within two minutes; slower lines are better served by an installed program. */
const FETCH_DEADLINE_MS = 120_000;

/** Fetches the program of that version and writes it, executable, to `path`; the archive stays beside it for the caller to remove. */
export async function downloadTemporal(version: string, path: string, report: (line: string) => void, service = DOWNLOAD_SERVICE): Promise<void> {
  const where = `${service}/cli/${version}?arch=${archOf(process.arch)}&platform=${platformOf(process.platform)}&format=tar.gz`;
  const { archiveUrl, fileToExtract } = parseInfo(await ask(where), where);
  report(`downloading ${archiveUrl}`);
  const archive = join(dirname(path), 'archive.tar.gz');
  const response = await fetchOk(archiveUrl, FETCH_DEADLINE_MS);
  if (response.body === null) throw new Error(`${archiveUrl} answered without a body`);
  await pipeline(Readable.fromWeb(response.body as ReadableStream), createWriteStream(archive));
  await promisify(execFile)('tar', ['-xzf', archive, '-C', dirname(path), fileToExtract]);
  const extracted = join(dirname(path), fileToExtract);
  if (extracted !== path) await rename(extracted, path);
  await chmod(path, 0o755);
}

async function ask(where: string): Promise<unknown> {
  return (await fetchOk(where, ASK_DEADLINE_MS)).json();
}

async function fetchOk(url: string, deadlineMs: number): Promise<Response> {
  const response = await fetch(url, { signal: AbortSignal.timeout(deadlineMs) }).catch((error: unknown) => {
    throw new Error(`${url}: ${rootCauseText(error)}`);
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status} ${response.statusText}`);
  return response;
}

function parseInfo(info: unknown, where: string): { archiveUrl: string; fileToExtract: string } {
  if (typeof info === 'object' && info !== null && 'archiveUrl' in info && 'fileToExtract' in info) {
    const { archiveUrl, fileToExtract } = info;
    if (typeof archiveUrl === 'string' && typeof fileToExtract === 'string' && !/(^|\/)\.\.(\/|$)|^\//.test(fileToExtract)) return { archiveUrl, fileToExtract };
  }
  throw new Error(`${where} did not answer with an archive and the file in it`);
}

function archOf(arch: NodeJS.Architecture): string {
  if (arch === 'x64') return 'amd64';
  if (arch === 'arm64' || arch === 'arm') return 'arm64';
  throw new Error(`no temporal program is made for ${arch}`);
}

function platformOf(platform: NodeJS.Platform): string {
  return platform === 'win32' ? 'windows' : platform === 'darwin' ? 'darwin' : 'linux';
}
