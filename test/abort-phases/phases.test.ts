// An abort in every phase of a rollout, on real parts: whatever it was doing, it stops, proves it, and the servers are as they were.
// Proven elsewhere: waiting for a fleet that does not answer (test/integration/failing), a repair that waits for a rollout (test/integration/reconciling; nothing else waits for another rollout), the TLS handshake and the pause before another try (test/source/abort),
// late download, stage and reload of an aborted token (test/agent/stop), a process that was stopped by the kernel and goes on (test/zombies).
// With the agent, the model server or the engine away: away.test.ts.

import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { ModelName, Version } from '../../src/domain/names';
import type { Verdict } from '../../src/domain/verdict';
import { modelsOf } from '../../src/testing/tf-serving/config-checks';
import { ServingClient } from '../../src/serving/client';
import { probe } from '../integration/stage';
import { HALF_PLUS_TWO, upload, World } from '../integration/world';
import { until } from '../setup/until';
import { startDeafStore } from './deaf-store';
import { holdOpen, holdRead, holdRename, type Held } from './slow-disk';
import { expectCleanAbort, leftoversOf, PhaseStage } from './stage';
import { stateOf } from './watch';

let whole: World;
let on: PhaseStage;
let held: Held | undefined;
beforeAll(async () => {
  whole = await World.start();
  on = await PhaseStage.start(whole, 'phases', ['a', 'b']);
}, 60_000);
afterAll(async () => {
  await on.stop();
  await whole.stop();
});
beforeEach(() => on.reset());
afterEach(() => { held?.release(); held = undefined; });

interface Phase {
  readonly phase: string;
  /** What is asked besides version and source. */
  readonly input?: object;
  readonly extra?: Readonly<Record<string, Buffer>>;
  readonly arrange?: (version: string) => unknown;
  /** The fact that it is there now. */
  readonly reached: (handle: WorkflowHandle, version: string) => unknown;
  /** How the server's way ended: stopped before it served the candidate, or went back from it. */
  readonly end?: 'stopped' | 'wentBack' | 'untouched';
  readonly other?: 'untouched' | 'wentBack';
  /** One of these was AVAILABLE at every look. */
  readonly available?: (version: string) => readonly string[];
}

const server = (name = 'a') => on.world.server(name);
const journalOf = (model: string): Record<string, unknown> => (JSON.parse(readFileSync(join(server().root, 'journal.json'), 'utf8')) as { models: Record<string, Record<string, unknown>> }).models[model] ?? {};
const logged = (fault: string): boolean => on.store.log().some((line) => line.fault === fault && line.closedAtMs === undefined);
const isAt = (step: string) => async (handle: WorkflowHandle): Promise<boolean> => await on.step(handle) === step;
const stagedFile = (version: string, name: string) => (path: string): boolean => path.startsWith(join(server().root, `staging/half/${version}-`)) && path.endsWith(name);
const MEBIBYTE = 1 << 20;

