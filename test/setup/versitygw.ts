// A real S3 server to hold ours against: versitygw, found or built, and run on a directory of its own.
// https://github.com/versity/versitygw

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Credentials } from '../../src/testing/s3/sigv4';
import { freePorts } from '../../src/worker/free-port';
import { accepts, answering, cacheDirectory, executable, killed, onPath } from './server-process';

const VERSION = 'v1.8.0';
const MODULE = `github.com/versity/versitygw/cmd/versitygw@${VERSION}`;
/** A cold build on two cores takes about five minutes. */
const INSTALL_TIMEOUT_MS = 15 * 60 * 1000;

/** Neither there nor to be had. `attempts` says what was tried. */
export class NoVersitygwError extends Error {
  override readonly name = 'NoVersitygwError';
}

/** The binary: SEGUE_VERSITYGW, PATH, our cache, or built by Go into our cache, with a line of progress. Throws NoVersitygwError naming all four. */
export async function findVersitygw(progress: (line: string) => void = (line) => void process.stderr.write(`${line}\n`)): Promise<string> {
  const given = process.env['SEGUE_VERSITYGW'];
  if (given !== undefined && given !== '') {
    if (await executable(given)) return given;
    throw new NoVersitygwError(`SEGUE_VERSITYGW=${given} is not an executable file`);
  }
  const cached = join(cache(), 'versitygw');
  for (const candidate of [...onPath('versitygw'), cached]) if (await executable(candidate)) return candidate;
  const built = await install(progress);
  if (built === undefined) return cached;
  throw new NoVersitygwError(
    `no versitygw: SEGUE_VERSITYGW is not set; not on PATH; not in ${cache()}; go install ${MODULE}: ${built}. ` +
      `Install Go, or set SEGUE_VERSITYGW to the binary.`,
  );
}

/** Is there a binary, or a Go to build it with? Looks at files only. */
export function canHaveVersitygw(): boolean {
  const there = (name: string): boolean => onPath(name).some((path) => existsSync(path));
  return (process.env['SEGUE_VERSITYGW'] ?? '') !== '' || there('versitygw') || existsSync(join(cache(), 'versitygw')) || there('go');
}

function cache(): string {
  return cacheDirectory(`versitygw-${VERSION}`);
}

/** Why it could not be built; nothing when it was. */
async function install(progress: (line: string) => void): Promise<string | undefined> {
  progress(`versitygw ${VERSION}: building with go install, once (some minutes)`);
  try {
    await mkdir(cache(), { recursive: true });
    await promisify(execFile)('go', ['install', MODULE], { env: { ...process.env, GOBIN: cache() }, timeout: INSTALL_TIMEOUT_MS });
    return undefined;
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
    return code === 'ENOENT' ? 'there is no Go' : (stderr?.trim().split('\n').at(-1) ?? message);
  }
}

export interface Versitygw {
  readonly url: string;
  readonly credentials: Credentials;
  /** Ends the process and removes its directory. */
  stop(): Promise<void>;
}

/** On a free port of the loopback, posix backend, in a new temporary directory. */
export async function startVersitygw(binary: string): Promise<Versitygw> {
  const credentials = { accessKeyId: 'segue-test', secretAccessKey: 'segue-test-secret' };
  const root = await mkdtemp(join(tmpdir(), 'segue-versitygw-'));
  const [port] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const child = spawn(binary, ['--port', address, '--keep-alive', '--quiet', 'posix', root], {
    env: { ...process.env, ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = async (): Promise<void> => {
    await killed(child);
    await rm(root, { recursive: true, force: true });
  };
  try {
    await answering('versitygw', child, () => accepts(port));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://${address}`, credentials, stop };
}
