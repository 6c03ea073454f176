// npm run bench:abort -- [--json] [--n 200] [--seed 1]: loads aborted at random instants, on real processes. Three of four: a download of 1 GiB whose rollout is given another endpoint;
// one of four: a version that is LOADING, whose rollout is aborted. Ends with one JSON object:
// proofMs: from the agent's abort call to nothing of the attempt being left, as its proof says. goneMs: from the client's signal to no socket and no open file, seen in /proc every 5 ms.
// newFirstByteMs: from the client's signal to the first bytes of an object asked of the new endpoint (its HEAD comes before). These two of the downloads only: what is LOADING holds neither.
// staleBytes: what the disk still has of the old listing once the new load has begun, and of an aborted version at the end. staleRequests: of any kind, at the old endpoint after the proof.
// readLate: requests that the old endpoint's process came to read after the proof, over connections that it was seen from outside to have lost before: they had been sent, and lay in the kernel.
// serverAhead: whether the Temporal server of this run was given its processor first, as one on its own machine has it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { WorkflowHandle } from '@temporalio/client';
import { heldBy, isStillOpen, type Held } from '../src/cli/demo/proc';
import type { FleetState } from '../src/domain/fleet-facts';
import type { Status } from '../src/domain/status';
import type { Proof } from '../src/domain/view';
import { startS3 } from '../src/testing/s3/server';
import { connectClient, type ConnectedClient } from '../src/worker/connection';
import { startDevServer } from '../src/worker/dev-server';
import { freePorts } from '../src/worker/free-port';
import { resolveTemporalCli } from '../src/worker/temporal-cli';

const ROOT = resolve(__dirname, '..');
const SAMPLE = join(ROOT, 'test/data/savedmodels/saved_model_half_plus_two_cpu/00000123');
const LOAD_MS = 1_500;
const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, n: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } } });
const children: ChildProcess[] = [];

function ts(file: string, ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, ['-r', join(ROOT, 'tools/ts.cjs'), join(ROOT, file), ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TEMPORAL_ADDRESS: address } });
  children.push(child);
  child.stderr?.resume();
  return child;
}
let address = '';

async function firstLine(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout! });
  const [line] = (await once(lines, 'line')) as [string];
  child.stdout!.resume();
  return line;
}

/** A workflow server of its own machine never waits for a processor that a download has; here it has two with it, and Linux lets another session's threads wait for up to 1.7 s
 * (scheduling by autogroup, measured on 6.18 in two of a hundred aborts). So its session goes first, where we may say so. */
function putAhead(pid: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, '-15');
    // Sessions are no groups below a control group with a processor share of its own.
    const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n').map((line) => line.split(':'));
    const [, , path] = groups.find(([, controllers = '']) => controllers.split(',').includes('cpu')) ?? groups.find(([id]) => id === '0') ?? [];
    return path === '/' && readFileSync('/proc/sys/kernel/sched_autogroup_enabled', 'utf8').trim() === '1';
  } catch {
    return false;
  }
}

