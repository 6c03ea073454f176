// Everything Segue needs to move a model, real: a Temporal dev server, S3 over HTTP, model servers over gRPC, agents and a control worker, all in this process.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { FleetState, Member } from '../../src/domain/fleet-facts';
import type { Status } from '../../src/domain/status';
import type { Verdict } from '../../src/domain/verdict';
import { startS3, type S3Server } from '../../src/testing/s3/server';
import { Faults } from '../../src/testing/tf-serving/faults';
import { startSimulator, type Simulator } from '../../src/testing/tf-serving/server';
import { startAgentWorker } from '../../src/worker/agent-worker';
import { startControlWorker } from '../../src/worker/control-worker';
import { startDevServer, type DevServer } from '../../src/worker/dev-server';
import { connectTemporal, type TemporalConnections } from '../../src/worker/native-connection';
import { installRuntime } from '../../src/worker/process-log';
import type { Running } from '../../src/worker/running';
import { freePorts } from '../../src/worker/free-port';
import { temporalCli, workflowBundle } from '../setup/shared';
import { until } from '../setup/until';

export const SAMPLES = join(__dirname, '../data/savedmodels');
export const HALF_PLUS_TWO = 'saved_model_half_plus_two_cpu/00000123';
export const HALF_PLUS_THREE = 'saved_model_half_plus_three/00000123';

export interface Server {
  readonly name: string;
  readonly root: string;
  readonly port: number;
  readonly faults: Faults;
  simulator: Simulator;
  agent: Running;
}

export class World {
  readonly servers: Record<string, Server> = {};
  readonly stores: S3Server[] = [];
  #started = 0;

  private constructor(readonly fleet: string, readonly directory: string, readonly dev: DevServer, readonly temporal: TemporalConnections, readonly control: Running) {}

  /** One dev server and control worker for a test file; each test takes a fleet of its own with `inFleet`. */
  static async start(): Promise<World> {
    installRuntime({ format: 'text', level: 'ERROR' });
    const dev = await startDevServer({ cli: temporalCli(), headless: true });
    const temporal = await connectTemporal(dev.target);
    const control = await startControlWorker({ temporal, workflowBundle: workflowBundle() });
    return new World('none', mkdtempSync(join(tmpdir(), 'segue-world-')), dev, temporal, control);
  }

  /** Servers and agents of a fleet nobody else uses, announced and ready. */
  async inFleet(fleet: string, names: readonly string[], options: { readonly allowEndpoints?: readonly string[] } = {}): Promise<World> {
    const world = new World(fleet, join(this.directory, fleet), this.dev, this.temporal, this.control);
    await Promise.all(names.map((name) => world.addServer(name, options)));
    // Each has learned that nothing is stable yet, and said what it serves.
    await until(async () => { const members = Object.values<Member>((await world.fleetState())?.members ?? {}); return members.length === names.length && members.every(({ models }) => models !== undefined); }, 20_000);
    return world;
  }

  async addServer(name: string, options: { readonly allowEndpoints?: readonly string[] } = {}): Promise<Server> {
    const root = join(this.directory, name);
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'boot.config'), 'model_config_list {}\n');
    const [port] = await freePorts(1);
    const faults = new Faults();
    const simulator = await startServer(root, port, faults);
    const server: Server = { name, root, port, faults, simulator, agent: await this.startAgent(name, root, port, options.allowEndpoints) };
    this.servers[name] = server;
    return server;
  }

  startAgent(server: string, root: string, port: number, allowEndpoints: readonly string[] = []): Promise<Running> {
    return startAgentWorker({ fleet: this.fleet as never, server: server as never, root, serving: `127.0.0.1:${port}`, allowEndpoints, report: () => undefined, connect: () => Promise.resolve(this.temporal) });
  }

  server(name: string): Server {
    const found = this.servers[name];
    if (found === undefined) throw new Error(`no server ${name}`);
    return found;
  }

  /** Killed and started again from its boot file, on the same port. */
  async restartServer(name: string): Promise<void> {
    const server = this.server(name);
    await server.simulator.stop();
    server.simulator = await startServer(server.root, server.port, server.faults);
  }

  async store(): Promise<S3Server> {
    const store = await startS3();
    this.stores.push(store);
    return store;
  }

  async start(input: Record<string, unknown>): Promise<WorkflowHandle> {
    const { model, version } = input;
    this.#started += 1;
    return this.temporal.client.workflow.start('rollout', {
      workflowId: `rollout/${this.fleet}/${String(model)}/${String(version)}/ci-${this.#started}`, taskQueue: 'segue', args: [{ fleet: this.fleet, ...input }],
    });
  }

  status(handle: WorkflowHandle): Promise<Status> {
    return handle.query<Status>('status');
  }

  /** The verdict, whether the workflow completed or failed with it; `type` is the failure's. */
  async end(handle: WorkflowHandle): Promise<{ readonly verdict: Verdict; readonly type?: string; readonly message?: string }> {
    try {
      return { verdict: (await handle.result()) as Verdict };
    } catch (error) {
      if (error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure) {
        return { verdict: error.cause.details?.[0] as Verdict, type: error.cause.type ?? '', message: error.cause.message };
      }
      throw error;
    }
  }

  async fleetState(): Promise<FleetState | undefined> {
    return this.temporal.client.workflow.getHandle(`fleet/${this.fleet}`).query<FleetState>('status').catch(() => undefined);
  }

  async stopFleet(): Promise<void> {
    for (const server of Object.values(this.servers)) {
      await server.agent.stop();
      await server.simulator.stop();
    }
    for (const store of this.stores) await store.stop();
  }

  async stop(): Promise<void> {
    await this.control.stop();
    await this.temporal.close();
    await this.dev.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function startServer(root: string, port: number, faults: Faults): Promise<Simulator> {
  return startSimulator({ port, modelConfigFile: join(root, 'boot.config'), numLoadThreads: 2, numUnloadThreads: 2, maxNumLoadRetries: 0, fileSystemPollWaitSeconds: 1, faults });
}

export interface Upload {
  /** With a manifest.json, so that the digest is known beforehand. */
  readonly manifest?: boolean;
  /** Files left out, by their path in the sample. */
  readonly without?: readonly string[];
  /** Further files. */
  readonly extra?: Readonly<Record<string, Buffer>>;
}

/** Puts a real SavedModel under s3://models/PREFIX. */
export async function upload(store: S3Server, prefix: string, sample: string, { manifest = false, without = [], extra = {} }: Upload = {}): Promise<void> {
  const base = join(SAMPLES, sample);
  const files: Record<string, Buffer> = { ...extra };
  for (const entry of readdirSync(base, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(base.length + 1);
    if (!without.includes(name)) files[name] = readFileSync(path);
  }
  for (const [name, bytes] of Object.entries(files)) await store.put('models', `${prefix}${name}`, bytes);
  if (!manifest) return;
  const lines = Object.entries(files).map(([path, bytes]) => ({ path, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }));
  await store.put('models', `${prefix}manifest.json`, Buffer.from(JSON.stringify({ files: lines })));
}
