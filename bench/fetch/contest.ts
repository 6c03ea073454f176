// Cases, servers and contestants. One round runs every contestant once, in an order of its own, so that a busy machine hits all alike; the clock covers the whole process and a
// sync of what it wrote (measure.c).

import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { CERT, KEY } from '../../test/source/self-signed';
import { DIR } from './tools';
import type { Tools } from './tools';

const ROOT = resolve(__dirname, '../..');
const BUCKET = 'models';
const MIB = 2 ** 20;
const DATA = join(DIR, 'data');
const WORK = join(DIR, 'work');
const LIMIT_SECONDS = 180;
const KEYS = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b123456789', AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'us-east-1' };

export const CASES = {
  A: { what: 'one object of 2 GiB', prefix: 'one/1/', files: { 'big.bin': 2048 * MIB } as Readonly<Record<string, number>> },
  B: { what: '1,000 files of 64 KiB', prefix: 'small/1/', files: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`assets/${String(i).padStart(4, '0')}.bin`, 65_536])) },
  C: { what: 'a SavedModel of 9 files, 1 GiB', prefix: 'saved/1/', files: { 'saved_model.pb': 5 * MIB, ...Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`variables/variables.data-0000${i}-of-00008`, 128 * MIB])) } },
} as const;
export type Case = keyof typeof CASES;
/** tls: the range server over TLS. */
export type ServerKind = 'range' | 'versity' | 'tls';

export interface Contestant {
  readonly name: string;
  readonly kind: 'ours' | 'peer' | 'floor';
  readonly command: (at: Tools['at'], run: Run) => readonly string[];
  readonly needs: readonly string[];
  readonly servers: readonly ServerKind[];
  readonly cases: readonly Case[];
}

export interface Run {
  readonly port: number;
  readonly endpoint: string;
  readonly prefix: string;
  readonly dest: string;
  readonly bytes: number;
}

const EVERY: readonly Case[] = ['A', 'B', 'C'];
const PLAIN: readonly ServerKind[] = ['range', 'versity'];
const ours = (name: string, ...flags: string[]): Contestant => ({
  name, kind: 'ours', needs: [], servers: [...PLAIN, 'tls'], cases: EVERY,
  command: (_, { prefix, dest, endpoint }) => [process.execPath, join(ROOT, 'lib/cli/main.js'), 'fetch', `s3://${BUCKET}/${prefix}`, dest, '--endpoint', endpoint, ...flags],
});
const floor = (name: string, servers: readonly ServerKind[], ...flags: string[]): Contestant => ({
  name, kind: 'floor', needs: ['floor'], servers, cases: ['A'],
  command: ({ floor: binary = '' }, { port, prefix, dest, bytes }) => [binary, String(port), `/${BUCKET}/${prefix}big.bin`, String(bytes), `${dest}/big.bin`, 'threads=8', 'part=8388608', 'buf=1048576', 'mode=direct', 'fresh=1', 'sync=1', ...flags],
});

export const CONTESTANTS: readonly Contestant[] = [
  ours('segue', '--verify', 'sha256'),
  ours('segue-none', '--verify', 'none'),
  floor('floor', ['range']),
  floor('floor-sha', ['range'], 'sha=1'),
  floor('floor-tls', ['tls'], 'tls=1'),
  { name: 'rclone', kind: 'peer', needs: ['rclone'], servers: PLAIN, cases: EVERY, command: ({ rclone = '' }, { prefix, dest }) => [rclone, '--config=', 'copy', `:s3:${BUCKET}/${prefix}`, dest, '--transfers', '8', '--checkers', '16', '--multi-thread-streams', '8', '--multi-thread-write-buffer-size', '1Mi', '--use-server-modtime', '--no-check-dest'] },
  { name: 's5cmd', kind: 'peer', needs: ['s5cmd'], servers: PLAIN, cases: EVERY, command: ({ s5cmd = '' }, { prefix, dest }) => [s5cmd, '--log', 'error', '--numworkers', '32', 'cp', '--concurrency', '8', '--part-size', '16', `s3://${BUCKET}/${prefix}*`, `${dest}/`] },
  { name: 'boto3-kserve', kind: 'peer', needs: ['boto3'], servers: PLAIN, cases: EVERY, command: ({ boto3 = '' }, { prefix, dest }) => [boto3, join(__dirname, 'kserve.py'), BUCKET, prefix, dest] },
  { name: 'awscli', kind: 'peer', needs: ['awscli'], servers: PLAIN, cases: EVERY, command: ({ awscli = '' }, { prefix, dest }) => [awscli, 's3', 'cp', '--quiet', '--recursive', `s3://${BUCKET}/${prefix}`, dest] },
];