/** Mulberry32: the same seed, the same instants. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Stage { readonly connected: ConnectedClient; readonly root: string; readonly agentPid: number; readonly sources: readonly [string, string]; readonly small: string; readonly chance: () => number }
interface Sample { readonly proofMs: number; readonly goneMs?: number; readonly newFirstByteMs?: number; readonly staleBytes: number; readonly staleRequests: number; readonly readLate: number }
interface Logged { readonly atMs: number; readonly method: string; readonly key: string; readonly port: number }

async function main(): Promise<void> {
  const n = Number(values.n);
  const scratch = mkdtempSync(join(tmpdir(), 'segue-abort-'));
  const dev = await startDevServer({ cli: await resolveTemporalCli(), headless: true });
  const small = await startS3({ root: join(scratch, 'buckets') });
  try {
    address = dev.address;
    const serverAhead = putAhead(dev.pid);
    const [port] = await freePorts(1);
    const root = join(scratch, 'host');
    mkdirSync(root);
    const [one, two] = [ts('bench/large-source.ts'), ts('bench/large-source.ts')];
    // As in production: the control worker holds nothing, and is not in the process that moves the bytes.
    ts('src/cli/main.ts', 'worker').stdout?.resume();
    const up = ts('src/cli/main.ts', 'agent', '--fleet', 'bench', '--server', 'edge', '--root', root, '--serving', `127.0.0.1:${port}`, '--', process.execPath, '-r', join(ROOT, 'tools/ts.cjs'), join(ROOT, 'src/cli/main.ts'),
      'simulate', `--port=${port}`, `--model_config_file=${join(root, 'boot.config')}`, '--num_load_threads=2', '--num_unload_threads=2', '--max_num_load_retries=0', '--file_system_poll_wait_seconds=1', '--model_config_file_poll_wait_seconds=0', `--segue_load_ms=slow:${LOAD_MS}`);
    const urls = await Promise.all([one, two].map(async (child) => (JSON.parse(await firstLine(child)) as { url: string }).url));
    const connected = await connectClient(dev.target);
    const stage: Stage = { connected, root, agentPid: up.pid ?? 0, sources: [urls[0] ?? '', urls[1] ?? ''], small: small.url, chance: random(Number(values.seed)) };
    await fleetReady(stage);
    const samples: Sample[] = [];
    for (let at = 1; at <= n; at += 1) {
      samples.push(at % 4 === 0 ? await abortLoading(stage, at, scratch) : await supersedeDownload(stage, at));
      if (!values.json) process.stdout.write(`${at}/${n} ${JSON.stringify(samples.at(-1))}\n`);
    }
    await connected.close();
    const first = samples.flatMap((sample) => sample.newFirstByteMs ?? []);
    const sum = (of: (sample: Sample) => number): number => samples.reduce((total, sample) => total + of(sample), 0);
    process.stdout.write(`${JSON.stringify({ n: samples.length, proofMs: quantiles(samples.map((one) => one.proofMs)), newFirstByteMs: quantiles(first), goneMs: quantiles(samples.flatMap((one) => one.goneMs ?? [])), staleBytes: sum((one) => one.staleBytes), staleRequests: sum((one) => one.staleRequests), readLate: sum((one) => one.readLate), seed: Number(values.seed), serverAhead })}\n`);
  } finally {
    for (const child of children.reverse()) { child.kill('SIGTERM'); if (child.exitCode === null && child.signalCode === null) await once(child, 'close'); }
    await small.stop();
    await dev.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A load of 1 GiB, and at a random instant another endpoint: a good one with nothing else in it. */
async function supersedeDownload({ connected, root, agentPid, sources: [stale, good], chance }: Stage, version: number): Promise<Sample> {
  const source = (endpoint: string): object => ({ uri: `s3://models/big/${version}/`, endpoint, credentials: 'anonymous' });
  const handle = await start(connected, 'big', version, source(stale));
  await firstOf(stale, version);
  await delay(chance() * 400);
  const staging = join(root, 'staging/big');
  const [stalePartial] = partials(staging, version);
  const held = new HeldBefore(agentPid, Number(new URL(stale).port), stalePartial === undefined ? staging : join(staging, stalePartial));
  const signalMs = Date.now();
  const watch = held.goneAtMs();
  await handle.signal('update', { source: source(good) });
  const firstGood = await firstOf(good, version);
  const goneAtMs = await watch;
  const proof = await until(async () => proofOf(await handle.query<Status>('status')));
  const staleBytes = stalePartial === undefined ? 0 : bytesBelow(join(staging, stalePartial));
  await handle.executeUpdate('abort', { args: [{ reason: 'measured' }] });
  await handle.result().catch(() => undefined);
  const late = (await logOf(stale, version)).filter((one) => one.atMs > proof.atMs);
  const readLate = goneAtMs > proof.atMs ? 0 : late.filter(({ port }) => held.ports.includes(port)).length;
  return { proofMs: proof.stoppedMs, goneMs: goneAtMs - signalMs, newFirstByteMs: firstGood.atMs - signalMs, staleBytes, staleRequests: late.length - readLate, readLate };
}

