// The stage of every scenario: a fleet of three servers of its own, an S3 server, and short words for what each scenario does.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { Verdict } from '../../src/domain/verdict';
import { SignatureDefSchema } from '../../src/proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { ServingClient } from '../../src/serving/client';
import type { S3Server } from '../../src/testing/s3/server';
import { upload, World } from './world';

export class Stage {
  #whole: World | undefined;
  #world: World | undefined;
  #store: S3Server | undefined;
  #scenario = 0;

  /** Called once at the top of a test file: one dev server for the file, one fleet for each test. */
  static forThisFile(): Stage {
    const stage = new Stage();
    beforeAll(async () => { stage.#whole = await World.start(); });
    afterAll(async () => { await stage.#whole?.stop(); });
    beforeEach(async () => {
      stage.#scenario += 1;
      stage.#world = await stage.whole.inFleet(`fleet-${stage.#scenario}`, ['a', 'b', 'c']);
      stage.#store = await stage.world.store();
    });
    afterEach(async () => { await stage.#world?.stopFleet(); });
    return stage;
  }

  get whole(): World { return set(this.#whole); }
  get world(): World { return set(this.#world); }
  get store(): S3Server { return set(this.#store); }

  from(prefix: string, more: object = {}): object {
    return { source: { uri: `s3://models/${prefix}`, endpoint: this.store.url, credentials: 'anonymous', ...more } };
  }

  bootOf(name: string): string {
    return readFileSync(join(this.world.server(name).root, 'boot.config'), 'utf8');
  }

  objectReads(): number {
    return this.store.log().filter((line) => line.operation === 'GetObject').length;
  }

  /** A version uploaded and served by all, proven by Predict. */
  async serve(version: string, sample: string, added: number): Promise<void> {
    await upload(this.store, `half/${version}/`, sample);
    mustBeServed(await this.world.end(await this.world.start({ model: 'half', version, ...this.from(`half/${version}/`), ...probe(added), strategy: { maxUnavailable: 3 } })));
  }

  /** What an unversioned client of this server gets. */
  async valueOf(name: string, x: number): Promise<{ readonly version: string; readonly y: number }> {
    const client = new ServingClient(`127.0.0.1:${this.world.server(name).port}`);
    try {
      const { version, outputs } = await client.predict('half' as never, undefined, { name: 'serving_default', def: create(SignatureDefSchema) }, { x: [x] });
      return { version, y: (outputs['y'] as number[])[0] ?? Number.NaN };
    } finally {
      client.close();
    }
  }
}

/** half_plus_two answers x / 2 + 2, half_plus_three x / 2 + 3. */
export function probe(added: number): object {
  return { probe: { inputs: { x: [1, 2, 5] }, expect: { y: [0.5 + added, 1 + added, 2.5 + added] } } };
}

/** Shows the whole verdict when it is another. */
export function mustBeServed({ verdict }: { readonly verdict: Verdict }): void {
  expect({ ...verdict, outcome: 'served' }).toEqual(verdict);
}

function set<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the stage is set before each test');
  return value;
}
