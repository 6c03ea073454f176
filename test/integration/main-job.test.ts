// The main job on real parts: Temporal's dev server, S3 over HTTP, model servers over gRPC, agents with disks. Each scenario's histories can be kept: see record.ts.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { SignatureDefSchema } from '../../src/proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import type { Verdict } from '../../src/domain/verdict';
import type { S3Server } from '../../src/testing/s3/server';
import { ServingClient } from '../../src/serving/client';
import { until } from '../setup/until';
import { keepHistories } from './record';
import { HALF_PLUS_THREE, HALF_PLUS_TWO, upload, World } from './world';

let whole: World;
let world: World;
let store: S3Server;
let scenario = 0;

beforeAll(async () => { whole = await World.start(); });
afterAll(async () => { await whole?.stop(); });
beforeEach(async () => {
  scenario += 1;
  world = await whole.inFleet(`fleet-${scenario}`, ['a', 'b', 'c']);
  store = await world.store();
});
afterEach(async () => { await world.stopFleet(); });

const from = (prefix: string, more: object = {}): object => ({ source: { uri: `s3://models/${prefix}`, endpoint: store.url, credentials: 'anonymous', ...more } });
const probe = (added: number): object => ({ probe: { inputs: { x: [1, 2, 5] }, expect: { y: [0.5 + added, 1 + added, 2.5 + added] } } });
const bootOf = (name: string): string => readFileSync(join(world.server(name).root, 'boot.config'), 'utf8');
const objectReads = (s3 = store): number => s3.log().filter((line) => line.operation === 'GetObject').length;

async function serve(version: string, sample: string, added: number, more: object = {}): Promise<void> {
  await upload(store, `half/${version}/`, sample);
  mustBeServed(await world.end(await world.start({ model: 'half', version, ...from(`half/${version}/`), ...probe(added), strategy: { maxUnavailable: 3 }, ...more })));
}

/** Shows the whole verdict when it is another. */
function mustBeServed({ verdict }: { readonly verdict: Verdict }): void {
  expect({ ...verdict, outcome: 'served' }).toEqual(verdict);
}

async function valueOf(name: string, x: number): Promise<{ readonly version: string; readonly y: number }> {
  const client = new ServingClient(`127.0.0.1:${world.server(name).port}`);
  try {
    const { version, outputs } = await client.predict('half' as never, undefined, { name: 'serving_default', def: create(SignatureDefSchema) }, { x: [x] });
    return { version, y: (outputs['y'] as number[])[0] ?? Number.NaN };
  } finally {
    client.close();
  }
}

test('a first version, then the next one in waves with a bake: served, proven by Predict, the version before kept on disk', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  expect(await valueOf('a', 2)).toEqual({ version: '1', y: 3 });
  await upload(store, 'half/2/', HALF_PLUS_THREE, { manifest: true });
  const handle = await world.start({ model: 'half', version: '2', ...from('half/2/'), ...probe(3), strategy: { waves: ['1', '100%'], bakeSeconds: 1, drainSeconds: 1, maxUnavailable: 2 } });
  const { verdict } = await world.end(handle);
  expect(verdict).toMatchObject({ outcome: 'served', notSeen: [], servers: { a: { end: 'served', version: '2', probed: 'predict' }, b: { end: 'served' }, c: { end: 'served' } } });
  for (const name of ['a', 'b', 'c']) {
    expect(await valueOf(name, 2)).toEqual({ version: '2', y: 4 });
    expect(bootOf(name)).toMatch(/versions: \[?2\]?/);
    expect(readdirSync(join(world.server(name).root, 'models/half')).sort()).toEqual(['1', '2']);
    expect(existsSync(join(world.server(name).root, 'models/half/2/manifest.json'))).toBe(false);
  }
  expect((await world.fleetState())?.models).toMatchObject({ half: { stable: { version: '2' }, retained: { version: '1' } } });
  expect((await world.status(handle)).phase).toBe('done');
  const transitions = await keepHistories(world, 'waves', handle.workflowId);
  for (const { events, activities } of transitions) {
    expect(activities).toBeLessThanOrEqual(10);
    expect(events).toBeLessThanOrEqual(70);
  }
});