/** Seconds, megabytes. */
export interface Cost {
  readonly seconds: number;
  readonly syncSeconds: number;
  readonly cpuSeconds: number;
  readonly rssMb: number;
  readonly serverCpuSeconds: number;
}

/** The data of a case as the store holds it, random bytes, written once; SHA-256 by path. */
export function prepare(name: Case): ReadonlyMap<string, string> {
  const { prefix, files } = CASES[name];
  const noted = join(DIR, `case-${name}.json`);
  const root = join(DATA, BUCKET, prefix);
  if (existsSync(noted) && Object.entries(files).every(([path, size]) => statSync(join(root, path), { throwIfNoEntry: false })?.size === size)) return new Map(Object.entries(JSON.parse(readFileSync(noted, 'utf8')) as Record<string, string>));
  const digests = new Map(Object.entries(files).map(([path, size]) => [path, written(join(root, path), size)]));
  writeFileSync(noted, JSON.stringify(Object.fromEntries(digests)));
  return digests;
}

function written(path: string, size: number): string {
  mkdirSync(dirname(path), { recursive: true });
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  for (let left = size; left > 0; ) {
    const block = randomBytes(Math.min(left, 8 * MIB));
    hash.update(block);
    left -= writeSync(file, block);
  }
  closeSync(file);
  return hash.digest('hex');
}

export class Server {
  readonly endpoint: string;
  private constructor(private readonly child: ChildProcess, readonly port: number, tls: boolean) {
    this.endpoint = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  }

  static async start(kind: ServerKind, { at }: Tools): Promise<Server> {
    const port = await freePort();
    const pem = join(DIR, 'server.pem');
    writeFileSync(pem, KEY + CERT);
    const [command, ...args] = kind === 'versity'
      ? [at['versitygw'] ?? '', '--quiet', '--access', KEYS.AWS_ACCESS_KEY_ID, '--secret', KEYS.AWS_SECRET_ACCESS_KEY, '--port', `127.0.0.1:${port}`, 'posix', DATA]
      : [at['rangeserver'] ?? '', DATA, String(port), ...(kind === 'tls' ? [`tls=${pem}`] : [])];
    const child = spawn(command ?? '', args, { stdio: 'ignore' });
    await new Promise((resolve) => { setTimeout(resolve, 1_000); });
    if (child.exitCode !== null) throw new Error(`${kind}: ended with ${child.exitCode}`);
    return new Server(child, port, kind === 'tls');
  }

  cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }
}

/** Puts the data into the store as a client would, so that objects have the ETags and checksums of a real upload. Once. */
export function upload(server: Server, name: Case, { at }: Tools): void {
  const marker = join(DIR, `uploaded-${name}`);
  if (existsSync(marker)) return;
  const { prefix } = CASES[name];
  const [from, to] = [join(DATA, BUCKET, prefix), `s3://${BUCKET}/${prefix}`];
  if (at['awscli'] === undefined) throw new Error('the case must be uploaded to versitygw with the AWS CLI, which is not here: run with --install');
  execFileSync(at['awscli'], ['s3', 'cp', '--quiet', '--recursive', from, to], { env: environment('upload', server.endpoint), stdio: 'ignore', timeout: 2 * LIMIT_SECONDS * 1000 });
  writeFileSync(marker, '');
}

