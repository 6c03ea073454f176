// One host for one test: a root on the real disk, a simulated model server on a Unix socket, S3 endpoints on loopback, and an agent. Everything can be killed and started again.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startAgent, type Agent, type AgentOptions } from '../../src/agent/agent';
import type { Attempt, AwaitInput } from '../../src/domain/host';
import type { FleetName, ModelName, ServerName, Token, Version } from '../../src/domain/names';
import type { ModelView } from '../../src/domain/view';
import { ServingClient } from '../../src/serving/client';
import { startS3, type S3Server } from '../../src/testing/s3/server';
import { startSimulator, type Simulator, type StartOptions } from '../../src/testing/tf-serving/server';
import { removeScratch, scratch } from './scratch';
import { until as untilFact } from '../setup/until';

export const MODEL = 'half' as ModelName;
export const v = (text: string): Version => text as Version;
/** The server's poll in these tests: its rules count in polls, so a shorter one only makes them quicker. */
export const POLL_SECONDS = 0.2;

const SAMPLES = join(__dirname, '../data/savedmodels');
const SAMPLE = { two: 'saved_model_half_plus_two_cpu/00000123', three: 'saved_model_half_plus_three/00000123' } as const;

export class World {
  simulator: Simulator | undefined;
  agent: Agent | undefined;
  readonly #s3: S3Server[] = [];
  readonly #clients: (() => Promise<unknown>)[] = [];
  private constructor(readonly root: string, readonly socket: string, readonly s3: S3Server) {
    this.#s3.push(s3);
  }

