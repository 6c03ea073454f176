// Predictions all the time, on every server and model: each answer is known by the version that gave it. What a killed server could not answer is counted apart.

import { create } from '@bufbuild/protobuf';
import type { ModelName } from '../../src/domain/names';
import { SignatureDefSchema } from '../../src/proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { ServingClient } from '../../src/serving/client';
import { constantOf } from './contents';
import { MODELS, type Model, type Server } from './plan';
import type { Host } from './stack';

export interface Counts {
  readonly sent: number;
  readonly failed: number;
  /** Failed while their server was down because somebody killed it, and not counted above. */
  readonly whileKilled: number;
}

interface Client { readonly host: Host; serving: ServingClient; /** Epoch milliseconds; while its server is killed, and a client's patience longer. */ downFromMs?: number; downUntilMs?: number }

const PER_SECOND = 15;
const DEADLINE_MS = 3_000;
const SIGNATURE = { name: 'serving_default', def: create(SignatureDefSchema) };
/** The rest is counted. */
const MAX_EXAMPLES = 4;

export class Load {
  readonly #clients: readonly Client[];
  readonly #flying = new Set<Promise<void>>();
  readonly failures: string[] = [];
  #ticker: NodeJS.Timeout | undefined;
  #sent = 0;
  #failed = 0;
  #whileKilled = 0;

  /** @param known is this version one that may ever answer? */
  constructor(hosts: readonly Host[], private readonly known: (model: Model, version: string) => boolean) {
    this.#clients = hosts.map((host) => ({ host, serving: new ServingClient(host.address) }));
  }

  start(): void {
    this.#ticker = setInterval(() => {
      for (const client of this.#clients) for (const model of MODELS) this.#send(client, model);
    }, 1_000 / PER_SECOND);
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    await Promise.all(this.#flying);
    for (const { serving } of this.#clients) serving.close();
  }

  counts(): Counts {
    return { sent: this.#sent, failed: this.#failed, whileKilled: this.#whileKilled };
  }

  /** From now on this server cannot answer. */
  down(server: Server): void {
    const client = this.#clientOf(server);
    if (client.downFromMs === undefined || client.downUntilMs !== undefined) client.downFromMs = Date.now();
    delete client.downUntilMs;
  }

  /** It answers again: as a client that comes back, on a new connection. */
  up(server: Server): void {
    const client = this.#clientOf(server);
    client.serving.close();
    client.serving = new ServingClient(client.host.address);
    client.downUntilMs = Date.now();
  }

  #send(client: Client, model: Model): void {
    this.#sent += 1;
    const x = this.#sent % 64;
    const beganMs = Date.now();
    const flying = predict(client.serving, model, x, (version) => this.known(model, version)).then((wrong) => {
      if (wrong === undefined) return;
      if (wrong.unanswered && client.downFromMs !== undefined && Date.now() >= client.downFromMs && (client.downUntilMs === undefined || beganMs <= client.downUntilMs)) {
        this.#whileKilled += 1;
        this.#sent -= 1;
        return;
      }
      this.#failed += 1;
      if (this.failures.length < MAX_EXAMPLES) this.failures.push(`${client.host.name} ${model} at ${new Date(beganMs).toISOString()}, after ${Date.now() - beganMs} ms: ${wrong.why}`);
    }).finally(() => this.#flying.delete(flying));
    this.#flying.add(flying);
  }

  #clientOf(server: Server): Client {
    const found = this.#clients.find(({ host }) => host.name === server);
    if (found === undefined) throw new Error(`no client of ${server}`);
    return found;
  }
}

async function predict(serving: ServingClient, model: Model, x: number, known: (version: string) => boolean): Promise<{ readonly why: string; readonly unanswered: boolean } | undefined> {
  try {
    const { version, outputs } = await serving.predict(model as string as ModelName, undefined, SIGNATURE, { x: [x] }, { deadlineMs: DEADLINE_MS });
    const y = outputs['y'];
    const found = Array.isArray(y) ? Number(y[0]) : Number.NaN;
    const want = x / 2 + constantOf(version);
    if (known(version) && found === want) return undefined;
    return { why: `x = ${x}: version ${version} answered ${found}, want ${known(version) ? want : 'no answer of this version at all'}`, unanswered: false };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error), unanswered: true };
  }
}