test('asked again for what is served, it completes and reads no object', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  const before = objectReads();
  const handle = await world.start({ model: 'half', version: '1', ...from('half/1/') });
  expect((await world.end(handle)).verdict.outcome).toBe('alreadyServed');
  expect(objectReads()).toBe(before);
  await keepHistories(world, 'already-served', handle.workflowId);
});

test('a load from a stale endpoint is stopped, proven stopped, and only then does the load from the good one begin', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  const stale = await world.store();
  await upload(stale, 'half/2/', HALF_PLUS_THREE);
  await upload(store, 'half/2/', HALF_PLUS_THREE);
  stale.fault({ key: '*variables.data*', fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await world.start({ model: 'half', version: '2', ...from('half/2/', { endpoint: stale.url }), ...probe(3) });
  await until(() => stale.log().some((line) => line.fault !== undefined && line.bytesSent >= 4));
  await handle.signal('update', { source: { endpoint: store.url } });
  const { verdict } = await world.end(handle);
  expect(verdict).toMatchObject({ outcome: 'served', servers: { a: { version: '2', proof: { sockets: 0, writers: 0, aspired: false, readFrom: 'kernel' } } } });
  const firstGood = Math.min(...store.log().filter((line) => line.operation === 'GetObject' && line.key.startsWith('half/2/')).map((line) => line.atMs));
  const lastStale = Math.max(...stale.log().map((line) => line.closedAtMs ?? Infinity));
  expect(lastStale).toBeLessThanOrEqual(firstGood);
  expect(verdict.servers['a' as never]?.proof?.stoppedMs).toBeLessThan(1000);
  await keepHistories(world, 'update-source', handle.workflowId);
});

test('an abort during a download ends Aborted with its proof, the old version serving, nothing staged', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  await upload(store, 'half/2/', HALF_PLUS_THREE);
  store.fault({ key: 'half/2/*', fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await world.start({ model: 'half', version: '2', ...from('half/2/') });
  await until(async () => (await world.status(handle)).servers['a' as never]?.step === 'downloadVersion' && store.log().some((line) => line.fault !== undefined && line.bytesSent >= 4));
  const answer = await handle.executeUpdate('abort', { args: [{ reason: 'wrong bucket' }] });
  expect(answer).toMatchObject({ accepted: true });
  const { verdict, type, message } = await world.end(handle);
  expect({ type, message }).toEqual({ type: 'Aborted', message: 'aborted: wrong bucket' });
  expect(verdict).toMatchObject({ outcome: 'aborted', servers: { a: { end: 'stopped', version: '1', proof: { sockets: 0, writers: 0, aspired: false } }, b: { end: 'untouched' } } });
  expect(await store.connections()).toBe(0);
  expect(readdirSync(join(world.server('a').root, 'models/half'))).toEqual(['1']);
  expect(await valueOf('a', 2)).toEqual({ version: '1', y: 3 });
  await keepHistories(world, 'abort-download', handle.workflowId);
});

test('an abort during a bake returns every server that has the new version to the old one, without a byte', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  await upload(store, 'half/2/', HALF_PLUS_THREE);
  const handle = await world.start({ model: 'half', version: '2', ...from('half/2/'), strategy: { bakeSeconds: 600, maxUnavailable: 3 } });
  await until(async () => (await world.status(handle)).phase === 'baking', 20_000);
  const before = objectReads();
  await handle.signal('abort', { reason: 'errors rise' });
  const { verdict } = await world.end(handle);
  expect(verdict).toMatchObject({ outcome: 'aborted', servers: { a: { end: 'wentBack', version: '1' }, b: { end: 'wentBack' }, c: { end: 'wentBack' } } });
  expect(objectReads()).toBe(before);
  for (const name of ['a', 'b', 'c']) expect(await valueOf(name, 2)).toEqual({ version: '1', y: 3 });
  expect(bootOf('a')).toMatch(/versions: \[?1\]?/);
  await keepHistories(world, 'abort-bake', handle.workflowId);
});

test('a model without its variables index ends InvalidSavedModel before any list changed', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  await upload(store, 'half/2/', HALF_PLUS_THREE, { without: ['variables/variables.index'], manifest: true });
  const lists = (): string[] => Object.values(world.servers).map((server) => JSON.stringify(server.simulator.config(), (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)));
  const before = lists();
  const handle = await world.start({ model: 'half', version: '2', ...from('half/2/') });
  const { verdict, type } = await world.end(handle);
  expect(type).toBe('InvalidSavedModel');
  expect(verdict).toMatchObject({ outcome: 'failed', code: 'InvalidSavedModel', servers: { a: { end: 'failed', version: '1' }, b: { end: 'untouched' } } });
  expect(lists()).toEqual(before);
  await keepHistories(world, 'invalid-model', handle.workflowId);
});

