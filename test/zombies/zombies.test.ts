// An agent stopped by the kernel in the middle of its work, long enough to be given up, and let go on when somebody newer wants something else: it changes nothing any more. A real process.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FleetState } from '../../src/domain/fleet-facts';
import { startS3, type S3Server } from '../../src/testing/s3/server';
import { startSimulator, type Simulator } from '../../src/testing/tf-serving/server';
import { startSegue, type SegueProcess } from '../cli/segue-process';
import { HALF_PLUS_THREE, HALF_PLUS_TWO, upload, World } from '../integration/world';
import { until } from '../setup/until';

const scratch = mkdtempSync(join(tmpdir(), 'segue-zombies-'));
const root = join(scratch, 'edge');
const socket = join(scratch, 'serving.sock');
let world: World;
let server: Simulator;
let good: S3Server;
let stale: S3Server;
let agent: SegueProcess;

const startAgent = (): SegueProcess => startSegue(['agent', '--fleet', 'zombies', '--server', 'edge', '--root', root, '--serving', `unix:${socket}`], { TEMPORAL_ADDRESS: world.dev.address });
const source = (store: S3Server, version: number): object => ({ uri: `s3://models/half/${version}/`, endpoint: store.url, credentials: 'anonymous' });
const rollout = (version: number, store: S3Server) => world.temporal.client.workflow.start('rollout', { workflowId: `rollout/zombies/half/${version}`, taskQueue: 'segue', args: [{ fleet: 'zombies', model: 'half', version: String(version), source: source(store, version) }] });
const versions = (): string[] => readdirSync(join(root, 'models/half')).sort();

beforeAll(async () => {
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'boot.config'), 'model_config_list {}\n');
  world = await World.start();
  [good, stale] = [await startS3(), await startS3()];
  server = await startSimulator({ socketPath: socket, modelConfigFile: join(root, 'boot.config'), numLoadThreads: 2, numUnloadThreads: 2, maxNumLoadRetries: 0, fileSystemPollWaitSeconds: 1 });
  agent = startAgent();
  await until(async () => (await world.temporal.client.workflow.getHandle('fleet/zombies').query<FleetState>('status').catch(() => undefined))?.members['edge' as never]?.models !== undefined, 60_000);
  await upload(good, 'half/1/', HALF_PLUS_TWO);
  expect((await world.end(await rollout(1, good))).verdict).toMatchObject({ outcome: 'served' });
}, 120_000);

afterAll(async () => {
  agent.child.kill('SIGCONT');
  agent.child.kill('SIGTERM');
  await agent.ended;
  await server.stop();
  await Promise.all([good.stop(), stale.stop()]);
  await world.stop();
  rmSync(scratch, { recursive: true, force: true });
}, 60_000);

test('stopped in a download past its heartbeat time-out, given up, superseded, and let go on: nothing of it is left, and the newer version is served', async () => {
  await upload(stale, 'half/2/', HALF_PLUS_THREE);
  await upload(good, 'half/3/', HALF_PLUS_THREE);
  stale.fault({ key: '*variables.data*', fault: { kind: 'stall', afterBytes: 4 } });
  const older = await rollout(2, stale);
  await until(() => stale.log().some((line) => line.fault === 'stall' && line.bytesSent >= 4), 20_000);
  agent.child.kill('SIGSTOP');
  // Ten seconds without a heartbeat, fifteen without anybody who takes the next try.
  expect(await world.end(older)).toMatchObject({ type: 'ServerUnreachable', verdict: { outcome: 'failed', notSeen: ['edge'] } });
  // Its own lock keeps the root: nobody takes over while it may still wake.
  const second = startAgent();
  expect(await second.ended).toBe(3);
  expect(second.output()).toMatch(/StoreBusy/);
  const newer = await rollout(3, good);
  const asked = stale.log().length;
  agent.child.kill('SIGCONT');
  expect((await world.end(newer)).verdict).toMatchObject({ outcome: 'served', servers: { edge: { version: '3' } } });
  expect(versions()).toEqual(['1', '3']);
  expect(readdirSync(join(root, 'staging/half'))).toEqual([]);
  expect(stale.log().length).toBe(asked);
  await until(async () => await stale.connections() === 0);
}, 120_000);

test('killed in a download and started again: the process that comes after owns the root, and the wish that came meanwhile is served', async () => {
  await upload(stale, 'half/4/', HALF_PLUS_TWO);
  await upload(good, 'half/5/', HALF_PLUS_TWO);
  const older = await rollout(4, stale);
  await until(() => stale.log().some((line) => line.fault === 'stall' && line.key.includes('half/4/') && line.bytesSent >= 4), 20_000);
  agent.child.kill('SIGKILL');
  await agent.ended;
  const newer = await rollout(5, good);
  agent = startAgent();
  expect((await world.end(newer)).verdict).toMatchObject({ outcome: 'served', servers: { edge: { version: '5' } } });
  expect(await world.end(older)).toMatchObject({ type: 'Superseded' });
  expect(versions()).toEqual(['3', '5']);
  expect(existsSync(join(root, 'models/half/4'))).toBe(false);
  expect(readdirSync(join(root, 'staging/half'))).toEqual([]);
}, 120_000);