const phases: readonly Phase[] = [
  {
    phase: 'resolving: the listing hangs', end: 'untouched',
    arrange: () => on.store.fault({ on: 'ListObjectsV2', fault: { kind: 'slowHeaders', ms: 60_000 } }),
    reached: () => logged('slowHeaders'),
  },
  {
    phase: 'headers do not come',
    arrange: () => on.store.fault({ fault: { kind: 'slowHeaders', ms: 60_000 } }),
    reached: () => logged('slowHeaders'),
  },
  {
    phase: 'mid-body, the other server waiting for its turn',
    arrange: () => on.store.fault({ fault: { kind: 'stall', afterBytes: 4 } }),
    reached: async (handle) => logged('stall') && (await on.status(handle)).servers['b' as never]?.waiting?.on === 'turn',
  },
  {
    phase: 'writing a large file', extra: { 'assets.extra/large': Buffer.alloc(16 * MEBIBYTE, 'w') },
    arrange: () => on.store.fault({ key: '*/large', fault: { kind: 'trickle', bytesPerSecond: 2 * MEBIBYTE, afterBytes: 4 * MEBIBYTE } }),
    reached: () => on.openBelowStaging(server()).some((path) => path.endsWith('/large') && statSync(path).size > 5 * MEBIBYTE),
  },
  {
    phase: 'hashing a large file', extra: { 'assets.extra/large': Buffer.alloc(16 * MEBIBYTE, 'h') },
    arrange: (version) => { held = holdRead(stagedFile(version, 'large')); },
    reached: () => held?.asked(),
  },
  {
    phase: 'verifying that it is a SavedModel',
    arrange: (version) => { held = holdOpen(stagedFile(version, 'saved_model.pb')); },
    reached: () => held?.asked(),
  },
  {
    phase: 'staging, at the rename',
    arrange: (version) => { held = holdRename((to) => to === join(server().root, `models/half/${version}`)); },
    reached: () => held?.asked(),
  },
  {
    phase: 'LOADING', end: 'wentBack',
    arrange: (version) => server().faults.delay({ what: 'load', model: 'half', version: BigInt(version), ms: 1500 }),
    reached: async (_handle, version) => await stateOf(server().port, version) === 'LOADING',
  },
  {
    phase: 'AVAILABLE, and its probe not answered', end: 'wentBack', input: probe(3),
    arrange: (version) => server().faults.delay({ what: 'predict', model: 'half', version: BigInt(version), ms: 800 }),
    reached: async (handle, version) => await isAt('awaitAvailable')(handle) && await stateOf(server().port, version) === 'AVAILABLE',
  },
  {
    phase: 'baking, all of them', end: 'wentBack', other: 'wentBack', input: { strategy: { bakeSeconds: 600, maxUnavailable: 2 } },
    reached: async (handle) => (await on.status(handle)).phase === 'baking',
  },
  {
    phase: 'waiting for the second wave', end: 'wentBack', input: { strategy: { waves: ['1', '100%'], bakeSeconds: 600 } },
    reached: async (handle) => (await on.status(handle)).servers['b' as never]?.waiting?.on === 'wave' && await isAt('bake')(handle),
  },
  {
    phase: 'paused at its gate', end: 'wentBack', input: { strategy: { waves: ['1', '100%'], bakeSeconds: 600 } },
    reached: async (handle) => await isAt('bake')(handle) && handle.executeUpdate('pause', { args: [{ reason: 'graphs' }] }).then(async () => (await on.status(handle)).phase === 'paused'),
  },
  {
    phase: 'draining', end: 'wentBack', input: { strategy: { drainSeconds: 2 } },
    reached: isAt('drainVersion'), available: (version) => ['1', version],
  },
  {
    phase: 'unloading, which a request holds up', end: 'wentBack', input: { strategy: { waves: ['1', '100%'], bakeSeconds: 1 } },
    arrange: () => { server().faults.delay({ what: 'predict', model: 'half', version: 1n, ms: 3500 }); },
    reached: async (handle) => {
      if (await on.step(handle) === 'bake') holdHandle();
      return await stateOf(server().port, '1') === 'UNLOADING';
    },
    available: (version) => ['1', version],
  },
];

test.each(phases)('$phase', async ({ input = {}, extra = {}, arrange, reached, end = 'stopped', other = 'untouched', available = () => ['1'] }) => {
  const before = on.lists();
  const version = await on.next(extra);
  await arrange?.(version);
  const handle = await on.world.start({ model: 'half', version, ...on.from(`half/${version}/`), ...input });
  await until(async () => Boolean(await reached(handle, version)), 20_000);
  await handle.signal('abort', { reason: 'in every phase' });
  // A disk that takes its time holds up nobody but who must wait for it: then the abort is under way when it answers.
  if (held !== undefined) await until(async () => await on.step(handle) !== 'stageVersion' || (await on.status(handle)).servers['a' as never]?.waiting !== undefined);
  held?.release();
  const verdict = await expectCleanAbort(on, handle, before, { end, proof: end !== 'untouched', available: available(version) });
  expect(verdict.servers['b' as never]?.end).toBe(other);
  expect(await stateOf(server().port, '1')).toBe('AVAILABLE');
  expect([undefined, 'END']).toContain(await stateOf(server().port, version));
}, 60_000);

