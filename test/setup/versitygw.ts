// A real S3 server to hold ours against: versitygw, found or built, and run on a directory of its own.
// https://github.com/versity/versitygw

import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Credentials } from '../../src/testing/s3/sigv4';

const VERSION = 'v1.8.0';
const MODULE = `github.com/versity/versitygw/cmd/versitygw@${VERSION}`;
/** A cold build on two cores takes about five minutes. */
const INSTALL_TIMEOUT_MS = 15 * 60 * 1000;
/** It listens within a second; this is for a machine that is busy with everything else. */
const START_TIMEOUT_MS = 30_000;

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
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'versitygw'));
  const cached = join(cacheDirectory(), 'versitygw');
  for (const candidate of [...onPath, cached]) if (await executable(candidate)) return candidate;
  const built = await install(progress);
  if (built === undefined) return cached;
  throw new NoVersitygwError(
    `no versitygw: SEGUE_VERSITYGW is not set; not on PATH; not in ${cacheDirectory()}; go install ${MODULE}: ${built}. ` +
      `Install Go, or set SEGUE_VERSITYGW to the binary.`,
  );
}

/** Is there a binary, or a Go to build it with? Looks at files only. */
export function canHaveVersitygw(): boolean {
  const onPath = (name: string): boolean => (process.env['PATH'] ?? '').split(delimiter).some((directory) => existsSync(join(directory, name)));
  return (process.env['SEGUE_VERSITYGW'] ?? '') !== '' || onPath('versitygw') || existsSync(join(cacheDirectory(), 'versitygw')) || onPath('go');
}

function cacheDirectory(): string {
  const ours = process.env['SEGUE_CACHE_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'segue');
  return join(ours, `versitygw-${VERSION}`);
}

/** Why it could not be built; nothing when it was. */
async function install(progress: (line: string) => void): Promise<string | undefined> {
  progress(`versitygw ${VERSION}: building with go install, once (some minutes)`);
  try {
    await mkdir(cacheDirectory(), { recursive: true });
    await promisify(execFile)('go', ['install', MODULE], { env: { ...process.env, GOBIN: cacheDirectory() }, timeout: INSTALL_TIMEOUT_MS });
    return undefined;
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
    return code === 'ENOENT' ? 'there is no Go' : (stderr?.trim().split('\n').at(-1) ?? message);
  }
}

async function executable(path: string): Promise<boolean> {
  return existsSync(path) && access(path, constants.X_OK).then(() => true, () => false);
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
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const child = spawn(binary, ['--port', address, '--keep-alive', '--quiet', 'posix', root], {
    env: { ...process.env, ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await rm(root, { recursive: true, force: true });
  };
  try {
    await answering(child, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://${address}`, credentials, stop };
}

async function answering(child: ChildProcess, port: number): Promise<void> {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')));
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`versitygw ended with ${code}: ${said.trim()}`)));
  });
  failed.catch(() => undefined);
  for (const until = Date.now() + START_TIMEOUT_MS; Date.now() < until; ) {
    if (await Promise.race([accepts(port), failed])) return;
    await sleep(20);
  }
  throw new Error(`versitygw did not listen within ${START_TIMEOUT_MS} ms: ${said.trim()}`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
