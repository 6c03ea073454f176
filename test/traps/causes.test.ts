// Twenty and more servers are brought to a standstill in each way we know of, and the doctor, told only what it can see, must say which way it was.

import { createServer, type AddressInfo, type Socket } from 'node:net';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelEntry } from '../../src/agent/journal-format';
import { Journal } from '../../src/agent/journal';
import { observe, type ServerQuestion } from '../../src/cli/doctor/server-checks';
import { diagnose, FETCH_IDLE_MS, type Cause } from '../../src/domain/diagnosis';
import type { ModelName, Version } from '../../src/domain/names';
import type { ServerFlags } from '../../src/domain/server-flags';
import type { StartOptions } from '../../src/testing/tf-serving/server';
import { failure, Fixture, HALF_PLUS_THREE } from '../tf-serving/fixture';
import { ModelService } from '../../src/proto/gen/tensorflow_serving/apis/model_service_pb';
import { until } from '../setup/until';
import { call, World } from '../agent/world';

const CASES = 20;
const POLL_SECONDS = 0.1;
/** Of the cases of one cause that must be named rightly. */
const WANTED_SHARE = 0.95;
const LONG_MS = 20_000;

/** What the doctor is told of one injected standstill. */
interface Told {
  readonly address?: string;
  readonly root?: string;
  readonly entries?: ReadonlyMap<ModelName, ModelEntry>;
  readonly boot?: Readonly<Record<string, readonly string[]>>;
  readonly names?: readonly string[];
  /** The command line cannot be read. */
  readonly blind?: boolean;
}

/** Brings a server to a standstill; `n` makes every case another one. */
type Inject = (at: Fixture, n: number) => Promise<Told>;

const closing: (() => Promise<void> | void)[] = [];
afterAll(async () => { await Promise.all(closing.splice(0).map(async (close) => close())); });

