// Every part of the demo as a process of its own, on free loopback ports: what is killed is really killed, and what the kernel says is about that part alone.

import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { FleetName, ServerName } from '../../domain/names';
import type { Child } from '../../worker/child-process';
import { startChild } from '../../worker/child-process';
import type { DevServer } from '../../worker/dev-server';
import { startDevServer } from '../../worker/dev-server';
import { freePorts } from '../../worker/free-port';
import { DEMO_KEYS } from './models';

export const FLEET = 'demo' as FleetName;
export const SERVERS: readonly ServerName[] = ['edge-a', 'edge-b', 'edge-c'].map((name) => name as ServerName);

export interface DemoServer {
  readonly name: ServerName;
  readonly root: string;
  /** `127.0.0.1:PORT` of its gRPC. */
  readonly address: string;
  readonly statsUrl: string;
  readonly agentPid: number;
  simulator: Child;
}

export interface FleetOfProcesses {
  readonly temporal: DevServer;
  /** Both ends of the story: where the model is, and where it no longer should be taken from. */
  readonly goodEndpoint: string;
  readonly staleEndpoint: string;
  readonly servers: ReadonlyMap<ServerName, DemoServer>;
  /** Rejects when a part ends that nobody ended. */
  readonly failed: Promise<never>;
  /** SIGKILL to one model server; resolves when it is gone. */
  killSimulator(server: ServerName): Promise<void>;
  /** The same command line again. */
  startSimulator(server: ServerName): Promise<void>;
  /** Pids of everything that was ever started. */
  readonly pids: readonly number[];
  /** Ends everything, and resolves when all of it is gone. */
  stop(): Promise<void>;
}

export interface FleetOptions {
  readonly cli: string;
  readonly root: string;
  /** What every part gets to know of Temporal. Filled with the address as soon as there is one. */
  readonly env: Record<string, string>;
}

const HOST = '127.0.0.1';
/** DESIGN §6: as a real server would be started, but for the port of its statistics. */
const SIMULATOR_FLAGS = ['--num_load_threads=2', '--num_unload_threads=2', '--max_num_load_retries=0', '--file_system_poll_wait_seconds=1', '--model_config_file_poll_wait_seconds=0'];
/** They have nothing to save: workflows and journals are elsewhere. */
const GRACE_MS = 1_000;

export async function startFleet({ cli, root, env }: FleetOptions): Promise<FleetOfProcesses> {
  const parts = new Parts(root);
  try {
    const [temporal, goodEndpoint, staleEndpoint] = await Promise.all([startDevServer({ cli }).then((dev) => parts.add(dev)), startEndpoint(parts, 's3-good'), startEndpoint(parts, 's3-stale')]);
    env['TEMPORAL_ADDRESS'] = temporal.address;
    const ports = await freePorts(SERVERS.length * 2);
    const servers = new Map<ServerName, DemoServer>();
    const simulators = new Map<ServerName, () => Promise<Child>>();
    await parts.segue('worker', ['worker'], env);
    for (const [index, name] of SERVERS.entries()) {
      const serverRoot = join(root, name);
      const [port, statsPort] = [ports[2 * index] ?? 0, ports[2 * index + 1] ?? 0];
      mkdirSync(serverRoot);
      writeFileSync(join(serverRoot, 'boot.config'), 'model_config_list {}\n');
      const simulate = (): Promise<Child> => parts.segue(`${name}-server`, ['simulate', `--port=${port}`, `--model_config_file=${join(serverRoot, 'boot.config')}`, ...SIMULATOR_FLAGS, `--segue_stats_port=${statsPort}`], {});
      simulators.set(name, simulate);
      const address = `${HOST}:${port}`;
      const [simulator, agent] = await Promise.all([
        simulate(),
        parts.segue(`${name}-agent`, ['agent', '--fleet', FLEET, '--server', name, '--root', serverRoot, '--serving', address, '--allow-endpoint', goodEndpoint, '--allow-endpoint', staleEndpoint],
          { ...env, AWS_ACCESS_KEY_ID: DEMO_KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: DEMO_KEYS.secretAccessKey }),
      ]);
      servers.set(name, { name, root: serverRoot, address, statsUrl: `http://${HOST}:${statsPort}/`, agentPid: agent.pid, simulator });
    }
    const known = (name: ServerName): DemoServer => {
      const server = servers.get(name);
      if (server === undefined) throw new Error(`no server ${name} in the demo`);
      return server;
    };
    return {
      temporal, goodEndpoint, staleEndpoint, servers, failed: parts.failed, pids: parts.pids,
      killSimulator: async (name) => {
        const { simulator } = known(name);
        parts.expectEnd(simulator);
        process.kill(simulator.pid, 'SIGKILL');
        await simulator.ended.catch(() => undefined);
      },
      startSimulator: async (name) => {
        const simulate = simulators.get(name);
        if (simulate !== undefined) known(name).simulator = await simulate();
      },
      stop: () => parts.stop(),
    };
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

/** The testing kit's S3 server has no verb of its own; `segue dev` runs it inside. */
async function startEndpoint(parts: Parts, name: string): Promise<string> {
  const script = 'void require(process.argv[1]).runS3(process.argv.slice(2))';
  const args = ['-e', script, '--', join(__dirname, `../../testing/s3/main${extname(__filename)}`), '--port', '0', '--access-key', DEMO_KEYS.accessKeyId, '--secret-key', DEMO_KEYS.secretAccessKey];
  return new Promise((resolve, reject) => {
    parts.node(name, args, {}, (line) => {
      const url = /^\{"url":\s*"([^"]+)"\}$/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    }).then((child) => child.ended.then(() => reject(new Error(`${name} ended before it listened`)), reject), reject);
  });
}

/** What was started, in order, with a log each below `<root>/logs`. */
class Parts {
  readonly pids: number[] = [];
  readonly failed: Promise<never>;
  readonly #root: string;
  readonly #running: { stop(): Promise<void> }[] = [];
  readonly #expected = new Set<object>();
  #stopping = false;
  #fail: (error: Error) => void = () => undefined;

  constructor(root: string) {
    this.#root = join(root, 'logs');
    mkdirSync(this.#root);
    this.failed = new Promise((_, reject) => { this.#fail = reject; });
    this.failed.catch(() => undefined); // whoever waits for it hears it; nobody need wait
  }

  /** A verb of ours, as a person would run it. */
  segue(name: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Child> {
    return this.node(name, [join(__dirname, `../main${extname(__filename)}`), ...args], env);
  }

  async node(name: string, args: readonly string[], env: Readonly<Record<string, string>>, onLine?: (line: string) => void): Promise<Child> {
    const log = join(this.#root, `${name}.log`);
    return this.add(await startChild({
      name, command: process.execPath, args: [...process.execArgv, ...args], env, graceMs: GRACE_MS,
      onLine: (line) => {
        appendFileSync(log, `${line}\n`);
        onLine?.(line);
      },
    }));
  }

  add<T extends { readonly pid: number; readonly ended: Promise<void>; stop(): Promise<void> }>(part: T): T {
    this.pids.push(part.pid);
    this.#running.push(part);
    if (this.#stopping) void part.stop(); // it was on its way when the end came
    part.ended.catch((error: unknown) => {
      if (!this.#stopping && !this.#expected.has(part)) this.#fail(error instanceof Error ? error : new Error(String(error)));
    });
    return part;
  }

  expectEnd(part: object): void {
    this.#expected.add(part);
  }

  /** All at once: none of them has anything to hand over to another. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running.map((part) => part.stop()));
  }
}