  /** Models `two` (y = x/2 + 2) and `three` (y = x/2 + 3) are in the bucket `models`, with versions as given. */
  static async start(versions: Readonly<Record<string, keyof typeof SAMPLE>> = { 1: 'two', 2: 'three', 3: 'two' }, options: Partial<AgentOptions> = {}, server: StartOptions = {}): Promise<World> {
    const dir = await scratch();
    const world = new World(join(dir, 'root'), join(dir, 'serving.sock'), await startS3());
    try {
      for (const [version, sample] of Object.entries(versions)) await upload(world.s3, version, sample);
      await world.startAgent(options);
      await world.startServer(server);
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async startAgent(options: Partial<AgentOptions> = {}): Promise<Agent> {
    return this.agent = await startAgent({ fleet: 'demo' as FleetName, server: 'edge-a' as ServerName, root: this.root, serving: `unix:${this.socket}`, pollSeconds: POLL_SECONDS, ...options });
  }

  /** From the boot file the agent wrote, with the flags the design asks for. */
  async startServer(options: StartOptions = {}): Promise<Simulator> {
    return this.simulator = await startSimulator({
      socketPath: this.socket, modelConfigFile: join(this.root, 'boot.config'), numLoadThreads: 2, numUnloadThreads: 2, maxNumLoadRetries: 0, fileSystemPollWaitSeconds: POLL_SECONDS, ...options,
    });
  }

  /** Another endpoint with the same bucket. */
  async anotherS3(versions: Readonly<Record<string, keyof typeof SAMPLE>> = {}): Promise<S3Server> {
    const s3 = await startS3();
    this.#s3.push(s3);
    for (const [version, sample] of Object.entries(versions)) await upload(s3, version, sample);
    return s3;
  }

  /** An attempt as the rollout would make it: resolved on this agent. */
  async attempt(version: string, token: Token, over: Partial<Attempt> = {}, s3 = this.s3, below = `${version}/`): Promise<Attempt> {
    const source = { uri: `s3://models/half/${below}`, endpoint: s3.url, region: 'us-east-1', credentials: 'anonymous' };
    const base = { fleet: 'demo' as FleetName, server: 'edge-a' as ServerName, model: MODEL };
    const { pin } = await this.the.resolveSource({ ...base, version: v(version), source }, call());
    return { ...base, token, version: v(version), source, pin, retain: [], ...over };
  }

  /** The steps that make a version AVAILABLE and promoted, and nothing after. */
  async bringUp(attempt: Attempt, over: Partial<AwaitInput> = {}): Promise<ModelView> {
    await this.stage(attempt);
    await this.the.reloadConfig(attempt, call());
    return this.the.awaitAvailable({ attempt, version: attempt.version ?? v('0'), loadDeadlineSeconds: 20, ...over }, call());
  }

  async stage(attempt: Attempt): Promise<ModelView> {
    await this.the.beginAttempt(attempt, call());
    await this.the.downloadVersion(attempt, call());
    await this.the.verifyVersion(attempt, call());
    return this.the.stageVersion(attempt, call());
  }

  get the(): Agent {
    if (this.agent === undefined) throw new Error('no agent runs');
    return this.agent;
  }

  /** What the server's list names, read from the server. */
  listed(): Record<string, string[]> {
    const config = this.simulator?.config().config;
    return Object.fromEntries((config?.case === 'modelConfigList' ? config.value.config : []).map((model) => {
      const policy = model.modelVersionPolicy?.policyChoice;
      return [model.name, policy?.case === 'specific' ? policy.value.versions.map(String) : ['?']];
    }));
  }

  /** What the server says of one version, asked beside the agent. */
  async statusOf(version: string): Promise<string> {
    const client = new ServingClient(`unix:${this.socket}`);
    try {
      const status = await client.status(MODEL, { deadlineMs: 1000 });
      return status === 'unknown model' ? status : status.get(v(version))?.state ?? 'no entry';
    } catch {
      return 'away';
    } finally {
      client.close();
    }
  }

  bootFile(): string {
    return readFileSync(join(this.root, 'boot.config'), 'utf8');
  }

  /** Entries below a directory of the root, sorted. */
  dir(path: string): string[] {
    try {
      return readdirSync(join(this.root, path)).sort();
    } catch {
      return [];
    }
  }

  /** The world as a process outside would see it: descriptors of ours open below staging. */
  openBelowStaging(): number {
    return readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(join(this.root, 'staging'));
      } catch {
        return false;
      }
    }).length;
  }

  /** A client that names no version and never retries, until told to stop; gives back how much it asked, who answered, and what was not as it should be. */
  async keepPredicting(served: string): Promise<() => Promise<{ sent: number; versions: string[]; wrong: unknown[] }>> {
    const client = new ServingClient(`unix:${this.socket}`);
    const def = (await client.metadata(MODEL, v(served)))['serving_default'];
    if (def === undefined) throw new Error('no signature');
    const versions = new Set<string>();
    const wrong: unknown[] = [];
    let sent = 0;
    let going = true;
    const running = (async () => {
      while (going) {
        sent += 1;
        const answer = await client.predict(MODEL, undefined, { name: 'serving_default', def }, { x: [2] }, { deadlineMs: 1000 }).catch((error: unknown) => error as { version?: string; outputs?: unknown });
        versions.add(answer.version ?? 'none');
        if (JSON.stringify(answer.outputs) !== JSON.stringify({ y: [{ 1: 3, 2: 4 }[answer.version ?? '']] })) wrong.push(answer); // 1 is x/2 + 2, 2 is x/2 + 3.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    const stop = async (): Promise<{ sent: number; versions: string[]; wrong: unknown[] }> => {
      going = false;
      await running;
      client.close();
      return { sent, versions: [...versions], wrong };
    };
    this.#clients.push(stop);
    return stop;
  }

  async stop(): Promise<void> {
    for (const stop of this.#clients) await stop();
    await this.agent?.close();
    await this.simulator?.stop();
    for (const s3 of this.#s3) await s3.stop();
    await removeScratch();
  }
}

/** What Temporal gives with each call. */
export function call(signal = new AbortController().signal, heartbeat: (details: Readonly<Record<string, unknown>>) => void = () => undefined): { signal: AbortSignal; heartbeat: typeof heartbeat } {
  return { signal, heartbeat };
}

/** Waits for a fact. */
export async function until<T>(fact: () => T | undefined | false | Promise<T | undefined | false>, what: string, withinMs = 10_000): Promise<T> {
  return untilFact(fact, withinMs, what) as Promise<T>;
}

export async function upload(s3: S3Server, version: string, sample: keyof typeof SAMPLE, without: (path: string) => boolean = () => false): Promise<void> {
  const dir = join(SAMPLES, SAMPLE[sample]);
  for (const path of filesOf(dir)) if (!without(path)) await s3.put('models', `half/${version}/${path}`, readFileSync(join(dir, path)));
}

function filesOf(dir: string, prefix = ''): string[] {
  return readdirSync(join(dir, prefix)).flatMap((name) => {
    const path = prefix === '' ? name : `${prefix}/${name}`;
    return statSync(join(dir, path)).isDirectory() ? filesOf(dir, path) : [path];
  });
}