const INJECTED: Readonly<Partial<Record<Cause, Inject>>> = {
  async serverGone(at, n) {
    if (n % 3 === 2) {
      const heard: Socket[] = [];
      const deaf = createServer((socket) => { heard.push(socket); });
      await new Promise<void>((done) => deaf.listen(0, '127.0.0.1', done));
      closing.push(() => { deaf.close(); for (const socket of heard) socket.destroy(); });
      return { address: `127.0.0.1:${(deaf.address() as AddressInfo).port}` };
    }
    await start(at, n);
    await at.simulator.stop();
    return { boot: { a: ['1'] }, blind: n % 2 === 0 };
  },
  async threadsExhausted(at, n) {
    const grpcMaxThreads = 3 + (n % 6);
    await start(at, n, { grpcMaxThreads });
    for (let i = 1; i < grpcMaxThreads; i += 1) abandon(at.reload(at.list({ a: specific('1'), [`missing${i}`]: '' }), { deadlineMs: 30_000 }));
    await until(async () => (await failure(status(at, 'a'))).startsWith('RESOURCE_EXHAUSTED'));
    return { boot: { a: ['1'] }, blind: n % 2 === 0 };
  },
  async configLock(at, n) {
    await start(at, n);
    if (n % 2 === 1) mkdirSync(join(at.root, 'fresh'));
    if (n % 4 === 3) at.stage('fresh', '7');
    const policy = n % 4 === 3 ? 'model_version_policy { specific { versions: 8 } }' : n % 4 === 1 ? specific('1') : '';
    abandon(at.reload(at.list({ a: specific('1'), fresh: policy })));
    await until(() => at.simulator.core.configMu.held);
    return { boot: { a: ['1'], ...(n % 5 === 0 ? {} : { fresh: ['8'] }) }, blind: n % 3 === 0 };
  },
  async badBasePath(at, n) {
    at.stage('sibling', '1');
    await start(at, n, {}, { sibling: specific('1') });
    rmSync(join(at.root, 'sibling'), { recursive: true });
    at.stage('a', '2', HALF_PLUS_THREE);
    await at.reload(at.list({ a: specific('1', '2'), sibling: specific('1') }));
    return { boot: { a: ['1', '2'], ...(n % 2 === 0 ? { sibling: ['1'] } : {}) }, blind: n % 3 === 0 };
  },
  async heldHandle(at, n) {
    at.stage('other', '1');
    await start(at, n, {}, { other: specific('1') });
    at.simulator.faults.delay({ what: 'predict', model: n % 3 === 0 ? 'a' : 'other', ms: LONG_MS });
    abandon(at.predict(n % 3 === 0 ? 'a' : 'other', [1], undefined, { deadlineMs: LONG_MS }));
    await until(() => at.simulator.core.manager.basic.handlesHeld > 0);
    at.stage('a', '2', HALF_PLUS_THREE);
    if (n % 2 === 0) await at.reload(at.list({ a: specific('1', '2'), other: specific('1') })); // LOADING, and answers.
    else await at.reload(at.list({ a: 'model_version_policy { specific {} }', other: specific('1') }));
    await until(() => ['LOADING', 'UNLOADING'].includes(stateNow(at, 'a', n % 2 === 0 ? 2n : 1n)));
    return { boot: { a: n % 2 === 0 ? ['1', '2'] : [], other: ['1'] }, blind: n % 3 === 0 };
  },
  async inlineLoads(at, n) {
    at.stage('b', '1');
    await start(at, n, { numLoadThreads: 0 }, { b: specific('1') });
    at.simulator.faults.delay({ what: 'load', ms: LONG_MS });
    at.stage('a', '2', HALF_PLUS_THREE);
    at.stage('b', '2');
    await at.reload(at.list({ a: specific('1', '2'), b: specific('1') }));
    await until(() => stateNow(at, 'a', 2n) === 'LOADING');
    if (n % 2 === 0) return { boot: { a: ['1', '2'], b: ['1'] } };
    await at.reload(at.list({ a: specific('1', '2'), b: specific('1', '2') }));
    return { boot: { a: ['1', '2'], b: ['1', '2'] }, blind: true };
  },
  async retrySleep(at, n) {
    await start(at, n, { maxNumLoadRetries: 1 + (n % 5), loadRetryIntervalMicros: 60_000_000 });
    const dir = at.stage('a', '2', HALF_PLUS_THREE);
    if (n % 3 === 0) rmSync(join(dir, 'saved_model.pb'));
    else if (n % 3 === 1) rmSync(join(dir, 'variables', 'variables.data-00000-of-00001'));
    else writeFileSync(join(dir, 'saved_model.pb'), 'not a SavedModel');
    await at.reload(at.list({ a: specific('1', '2') }));
    await until(() => stateNow(at, 'a', 2n) === 'LOADING');
    return { boot: { a: ['1', '2'] } };
  },
  async reserving(at, n) {
    await start(at, n, { maxNumLoadRetries: 1 + (n % 5), loadRetryIntervalMicros: 60_000_000 });
    at.simulator.faults.error({ what: 'estimate', code: 'NOT_FOUND' });
    at.stage('a', '2', HALF_PLUS_THREE);
    await at.reload(at.list({ a: specific('1', '2') }));
    await until(() => stateNow(at, 'a', 2n) === 'START');
    return { boot: { a: ['1', '2'] }, blind: n % 2 === 0 };
  },
  async loadRunning(at, n) {
    await start(at, n);
    at.simulator.faults.delay({ what: 'load', ms: LONG_MS });
    if (n % 3 === 0) { // Of a new name: its reload blocks meanwhile.
      at.stage('fresh', '1');
      abandon(at.reload(at.list({ a: specific('1'), fresh: specific('1') })));
      await until(() => stateNow(at, 'fresh', 1n) === 'LOADING');
      return { boot: { a: ['1'], fresh: ['1'] }, blind: n % 2 === 0 };
    }
    at.stage('a', '2', HALF_PLUS_THREE);
    if (n % 3 === 1) at.stage('a', '3');
    await at.reload(at.list({ a: specific('1', '2', ...(n % 3 === 1 ? ['3'] : [])) }));
    await until(() => stateNow(at, 'a', n % 3 === 1 ? 3n : 2n) === 'LOADING');
    if (n % 5 === 0) await at.reload(at.list({ a: specific('1') })); // Taken off the list: it runs to its end all the same.
    return { boot: { a: ['1', ...(n % 5 === 0 ? [] : ['2', ...(n % 3 === 1 ? ['3'] : [])])] }, blind: n % 2 === 0 };
  },
  async fetchStall(_at, n) {
    const world = await World.start({ 1: 'two' });
    closing.push(() => world.stop());
    const s3 = await world.anotherS3({ 2: 'three' });
    s3.fault({ key: n % 2 === 0 ? '*saved_model.pb' : '*variables.data*', fault: { kind: 'stall', afterBytes: n % 8 } });
    const attempt = await world.attempt('2', [2, 1], {}, s3);
    await world.the.beginAttempt(attempt, call());
    const stop = new AbortController();
    closing.push(() => stop.abort(new Error('the test is over')));
    abandon(world.the.downloadVersion(attempt, call(stop.signal)));
    await until(() => world.dir('staging/half').length > 0);
    await until(async () => (await Journal.open(world.root)).entry('half' as ModelName).partial !== undefined);
    await until(() => s3.log().some((line) => line.fault === 'stall') && Date.now() - newestMs(join(world.root, 'staging')) > FETCH_IDLE_MS, 60_000);
    return { address: `unix:${world.socket}`, root: world.root, entries: (await Journal.open(world.root)).models, blind: true };
  },
};

const named = new Map<Cause, Map<string, number>>();

/** Causes injected at once: more would only slow each other down until a second is no second. */
const AT_ONCE = 4;

beforeAll(async () => {
  const left = Object.entries(INJECTED) as [Cause, Inject][];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) named.set(next[0], await answersTo(next[1]));
  }));
}, 240_000);

