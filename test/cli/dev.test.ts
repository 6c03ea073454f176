// `segue dev` as a person uses it: everything up, rollouts by the temporal command line itself, Ctrl-C, and nothing left.

import { execFile, type ExecFileException } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isFree } from '../../src/worker/free-port';
import { temporalCli } from '../setup/shared';
import { until } from '../setup/until';
import { type SegueProcess, startSegue } from './segue-process';

interface Facts {
  readonly temporal: string;
  readonly ui: string;
  readonly s3: string;
  readonly servers: Readonly<Record<string, { readonly serving: string; readonly root: string }>>;
}

let dev: SegueProcess;
let facts: Facts;
let base: number;

beforeAll(async () => {
  base = await freeRow(6);
  dev = startSegue(['dev', '--port-base', String(base), '-o', 'json'], { SEGUE_TEMPORAL_CLI: temporalCli() });
  await dev.said('"servers"');
  facts = JSON.parse(dev.output().split('\n').find((line) => line.startsWith('{')) ?? '{}') as Facts;
});

// Whatever a test did: the process may be gone already.
afterAll(async () => {
  dev.child.kill('SIGKILL');
  await dev.ended;
});

test('it uses the ports it says, in the order of its help', () => {
  expect(facts).toMatchObject({ temporal: `127.0.0.1:${base}`, ui: `http://127.0.0.1:${base + 1}`, s3: `http://127.0.0.1:${base + 2}` });
  expect(Object.values(facts.servers).map((server) => server.serving)).toEqual([3, 4, 5].map((index) => `127.0.0.1:${base + index}`));
});

test('temporal workflow start, then result: 0 when it is served', async () => {
  await expect(temporal('start', '--workflow-id', 'rollout/demo/half/1/ci-1', ...rollout('1'))).resolves.toMatchObject({ code: 0 });
  await expect(temporal('result', '--workflow-id', 'rollout/demo/half/1/ci-1')).resolves.toMatchObject({ code: 0 });
  for (const { root } of Object.values(facts.servers)) expect(readFileSync(`${root}/boot.config`, 'utf8')).toMatch(/versions: 1\b/);
});

test('temporal workflow execute ends with 1 when it was aborted by a signal, and the servers serve what they served', async () => {
  const ended = temporal('execute', '--workflow-id', 'rollout/demo/half/2/ci-1', ...rollout('2', { strategy: { bakeSeconds: 600 } }));
  await until(async () => (await temporal('query', '--workflow-id', 'rollout/demo/half/2/ci-1', '--type', 'status')).out.includes('baking'), 30_000);
  await temporal('signal', '--workflow-id', 'rollout/demo/half/2/ci-1', '--name', 'abort', '--input', '{"reason": "seen enough"}');
  expect((await ended).code).not.toBe(0);
  await expect(temporal('result', '--workflow-id', 'rollout/demo/half/2/ci-1')).resolves.not.toMatchObject({ code: 0 });
  for (const { root } of Object.values(facts.servers)) expect(readFileSync(`${root}/boot.config`, 'utf8')).toMatch(/versions: 1\b/);
});

test('Ctrl-C ends everything: no port held, no process, no file', async () => {
  const below = childrenOf(dev.child.pid ?? 0);
  expect(below.length).toBeGreaterThanOrEqual(4); // the dev server and three simulators, and who watches over them
  dev.child.kill('SIGINT');
  expect(await dev.ended).toBe(0);
  expect(dev.output()).not.toContain('a bug');
  await until(() => below.every((pid) => !existsSync(`/proc/${pid}`)));
  for (let port = base; port < base + 6; port += 1) expect({ port, free: await isFree(port) }).toEqual({ port, free: true });
  for (const { root } of Object.values(facts.servers)) expect(existsSync(root)).toBe(false);
});

function rollout(version: string, more: object = {}): readonly string[] {
  const input = { fleet: 'demo', model: 'half', version, source: { uri: `s3://models/half/${version}/`, endpoint: facts.s3 }, ...more };
  return ['--type', 'rollout', '--task-queue', 'segue', '--input', JSON.stringify(input)];
}

function temporal(verb: string, ...args: readonly string[]): Promise<{ code: number; out: string }> {
  return new Promise((done) => execFile(temporalCli(), ['workflow', verb, '--address', facts.temporal, ...args], (error: ExecFileException | null, stdout, stderr) =>
    done({ code: error === null ? 0 : Number(error.code ?? -1), out: stdout + stderr })));
}

/** Direct children by the kernel's own word. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((one) => parentOf(one) === pid);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined; // gone meanwhile
  }
}

/** The first of so many ports in a row that are all free. */
async function freeRow(count: number): Promise<number> {
  for (let first = 17_000 + (process.pid % 1000) * 10; ; first += count) {
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)));
    if (free.every(Boolean)) return first;
  }
}