let handleHeld: Promise<unknown> | undefined;
/** One Predict of version 1, which keeps its handle for as long as it takes. */
function holdHandle(): void {
  if (handleHeld !== undefined) return;
  const client = new ServingClient(`127.0.0.1:${server().port}`);
  handleHeld = client.metadata('half' as ModelName, '1' as Version)
    .then((signatures) => client.predict('half' as ModelName, '1' as Version, { name: 'serving_default', def: signatures['serving_default']! }, { x: [1] }))
    .catch(() => undefined).finally(() => client.close());
}

test('a reload queued behind another that blocks: it is withdrawn as soon as the server answers, and never loaded', async () => {
  const version = await on.next();
  const before = on.lists();
  const { simulator, root, port } = server();
  const list = modelsOf(simulator.config()).map(({ name, basePath, modelVersionPolicy }) => ({ name, basePath, platform: 'tensorflow' as const, labels: {}, versions: modelVersionPolicy?.policyChoice.case === 'specific' ? modelVersionPolicy.policyChoice.value.versions.map(String) : [] }));
  // By hand: a name that can never load holds the server's config lock.
  const rogue = new ServingClient(`127.0.0.1:${port}`);
  const blocked = rogue.reload([...list, { name: 'rogue', basePath: join(root, 'rogue'), platform: 'tensorflow', labels: {}, versions: ['1'] }]);
  await until(() => modelsOf(simulator.config()).some(({ name }) => name === 'rogue'));
  const handle = await on.world.start({ model: 'half', version, ...on.from(`half/${version}/`) });
  await until(() => (journalOf('half')['candidate'] as { version?: string } | undefined)?.version === version);
  await handle.signal('abort', {});
  await until(() => journalOf('half')['open'] === false);
  expect((await on.status(handle)).verdict).toBeUndefined();
  mkdirSync(join(root, 'rogue/1'), { recursive: true });
  await blocked;
  rogue.close();
  await expectCleanAbort(on, handle, before, { end: 'stopped' });
  expect([undefined, 'START', 'END']).toContain(await stateOf(port, version));
}, 60_000);

test('the sentinel of a new name: nothing of it is listed, nothing else was touched', async () => {
  await upload(on.store, 'fresh/1/', HALF_PLUS_TWO);
  const before = on.lists();
  const handle = await on.world.start({ model: 'fresh', version: '1', ...on.from('fresh/1/') });
  await until(() => journalOf('fresh')['registered'] === 'asked');
  await handle.signal('abort', {});
  const { verdict, type } = await on.world.end(handle);
  expect({ type, verdict }).toMatchObject({ type: 'Aborted', verdict: { servers: { a: { end: 'stopped', proof: { aspired: false, sockets: 0, writers: 0 } }, b: { end: 'untouched' } } } });
  expect(journalOf('fresh')).toMatchObject({ aspired: [], open: false });
  await until(() => modelsOf(server().simulator.config()).every(({ name, modelVersionPolicy: policy }) => name !== 'fresh' || (policy?.policyChoice.case === 'specific' && policy.policyChoice.value.versions.every((one) => one === 0n))));
  expect(await on.lateAttempt(handle)).toEqual({ end: { kind: 'stopped' }, refused: ['StaleAttempt'] });
  expect(on.lists()['b']).toBe(before['b']);
  expect(leftoversOf(server(), verdict, 'a', 'fresh')).toEqual([]);
  expect(on.watch('a').without('1')).toEqual([]);
});

test('already finished: the abort is refused, and nothing changes', async () => {
  const before = on.lists();
  const handle = await on.world.start({ model: 'half', version: '1', ...on.from('half/1/') });
  expect((await on.world.end(handle)).verdict.outcome).toBe('alreadyServed');
  await expect(handle.signal('abort', {})).rejects.toThrow(/completed|not found/i);
  await expect(handle.executeUpdate('abort', { args: [{}] })).rejects.toThrow();
  expect(on.lists()).toEqual(before);
  expect(await on.step(handle)).toBe('served');
});

