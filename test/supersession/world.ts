// The stage: Temporal, a bucket and a model server in this process; the control worker and the agent in processes of their own, to be killed.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { FleetState, Member } from '../../src/domain/fleet-facts';
import { startS3, type S3Server } from '../../src/testing/s3/server';
import { startSimulator, type Simulator } from '../../src/testing/tf-serving/server';
import { connectClient, type ConnectedClient } from '../../src/worker/connection';
import { startDevServer, type DevServer } from '../../src/worker/dev-server';
import { HALF_PLUS_THREE, upload } from '../integration/world';
import { until } from '../setup/until';
import { MODEL, readEffects, type Effect } from './effects';
import { SERVER } from './process';

const FLEET = 'terminated';
const START_MS = 60_000;
const LOAD_MS = 400;
const SLOW_BYTES_PER_SECOND = 20_000;

export class TerminatedWorld {
  #control: ChildProcess | undefined;
  #agent: ChildProcess | undefined;
  #started = 0;

  private constructor(readonly directory: string, readonly bundle: string, readonly dev: DevServer, readonly connected: ConnectedClient, readonly store: S3Server, readonly simulator: Simulator) {}

  static async start(cli: string, bundle: string): Promise<TerminatedWorld> {
    const directory = mkdtempSync(join(tmpdir(), 'segue-terminated-'));
    const root = join(directory, SERVER);
    mkdirSync(root);
    writeFileSync(join(root, 'boot.config'), 'model_config_list {}\n');
    const dev = await startDevServer({ cli, headless: true });
    const simulator = await startSimulator({ port: 0, modelConfigFile: join(root, 'boot.config'), numLoadThreads: 2, numUnloadThreads: 2, maxNumLoadRetries: 0, fileSystemPollWaitSeconds: 1 });
    // Slow enough that newer rollouts find older ones in every step.
    simulator.faults.delay({ what: 'load', model: MODEL, ms: LOAD_MS });
    const world = new TerminatedWorld(directory, bundle, dev, await connectClient(dev.target), await startS3(), simulator);
    await Promise.all([world.startControl(), world.startAgent()]);
    await world.untilAnnounced();
    return world;
  }

  get effects(): readonly Effect[] {
    return readEffects(join(this.directory, 'effects'));
  }

  get fleet(): WorkflowHandle {
    return this.connected.client.workflow.getHandle(`fleet/${FLEET}`);
  }

  async startControl(): Promise<void> {
    this.#control = await ready('control', this.dev.address, this.bundle);
  }

  async startAgent(): Promise<void> {
    this.#agent = await ready('agent', this.dev.address, FLEET, join(this.directory, SERVER), `127.0.0.1:${this.simulator.port}`, join(this.directory, 'effects'));
  }

  /** Whatever they were about to answer is lost. */
  async killControl(): Promise<void> { await ended(this.#control, 'SIGKILL'); }
  async killAgent(): Promise<void> { await ended(this.#agent, 'SIGKILL'); }

  /** The fleet knows its one server, and that server has said what it serves. */
  async untilAnnounced(): Promise<void> {
    await until(async () => (await this.fleet.query<FleetState>('status').catch(() => undefined))?.members[SERVER as never]?.models !== undefined, START_MS);
  }

  /** The fleet's memory is gone: whoever holds the model is forgotten, and goes on. Its agent announces itself again; by itself it would within half a minute. */
  async loseFleet(): Promise<void> {
    const { members } = await this.fleet.query<FleetState>('status');
    await this.fleet.terminate('lost');
    const member = members[SERVER as never];
    if (member === undefined) return;
    const { sinceMs: _since, announcedMs: _announced, ...announcement } = member as Member;
    await this.connected.client.workflow.signalWithStart('fleet', { workflowId: `fleet/${FLEET}`, taskQueue: 'segue', args: [{ fleet: FLEET }], signal: 'announce', signalArgs: [announcement] });
  }

  /** A rollout of a version nobody has seen. */
  async rollout(input: object = {}): Promise<{ readonly version: string; readonly handle: WorkflowHandle }> {
    this.#started += 1;
    const version = String(this.#started);
    await upload(this.store, `${MODEL}/${version}/`, HALF_PLUS_THREE);
    if (this.#started % 3 === 0) this.store.fault({ key: `${MODEL}/${version}/*`, fault: { kind: 'trickle', bytesPerSecond: SLOW_BYTES_PER_SECOND } });
    const handle = await this.connected.client.workflow.start('rollout', {
      workflowId: `rollout/${FLEET}/${MODEL}/${version}`, taskQueue: 'segue',
      // Versions that were reset come after greater ones.
      args: [{ fleet: FLEET, model: MODEL, version, allowDowngrade: true, source: { uri: `s3://models/${MODEL}/${version}/`, endpoint: this.store.url, credentials: 'anonymous' }, ...input }],
    });
    return { version, handle };
  }

  async stop(): Promise<void> {
    await ended(this.#agent, 'SIGTERM');
    await ended(this.#control, 'SIGTERM');
    await this.simulator.stop();
    await this.store.stop();
    await this.connected.close();
    await this.dev.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function ready(...args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-r', resolve(__dirname, '../../tools/ts.cjs'), join(__dirname, 'process.ts'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  await Promise.race([once(child.stdout, 'data'), once(child, 'close').then(() => Promise.reject(new Error(`${args[0]} ended before it was ready`)))]);
  return child;
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill(signal);
  await closed;
}
