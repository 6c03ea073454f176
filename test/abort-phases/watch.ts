// What clients of a model server could have seen all along: GetModelStatus, asked again and again beside the agent.

import type { ModelName, Version } from '../../src/domain/names';
import { ServingClient } from '../../src/serving/client';

const MODEL = 'half' as ModelName;
const EVERY_MS = 10;

export class Watch {
  /** Versions that were AVAILABLE, one text a look, without repetition of the look before. */
  readonly seen: string[] = [];
  looks = 0;
  #going = true;
  readonly #running: Promise<void>;

  constructor(readonly port: number) {
    this.#running = this.#run();
  }

  /** Looks where some version of these was AVAILABLE are good; returns those that were not. */
  without(...versions: readonly string[]): readonly string[] {
    return this.seen.filter((look) => !look.split(' ').some((one) => versions.includes(one)));
  }

  forget(): void {
    this.seen.length = 0;
    this.looks = 0;
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#running;
  }

  async #run(): Promise<void> {
    const client = new ServingClient(`127.0.0.1:${this.port}`);
    while (this.#going) {
      // A server that is away says nothing of what it serves.
      const status = await client.status(MODEL, { deadlineMs: 1000 }).catch(() => undefined);
      if (status !== undefined && status !== 'unknown model') {
        const look = ([...status] as [Version, { state: string }][]).filter(([, { state }]) => state === 'AVAILABLE').map(([version]) => version).join(' ');
        this.looks += 1;
        if (this.seen.at(-1) !== look) this.seen.push(look);
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
    client.close();
  }
}

export async function stateOf(port: number, version: string, model = 'half'): Promise<string | undefined> {
  const client = new ServingClient(`127.0.0.1:${port}`);
  try {
    const status = await client.status(model as ModelName, { deadlineMs: 1000 });
    return status === 'unknown model' ? undefined : status.get(version as Version)?.state;
  } finally {
    client.close();
  }
}
