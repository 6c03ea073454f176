// Everything that runs: one Temporal with a file, two control workers, three model servers with an agent each, all processes of their own; and the buckets, in this process.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startS3, type S3Server } from '../../src/testing/s3/server';
import { connectClient, type ConnectedClient, type TemporalTarget } from '../../src/worker/connection';
import { devServerArgs } from '../../src/worker/dev-server';
import { freePorts } from '../../src/worker/free-port';
import { resolveTemporalCli } from '../../src/worker/temporal-cli';
import { KEYS } from './contents';
import { Part, type PartOptions } from './parts';
import { FAILING_SLOT, MODELS, SERVERS, VERSIONS_PER_ROUND, WORKERS, type PartName, type Server } from './plan';
import { buildProgram } from './program';

export const FLEET = 'chaos';
const HOST = '127.0.0.1';
const SERVER_FLAGS = ['--num_load_threads=2', '--num_unload_threads=2', '--max_num_load_retries=0', '--file_system_poll_wait_seconds=1', '--model_config_file_poll_wait_seconds=0'];
/** So that some moments of a round are within LOADING. */
const LOAD_MS = 150;

export interface Host {
  readonly name: Server;
  readonly root: string;
  /** `127.0.0.1:PORT` of its gRPC. */
  readonly address: string;
  readonly statsUrl: string;
}

export interface StackOptions {
  /** Versions that no server loads: the failing ones of so many rounds. */
  readonly rounds: number;
  readonly onSurprise: (what: string) => void;
}

export class Stack {
  readonly directory = mkdtempSync(join(tmpdir(), 'segue-chaos-'));
  readonly logs = join(this.directory, 'logs');
  readonly hosts: Host[] = [];
  readonly #parts = new Map<PartName, Part>();
  #good: S3Server | undefined;
  #stale: S3Server | undefined;
  #connected: ConnectedClient | undefined;

  static async start(options: StackOptions): Promise<Stack> {
    const stack = new Stack();
    try {
      await stack.#startAll(options);
      return stack;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  get good(): S3Server { return set(this.#good); }
  get stale(): S3Server { return set(this.#stale); }
  get temporal(): ConnectedClient { return set(this.#connected); }

  part(name: PartName): Part {
    return set(this.#parts.get(name));
  }

  host(name: Server): Host {
    return set(this.hosts.find((host) => host.name === name));
  }

  async stop(): Promise<void> {
    await this.#connected?.close().catch(() => undefined);
    await Promise.all([...this.#parts.values()].map((part) => part.stop()));
    await Promise.all([this.#good?.stop(), this.#stale?.stop()]);
  }

  /** Logs, disks, database: all of it. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #startAll({ rounds, onSurprise }: StackOptions): Promise<void> {
    mkdirSync(this.logs);
    const [cli, segue] = await Promise.all([resolveTemporalCli(), buildProgram(join(this.directory, 'program'))]);
    this.#good = await startS3({ credentials: KEYS });
    this.#stale = await startS3({ credentials: KEYS });
    const ports = await freePorts(2 + SERVERS.length * 2);
    const target: TemporalTarget = { address: `${HOST}:${ports[0]}`, namespace: 'default', connection: {} };
    const configFile = join(this.directory, 'temporal.toml');
    writeFileSync(configFile, '[profile.default]\n');
    const env = { TEMPORAL_ADDRESS: target.address, TEMPORAL_NAMESPACE: 'default', TEMPORAL_CONFIG_FILE: configFile, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };
    const add = (name: PartName, more: Pick<PartOptions, 'ready' | 'args'> & Partial<PartOptions>): Promise<void> => {
      const part = new Part({ name, command: process.execPath, env, logFile: join(this.logs, `${name}.log`), onSurprise, ...more });
      this.#parts.set(name, part);
      return part.start();
    };
    const args = devServerArgs({ cli, headless: true, dbFile: join(this.directory, 'temporal.db') }, ports[0], ports[1]);
    await add('temporal', { command: cli, args, ready: () => answers(target) });
    this.#connected = await connectClient(target);
    const refused = Array.from({ length: rounds + 1 }, (_, round) => MODELS.map((model) => `--segue_fault=load:${model}:${round * VERSIONS_PER_ROUND + FAILING_SLOT}:INTERNAL`)).flat();
    await Promise.all([
      ...WORKERS.map((name) => add(name, { args: [segue, 'worker'], ready: 'polls task queue segue' })),
      ...SERVERS.map(async (name, index) => {
        const host: Host = { name, root: join(this.directory, name), address: `${HOST}:${ports[2 + 2 * index]}`, statsUrl: `http://${HOST}:${ports[3 + 2 * index]}/` };
        this.hosts.push(host);
        mkdirSync(host.root);
        const bootFile = join(host.root, 'boot.config');
        writeFileSync(bootFile, 'model_config_list {}\n');
        await add(`${name}-server`, { args: [segue, 'simulate', `--port=${ports[2 + 2 * index]}`, `--model_config_file=${bootFile}`, ...SERVER_FLAGS, `--segue_stats_port=${ports[3 + 2 * index]}`, `--segue_load_ms=${LOAD_MS}`, ...refused], ready: `listening on ${host.address}` });
        await add(`${name}-agent`, {
          args: [segue, 'agent', '--fleet', FLEET, '--server', name, '--root', host.root, '--serving', host.address],
          env: { ...env, AWS_ACCESS_KEY_ID: KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey }, ready: 'polls task queue',
        });
      }),
    ]);
  }
}

async function answers(target: TemporalTarget): Promise<boolean> {
  try {
    await (await connectClient(target, 1_000)).close();
    return true;
  } catch {
    return false;
  }
}

function set<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the stack is not up');
  return value;
}