/** Bytes are there in no time; the server takes its time to load them, and at a random instant of that nobody wants it any more. */
async function abortLoading({ connected, root, small, chance }: Stage, version: number, scratch: string): Promise<Sample> {
  cpSync(SAMPLE, join(scratch, `buckets/models/slow/${version}`), { recursive: true });
  const handle = await start(connected, 'slow', version, { uri: `s3://models/slow/${version}/`, endpoint: small, credentials: 'anonymous' });
  await until(async () => (await handle.query<Status>('status')).servers['edge' as never]?.step === 'awaitAvailable');
  await delay(chance() * LOAD_MS * 0.6);
  await handle.signal('abort', { reason: 'measured' });
  await handle.result().catch(() => undefined);
  const proof = proofOf(await handle.query<Status>('status'));
  if (proof === undefined) throw new Error(`no proof of the abort of slow/${version}`);
  return { proofMs: proof.stoppedMs, staleBytes: partials(join(root, 'staging/slow'), version).reduce((sum, name) => sum + bytesBelow(join(root, 'staging/slow', name)), 0), staleRequests: 0, readLate: 0 };
}

async function start({ client }: ConnectedClient, model: string, version: number, source: object): Promise<WorkflowHandle> {
  return client.workflow.start('rollout', { workflowId: `rollout/bench/${model}/${version}`, taskQueue: 'segue', args: [{ fleet: 'bench', model, version: String(version), source }] });
}

function proofOf(status: Status): Proof | undefined {
  return status.servers['edge' as never]?.proof;
}

/** Sockets to one port and open files below one directory. Looking for all of them takes 8 ms of a core, which would be taken from what is measured: once before it, then only whether those descriptors are closed, then for all once more. */
class HeldBefore {
  readonly #before: Held;

  constructor(private readonly pid: number, private readonly port: number, private readonly directory: string) {
    this.#before = this.#look();
  }

  /** Its ends of those connections. */
  get ports(): readonly number[] {
    return this.#before.sockets;
  }

  async goneAtMs(): Promise<number> {
    for (let { descriptors } = this.#before; ;) {
      while (descriptors.some((one) => isStillOpen(this.pid, one))) await delay(5);
      const atMs = Date.now(); // What the look itself takes is ours.
      ({ descriptors } = this.#look());
      if (descriptors.length === 0) return atMs;
    }
  }

  #look(): Held {
    const [held] = heldBy([{ pid: this.pid, directory: this.directory }], this.port) ?? [];
    if (held === undefined) throw new Error(`the kernel does not show what process ${this.pid} holds`);
    return held;
  }
}

/** When a body of the version was first asked for; waits for that. */
async function firstOf(url: string, version: number): Promise<Logged> {
  return (await (await fetch(`${url}/_first?version=${version}`)).json()) as Logged;
}

async function logOf(url: string, version: number): Promise<readonly Logged[]> {
  return (await (await fetch(`${url}/_log?version=${version}`)).json()) as readonly Logged[];
}

function partials(staging: string, version: number): readonly string[] {
  try { return readdirSync(staging).filter((name) => name.startsWith(`${version}-`) && !name.endsWith('.json')); } catch { return []; }
}

function bytesBelow(directory: string): number {
  try {
    return readdirSync(directory, { recursive: true }).reduce((sum, name) => sum + (statSync(join(directory, String(name)), { throwIfNoEntry: false })?.size ?? 0), 0);
  } catch { return 0; }
}

async function fleetReady({ connected }: Stage): Promise<void> {
  await until(async () => (await connected.client.workflow.getHandle('fleet/bench').query<FleetState>('status').catch(() => undefined))?.members['edge' as never]?.models !== undefined);
}

/** Every instant that counts is read from who saw it, so that looking need not be often, and takes little of what is measured. */
async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (const deadline = Date.now() + 60_000; ; await delay(20)) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`still not so after 60 s: ${look.toString()}`);
  }
}

function quantiles(samples: readonly number[]): { readonly p50: number; readonly p99: number; readonly max: number } {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number => Math.round((sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN) * 10) / 10;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

main().catch((error: unknown) => { console.error(error); process.exitCode = 1; for (const child of children) child.kill('SIGKILL'); });