test('a version the server cannot load ends RolledBack with the server\'s own words; the old one serves on', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  await upload(store, 'half/2/', HALF_PLUS_THREE);
  world.server('b').faults.error({ what: 'load', model: 'half', version: 2n, code: 'INTERNAL', message: 'no such kernel on this host' });
  const handle = await world.start({ model: 'half', version: '2', ...from('half/2/') });
  const { verdict, type, message } = await world.end(handle);
  expect(type).toBe('RolledBack');
  expect(message).toContain('no such kernel on this host');
  expect(verdict).toMatchObject({ outcome: 'rolledBack', code: 'LoadFailed', servers: { a: { end: 'wentBack', version: '1' }, b: { end: 'failed', version: '1' }, c: { end: 'untouched' } } });
  for (const name of ['a', 'b', 'c']) expect(await valueOf(name, 2)).toEqual({ version: '1', y: 3 });
  await keepHistories(world, 'load-failed', handle.workflowId);
});

test('a version that answers its probe wrongly rolls back', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  await upload(store, 'half/2/', HALF_PLUS_THREE);
  const handle = await world.start({ model: 'half', version: '2', ...from('half/2/'), ...probe(7) });
  const { verdict, message } = await world.end(handle);
  expect(verdict).toMatchObject({ outcome: 'rolledBack', code: 'ProbeMismatch' });
  expect(message).toMatch(/7\.5/);
  expect(await valueOf('a', 2)).toEqual({ version: '1', y: 3 });
  await keepHistories(world, 'probe-mismatch', handle.workflowId);
});

test('a newer rollout supersedes: the older ends Superseded with its proof, the newer serves', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  await upload(store, 'half/2/', HALF_PLUS_THREE);
  await upload(store, 'half/3/', HALF_PLUS_THREE);
  store.fault({ key: 'half/2/*', fault: { kind: 'stall', afterBytes: 4 } });
  const older = await world.start({ model: 'half', version: '2', ...from('half/2/') });
  await until(() => store.log().some((line) => line.fault !== undefined && line.bytesSent >= 4));
  const newer = await world.start({ model: 'half', version: '3', ...from('half/3/'), ...probe(3) });
  const ends = await Promise.all([world.end(older), world.end(newer)]);
  expect(ends[0]).toMatchObject({ type: 'Superseded', message: `superseded by ${newer.workflowId}`, verdict: { servers: { a: { proof: { sockets: 0, writers: 0 } } } } });
  expect(ends[1].verdict).toMatchObject({ outcome: 'served' });
  expect(readdirSync(join(world.server('a').root, 'models/half')).sort()).toEqual(['1', '3']);
  await keepHistories(world, 'superseded', older.workflowId);
});