async function answersTo(inject: Inject): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  await Promise.all(Array.from({ length: CASES }, async (_, n) => {
    const at = new Fixture();
    closing.push(() => at.close());
    const told = await inject(at, n);
    const question: ServerQuestion = { address: told.address ?? `127.0.0.1:${at.simulator.port}`, root: told.root, models: told.entries ?? new Map(), names: told.names ?? [], pollSeconds: POLL_SECONDS };
    const boot = new Map(Object.entries(told.boot ?? {}).map(([name, versions]) => [name as ModelName, { basePath: join(at.root, name), versions: versions as readonly Version[] }]));
    const [first] = diagnose(await observe(question, told.blind === true || told.address !== undefined ? undefined : { pid: 1, argv: [], flags: flagsOf(at) }, boot));
    const answer = first?.cause ?? 'nothing';
    counts.set(answer, (counts.get(answer) ?? 0) + 1);
  }));
  return counts;
}

test.each(Object.keys(INJECTED) as Cause[])('%s is named as what it is', (cause) => {
  const answers = named.get(cause) ?? new Map<string, number>();
  expect([...answers.values()].reduce((sum, count) => sum + count, 0)).toBe(CASES);
  expect((answers.get(cause) ?? 0) / CASES).toBeGreaterThanOrEqual(WANTED_SHARE);
});

test('a server that is well, and one that is merely about to look, are not called stuck', async () => {
  const answers = await Promise.all(Array.from({ length: CASES }, async (_, n) => {
    const at = new Fixture();
    closing.push(() => at.close());
    await start(at, n);
    if (n % 2 === 0) { at.stage('a', '2', HALF_PLUS_THREE); await at.reload(at.list({ a: specific('1', '2') })); }
    const boot = new Map([['a' as ModelName, { basePath: join(at.root, 'a'), versions: (n % 2 === 0 ? ['1', '2'] : ['1']) as Version[] }]]);
    return diagnose(await observe({ address: `127.0.0.1:${at.simulator.port}`, models: new Map(), names: [], pollSeconds: POLL_SECONDS }, undefined, boot)).map((one) => one.cause);
  }));
  expect(answers.flat()).toEqual([]);
});

afterAll(() => {
  const columns = [...new Set([...named.values()].flatMap((counts) => [...counts.keys()]))];
  const width = Math.max(...columns.map((one) => one.length)) + 1;
  const line = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(width)).join('');
  process.stdout.write(`\ninjected \\ named\n${[line(['', ...columns]), ...[...named].map(([cause, counts]) => line([cause, ...columns.map((one) => String(counts.get(one) ?? '.'))]))].join('\n')}\n`);
});

/** Model `a` with version 1 AVAILABLE, some models beside it, and the flags Segue asks for but for what the case changes. */
async function start(at: Fixture, n: number, options: StartOptions = {}, beside: Readonly<Record<string, string>> = {}): Promise<void> {
  at.stage('a', '1');
  for (let i = 0; i < n % 3; i += 1) at.stage(`more${i}`, '1');
  const more = Object.fromEntries(Array.from({ length: n % 3 }, (_, i) => [`more${i}`, specific('1')]));
  const list = at.list.bind(at);
  at.list = (models) => list({ ...more, ...models });
  await at.start({ modelConfig: at.list({ a: specific('1'), ...beside }), fileSystemPollWaitSeconds: POLL_SECONDS, ...options });
  optionsOf.set(at, options);
}

const optionsOf = new WeakMap<Fixture, StartOptions>();

function flagsOf(at: Fixture): ServerFlags {
  const { numLoadThreads = 2, maxNumLoadRetries = 0 } = optionsOf.get(at) ?? {};
  return { modelConfigFile: undefined, loadThreads: numLoadThreads, unloadThreads: 2, loadRetries: maxNumLoadRetries, pollSeconds: POLL_SECONDS, configPollSeconds: 0 };
}

function specific(...versions: readonly string[]): string {
  return `model_version_policy { specific { ${versions.map((one) => `versions: ${one}`).join(' ')} } }`;
}

function status(at: Fixture, name: string): Promise<unknown> {
  return at.call(ModelService.method.getModelStatus, { modelSpec: { name } });
}

/** What the server would answer, without using one of its threads. */
function stateNow(at: Fixture, model: string, version: bigint): string {
  return at.simulator.core.monitor.state({ name: model, version })?.state.toUpperCase() ?? '';
}

/** When something below this directory was last written. */
function newestMs(path: string): number {
  return Math.max(0, ...readdirSync(path, { recursive: true }).map((name) => statSync(join(path, String(name)), { throwIfNoEntry: false })?.mtimeMs ?? 0));
}

/** A call nobody waits for; what becomes of it is not the point. */
function abandon(promise: Promise<unknown>): void {
  promise.catch(() => undefined);
}
