// Predictions all the time, on every server and model: each answer is known by the version that gave it. What a server could not answer because somebody killed it or
// deleted its files is counted apart.

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
  /** Failed while their server was killed or its files deleted; not counted above. */
  readonly excused: number;
}

/** Epoch milliseconds; open while the server cannot answer. */
interface Window { readonly fromMs: number; untilMs?: number }
interface Client { readonly host: Host; readonly model: Model; serving: ServingClient; readonly windows: Window[] }

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
  #excused = 0;

  /** @param known is this version one that may ever answer? */
  constructor(hosts: readonly Host[], private readonly known: (model: Model, version: string) => boolean) {
    this.#clients = hosts.flatMap((host) => MODELS.map((model) => ({ host, model, serving: new ServingClient(host.address), windows: [] })));
  }

  start(): void {
    this.#ticker = setInterval(() => {
      for (const client of this.#clients) this.#send(client);
    }, 1_000 / PER_SECOND);
  }

  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    await Promise.all(this.#flying);
    for (const { serving } of this.#clients) serving.close();
  }

  counts(): Counts {
    return { sent: this.#sent, failed: this.#failed, excused: this.#excused };
  }

  /** From now on this server cannot answer for these models. Call what it returns when it can again: clients then come back, on new connections. */
  down(server: Server, models: readonly Model[]): () => void {
    const clients = this.#clients.filter(({ host, model }) => host.name === server && models.includes(model));
    const opened = clients.map(({ windows }) => {
      const window: Window = { fromMs: Date.now() };
      windows.push(window);
      return window;
    });
    return () => {
      for (const client of clients) {
        client.serving.close();
        client.serving = new ServingClient(client.host.address);
      }
      for (const window of opened) window.untilMs = Date.now();
    };
  }

  #send({ host, model, serving, windows }: Client): void {
    this.#sent += 1;
    const x = this.#sent % 64;
    const beganMs = Date.now();
    const flying = predict(serving, model, x, (version) => this.known(model, version)).then((wrong) => {
      if (wrong === undefined) return;
      if (wrong.unanswered && windows.some(({ fromMs, untilMs }) => fromMs <= Date.now() && (untilMs === undefined || beganMs <= untilMs))) {
        this.#excused += 1;
        this.#sent -= 1;
        return;
      }
      this.#failed += 1;
      if (this.failures.length < MAX_EXAMPLES) this.failures.push(`${host.name} ${model} at ${new Date(beganMs).toISOString()}, after ${Date.now() - beganMs} ms: ${wrong.why}`);
    }).finally(() => this.#flying.delete(flying));
    this.#flying.add(flying);
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