test('cancelled from the UI it stops everything and ends cancelled', async () => {
  await upload(store, 'half/1/', HALF_PLUS_TWO);
  store.fault({ key: 'half/1/*', fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await world.start({ model: 'half', version: '1', ...from('half/1/') });
  await until(() => store.log().some((line) => line.fault !== undefined && line.bytesSent >= 4));
  await handle.cancel();
  await expect(handle.result()).rejects.toMatchObject({ name: 'WorkflowFailedError', cause: { name: 'CancelledFailure' } });
  expect(await store.connections()).toBe(0);
  await keepHistories(world, 'cancelled', handle.workflowId);
});

test('nothing under the URI is SourceMissing, within seconds', async () => {
  await store.put('models', 'other/1/x', 'x');
  const handle = await world.start({ model: 'half', version: '1', ...from('half/1/') });
  expect(await world.end(handle)).toMatchObject({ type: 'SourceMissing', verdict: { outcome: 'failed', code: 'SourceMissing' } });
  await keepHistories(world, 'source-missing', handle.workflowId);
});

test.each([
  ['a typo', { verison: '3' }, /verison: unknown key; did you mean "version"/],
  ['leading zeros', { version: '007' }, /did you mean "7"/],
  ['a fleet nobody belongs to', { fleet: 'nobody' }, /fleet: no agent has announced itself/],
])('%s is InvalidInput, and nothing was touched', async (_why, wrong, said) => {
  const journals = (): string[] => Object.values(world.servers).map((server) => readFileSync(join(server.root, 'journal.json'), 'utf8'));
  const before = journals();
  const handle = await world.start({ model: 'half', version: '1', ...from('half/1/'), ...wrong });
  const { verdict, type, message } = await world.end(handle);
  expect(type).toBe('InvalidInput');
  expect(message).toMatch(said);
  expect(verdict).toMatchObject({ outcome: 'rejected', code: 'InvalidInput', servers: {} });
  expect(store.log()).toEqual([]);
  expect(journals()).toEqual(before);
});

test('an endpoint one of the agents does not allow is refused before a socket exists', async () => {
  const guarded = await whole.inFleet(`guarded-${scenario}`, ['g'], { allowEndpoints: ['http://good.example:9000'] });
  const handle = await guarded.start({ model: 'half', version: '1', ...from('half/1/') });
  expect(await guarded.end(handle)).toMatchObject({ type: 'EndpointNotAllowed', verdict: { outcome: 'rejected' } });
  expect(store.log()).toEqual([]);
  await guarded.stopFleet();
});

test('one agent that does not answer is named in the verdict, the others are served', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  await upload(store, 'half/2/', HALF_PLUS_THREE);
  await world.server('b').agent.stop();
  const handle = await world.start({ model: 'half', version: '2', ...from('half/2/'), strategy: { maxUnavailable: 3 } });
  const { verdict } = await world.end(handle);
  expect(verdict).toMatchObject({ outcome: 'served', notSeen: ['b'], servers: { a: { version: '2' }, b: { end: 'notSeen' }, c: { version: '2' } } });
  expect(await valueOf('b', 2)).toEqual({ version: '1', y: 3 });
  await keepHistories(world, 'not-seen', handle.workflowId);
});

test('a server that restarts serves what was promoted, from its boot file', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  await world.restartServer('a');
  await until(async () => (await valueOf('a', 2).catch(() => undefined))?.version === '1');
  await upload(store, 'half/2/', HALF_PLUS_THREE);
  mustBeServed(await world.end(await world.start({ model: 'half', version: '2', ...from('half/2/'), ...probe(3), strategy: { maxUnavailable: 3 } })));
});

test('on hold a person can give another source, and it goes on', async () => {
  await serve('1', HALF_PLUS_TWO, 2);
  await upload(store, 'half/2/', HALF_PLUS_THREE);
  world.server('a').faults.error({ what: 'load', model: 'half', version: 2n, code: 'INTERNAL', times: 1 });
  const handle = await world.start({ model: 'half', version: '2', ...from('half/2/'), onFailure: 'hold', strategy: { maxUnavailable: 3 } });
  await until(async () => (await world.status(handle)).phase === 'holding', 20_000);
  expect((await world.status(handle)).servers['a' as never]?.waiting).toMatchObject({ on: 'operator', failure: 'LoadFailed' });
  await handle.executeUpdate('update', { args: [{ reason: 'try again' }] });
  mustBeServed(await world.end(handle));
  await keepHistories(world, 'hold', handle.workflowId);
});

test('a verb that makes no sense is refused with its reason: the update throws, the signal says it in status', async () => {
  await upload(store, 'half/1/', HALF_PLUS_TWO);
  store.fault({ key: 'half/1/*', fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await world.start({ model: 'half', version: '1', ...from('half/1/') });
  await until(() => store.log().some((line) => line.fault !== undefined));
  await expect(handle.executeUpdate('update', { args: [{ soruce: {} }] })).rejects.toMatchObject({ cause: { type: 'InvalidInput', message: expect.stringContaining('did you mean "source"') as string } });
  await handle.signal('update', { version: '9' });
  await until(async () => (await world.status(handle)).refusal !== undefined);
  expect((await world.status(handle)).refusal).toMatch(/version: unknown key/);
  await handle.signal('abort', 'not even an object');
  expect((await world.end(handle)).type).toBe('Aborted');
  await keepHistories(world, 'refused-verbs', handle.workflowId);
});
