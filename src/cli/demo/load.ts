// Prediction load as real clients make it: two on every server, one that takes what it gets and one that names the version; a deadline, and no second try.

import { create } from '@bufbuild/protobuf';
import type { ModelName, ServerName, Version } from '../../domain/names';
import { SignatureDefSchema } from '../../proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { ServingClient } from '../../serving/client';
import type { Answer, Asked, ClientKind, Constants, TallyView } from './tally';
import { Tally } from './tally';

export interface LoadOptions {
  readonly model: ModelName;
  /** Server → `host:port`. */
  readonly servers: ReadonlyMap<ServerName, string>;
  /** Of each of the two clients of each server. */
  readonly perSecond: number;
  /** What versioned clients ask for first. */
  readonly version: Version;
  readonly constants: Constants;
}

interface Client {
  readonly server: ServerName;
  readonly kind: ClientKind;
  readonly serving: ServingClient;
  nextAtMs: number;
}

const DEADLINE_MS = 1_000;
const TICK_MS = 5;
/** What is later than a client would have waited is not sent any more. */
const MAX_BEHIND_MS = DEADLINE_MS;
const SIGNATURE = { name: 'serving_default', def: create(SignatureDefSchema) };

export class Load {
  readonly #options: LoadOptions;
  readonly #tally: Tally;
  readonly #asks = new Map<ServerName, Version>();
  readonly #floors = new Map<ServerName, Version>();
  readonly #inFlight = new Map<ServerName, Set<Promise<void>>>();
  #clients: readonly Client[] = [];
  #ticker: NodeJS.Timeout | undefined;
  #sent = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#tally = new Tally(options.constants);
    for (const server of options.servers.keys()) {
      this.#asks.set(server, options.version);
      this.#inFlight.set(server, new Set());
    }
  }

  start(): void {
    this.#clients = [...this.#options.servers.keys()].flatMap((server) => this.#clientsOf(server));
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Sends nothing more, and resolves when every answer is in. */
  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    for (const server of this.#options.servers.keys()) await this.pause(server);
  }

  /** The clients of this server go away, after their last answer. */
  async pause(server: ServerName): Promise<void> {
    const leaving = this.#clients.filter((client) => client.server === server);
    this.#clients = this.#clients.filter((client) => client.server !== server);
    await Promise.all([...(this.#inFlight.get(server) ?? new Set<Promise<void>>())]);
    for (const client of leaving) client.serving.close();
  }

  /** Clients of this server come back, on new connections. */
  resume(server: ServerName): void {
    this.#clients = [...this.#clients, ...this.#clientsOf(server)];
  }

  /** From now on the versioned client of this server asks for this version. */
  ask(server: ServerName, version: Version): void {
    this.#asks.set(server, version);
  }

  get sent(): number {
    return this.#sent;
  }

  /** Right answers so far from one server. */
  answered(server: ServerName, version: Version): number {
    const { byClient } = this.#tally.view();
    return ['unversioned', 'versioned'].reduce((sum, kind) => {
      const counted = byClient[`${server} ${kind}`]?.[version];
      return sum + (counted === undefined ? 0 : counted.sent - counted.failed);
    }, 0);
  }

  view(): TallyView {
    return this.#tally.view();
  }

  get latenciesMs(): readonly number[] {
    return this.#tally.latenciesMs;
  }

  #clientsOf(server: ServerName): readonly Client[] {
    const address = this.#options.servers.get(server);
    if (address === undefined) throw new Error(`no address of ${server}`);
    const nextAtMs = Date.now();
    return (['unversioned', 'versioned'] as const).map((kind) => ({ server, kind, serving: new ServingClient(address), nextAtMs }));
  }

  #tick(): void {
    const now = Date.now();
    const everyMs = 1000 / this.#options.perSecond;
    for (const client of this.#clients) {
      client.nextAtMs = Math.max(client.nextAtMs, now - MAX_BEHIND_MS);
      for (; client.nextAtMs <= now; client.nextAtMs += everyMs) this.#send(client);
    }
  }

  #send({ server, kind, serving }: Client): void {
    const x = this.#sent % 64;
    this.#sent += 1;
    const version = kind === 'versioned' ? this.#asks.get(server) : undefined;
    const floor = kind === 'unversioned' ? this.#floors.get(server) : undefined;
    const asked: Asked = { server, kind, x, ...(version === undefined ? {} : { version }), ...(floor === undefined ? {} : { floor }) };
    const beganMs = performance.now();
    const flying = this.#predict(serving, asked).then((answer) => {
      if (kind === 'unversioned' && 'version' in answer && answer.version > '') this.#raiseFloor(server, answer.version);
      this.#tally.add(asked, answer, performance.now() - beganMs);
    }).finally(() => this.#inFlight.get(server)?.delete(flying));
    this.#inFlight.get(server)?.add(flying);
  }

  async #predict(serving: ServingClient, { x, version }: Asked): Promise<Answer> {
    try {
      const reply = await serving.predict(this.#options.model, version, SIGNATURE, { x: [x] }, { deadlineMs: DEADLINE_MS });
      const y = reply.outputs['y'];
      return { version: reply.version, y: Array.isArray(y) ? Number(y[0]) : Number.NaN };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }

  #raiseFloor(server: ServerName, version: Version): void {
    const floor = this.#floors.get(server);
    if (floor === undefined || BigInt(version) > BigInt(floor)) this.#floors.set(server, version);
  }
}