/** One run into a fresh directory, or why it does not count. With digests, every byte that arrived is checked. */
export function once(contestant: Contestant, server: Server, name: Case, { at }: Tools, digests?: ReadonlyMap<string, string>): Cost | string {
  const { prefix, files } = CASES[name];
  const bytes = Object.values(files).reduce((sum, size) => sum + size, 0);
  const dest = join(WORK, 'dest');
  rmSync(WORK, { recursive: true, force: true });
  mkdirSync(dest, { recursive: true });
  for (const path of Object.keys(files)) readThrough(join(DATA, BUCKET, prefix, path)); // Every run finds the source in the page cache.
  execFileSync('sync');
  const report = join(DIR, 'report.json');
  rmSync(report, { force: true });
  const command = contestant.command(at, { port: server.port, endpoint: server.endpoint, prefix, dest, bytes });
  const before = server.cpuSeconds();
  let said = '';
  try {
    execFileSync(at['measure'] ?? '', [report, dest, String(LIMIT_SECONDS), String(Math.ceil(bytes / MIB) + 1024), ...command], { env: environment(contestant.name, server.endpoint), stdio: ['ignore', 'pipe', 'pipe'], timeout: 2 * LIMIT_SECONDS * 1000 });
  } catch (error) {
    said = String((error as { stderr?: Buffer }).stderr ?? error).trim().split('\n').at(-1)?.slice(0, 200) ?? '';
  }
  if (!existsSync(report)) return `no report: ${said}`;
  const found = JSON.parse(readFileSync(report, 'utf8')) as { code: number; total_s: number; sync_s: number; cpu_s: number; rss_mb: number; bytes: number; sync_failed: number };
  if (found.code !== 0 || found.sync_failed !== 0) return `exit ${found.code}: ${said}`;
  if (found.bytes !== bytes) return `${found.bytes} bytes arrived of ${bytes}`;
  const wrong = digests === undefined ? undefined : firstWrong(dest, digests);
  if (wrong !== undefined) return wrong;
  return { seconds: found.total_s, syncSeconds: found.sync_s, cpuSeconds: found.cpu_s, rssMb: found.rss_mb, serverCpuSeconds: server.cpuSeconds() - before };
}

export function clean(): void {
  rmSync(WORK, { recursive: true, force: true });
}

function environment(name: string, endpoint: string): NodeJS.ProcessEnv {
  const config = join(DIR, `${name}.aws`);
  writeFileSync(config, '[default]\nregion = us-east-1\ns3 =\n  addressing_style = path\n');
  const authority = join(DIR, 'authority.pem');
  writeFileSync(authority, CERT);
  return {
    PATH: process.env['PATH'], HOME: DIR, ...KEYS, AWS_ENDPOINT_URL: endpoint, S3_ENDPOINT_URL: endpoint, AWS_CONFIG_FILE: config, AWS_EC2_METADATA_DISABLED: 'true', NODE_EXTRA_CA_CERTS: authority,
    RCLONE_S3_PROVIDER: 'Other', RCLONE_S3_ENV_AUTH: 'true', RCLONE_S3_ENDPOINT: endpoint, RCLONE_S3_REGION: 'us-east-1',
  };
}

function readThrough(path: string, use: (piece: Buffer) => void = () => undefined): void {
  const file = openSync(path, 'r');
  const piece = Buffer.allocUnsafe(4 * MIB);
  for (let bytes = readSync(file, piece); bytes > 0; bytes = readSync(file, piece)) use(piece.subarray(0, bytes));
  closeSync(file);
}

function firstWrong(dest: string, digests: ReadonlyMap<string, string>): string | undefined {
  const there = new Set(readdirSync(dest, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(dest.length + 1)));
  for (const [path, want] of digests) {
    if (!there.delete(path)) return `missing ${path}`;
    const hash = createHash('sha256');
    readThrough(join(dest, path), (piece) => void hash.update(piece));
    if (hash.digest('hex') !== want) return `${path} differs`;
  }
  return there.size > 0 ? `unexpected ${[...there][0]}` : undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