test('twice: the first reason stands, and both were heard', async () => {
  const before = on.lists();
  const version = await on.next();
  on.store.fault({ fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await on.world.start({ model: 'half', version, ...on.from(`half/${version}/`) });
  await until(() => logged('stall'));
  const [first, second] = await Promise.all([handle.executeUpdate('abort', { args: [{ reason: 'first' }] }), handle.executeUpdate('abort', { args: [{ reason: 'second' }] })]);
  expect([first, second]).toMatchObject([{ accepted: true }, { accepted: true }]);
  expect((await expectCleanAbort(on, handle, before, { end: 'stopped' })).message).toMatch(/^aborted: (first|second)$/);
});

test('queued for a download slot of the host: it leaves the queue, and those who have the slots go on', async () => {
  const before = on.lists();
  const version = await on.next();
  const busy = await Promise.all(['busy1', 'busy2'].map((model) => stalled(model)));
  const handle = await on.world.start({ model: 'half', version, ...on.from(`half/${version}/`) });
  await until(async () => (await waitingOf(handle))?.includes('download slot'), 20_000);
  const asked = on.store.log().length;
  await handle.signal('abort', {});
  await expectCleanAbort(on, handle, before, { end: 'stopped' });
  expect(on.store.log().slice(asked)).toEqual([]);
  await Promise.all(busy.map(({ open }) => open()));
  await Promise.all(busy.map(({ abort }) => abort()));
});

test('connecting: nobody takes the connections of the download, and none of them is left half open', async () => {
  const before = on.lists();
  const deaf = await startDeafStore();
  on.version += 1;
  const version = String(on.version);
  await deaf.put(`half/${version}/`);
  // The listing is answered; the download waits for its slot until nobody takes connections any more.
  const busy = await Promise.all(['busy1', 'busy2'].map((model) => stalled(model)));
  const handle = await on.world.start({ model: 'half', version, ...on.from(`half/${version}/`, deaf.url) });
  await until(async () => (await waitingOf(handle))?.includes('download slot'), 20_000);
  await deaf.turnDeaf();
  await busy[0]?.abort();
  await until(() => deaf.connecting() > 0);
  await handle.signal('abort', {});
  await expectCleanAbort(on, handle, before, { end: 'stopped' });
  expect(deaf.connecting()).toBe(0);
  await busy[1]?.abort();
  await deaf.stop();
}, 60_000);

/** A rollout of another model whose download does not end. */
async function stalled(model: string): Promise<{ readonly open: () => Promise<void>; readonly abort: () => Promise<Verdict> }> {
  const store = await on.world.store();
  await upload(store, `${model}/1/`, HALF_PLUS_TWO);
  store.fault({ fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await on.world.start({ model, version: '1', ...on.from(`${model}/1/`, store.url) });
  await until(() => store.log().some((line) => line.fault === 'stall'));
  return {
    open: async () => expect(await store.connections()).toBeGreaterThan(0),
    abort: async () => { await handle.signal('abort', {}); return (await on.world.end(handle)).verdict; },
  };
}

/** What its transition's running activity says it waits for, in its heartbeat. */
async function waitingOf(handle: WorkflowHandle, name = 'a'): Promise<string | undefined> {
  const { raw } = await handle.describe();
  for (const child of raw.pendingChildren ?? []) {
    if (!(child.workflowId ?? '').includes(`/${name}/`)) continue;
    const described = await on.world.temporal.client.workflow.getHandle(child.workflowId ?? '').describe();
    const data = described.raw.pendingActivities?.[0]?.heartbeatDetails?.payloads?.[0]?.data;
    if (data !== undefined && data !== null) return (JSON.parse(Buffer.from(data).toString()) as { waiting?: string }).waiting;
  }
  return undefined;
}
