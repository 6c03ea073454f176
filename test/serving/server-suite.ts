// What Segue relies on of a model server, asked of a server on a socket: the simulator, and TensorFlow Serving itself for whoever has it.

import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import type { ListedModel } from '../../src/domain/list';
import type { ModelName, Version } from '../../src/domain/names';
import { ServingClient, type ModelStatus } from '../../src/serving/client';
import { RpcFailure } from '../../src/serving/rpc';
import { until } from '../setup/until';

export interface ServerUnderTest {
  /** `host:port` or `unix:PATH`. */
  readonly address: string;
  /** A directory the server sees under the same path, ours alone. */
  readonly root: string;
  stop(): Promise<void>;
}

const SAMPLES = join(__dirname, '../data/savedmodels');
const SAMPLE = { two: 'saved_model_half_plus_two_cpu/00000123', three: 'saved_model_half_plus_three/00000123' } as const;
/** A poll of a second, a tick, and the load of a real model. */
const WITHIN_MS = 30_000;
const v = (text: string): Version => text as Version;

/** @param start gives a server started with the flags Segue asks for and an empty list. Each test uses a name of its own, and leaves the list empty. */
export function serverSuite(title: string, start: () => Promise<ServerUnderTest>): void {
  describe(title, () => {
    let server: ServerUnderTest;
    let client: ServingClient;
    let model: ModelName;
    beforeAll(async () => { server = await start(); client = new ServingClient(server.address); });
    beforeEach(() => { model = `segue_${randomBytes(4).toString('hex')}` as ModelName; });
    afterEach(async () => {
      await client.reload([]);
      rmSync(base(), { recursive: true, force: true });
    });
    afterAll(async () => { client.close(); await server.stop(); });

    const base = (): string => join(server.root, model);
    const place = (version: string, sample: keyof typeof SAMPLE): void => cpSync(join(SAMPLES, SAMPLE[sample]), join(base(), version), { recursive: true });
    const listed = (versions: readonly string[], labels: Readonly<Record<string, string>> = {}): ListedModel => ({ name: model, basePath: base(), platform: 'tensorflow', versions, labels });
    const state = async (version: string): Promise<string> => of(await client.status(model), version);
    const reaches = (version: string, wanted: string): Promise<boolean> => until(async () => await state(version) === wanted, WITHIN_MS);
    const ask = async (version?: string): Promise<string> => {
      const def = (await client.metadata(model, v(version ?? '1')).catch(() => ({}) as never))['serving_default'];
      const answer = await client.predict(model, version === undefined ? undefined : v(version), { name: 'serving_default', def: def ?? ({ inputs: {} } as never) }, { x: [1, 2, 5] });
      return `${answer.version}: ${JSON.stringify(answer.outputs['y'])}`;
    };
    const refusal = (work: Promise<unknown>): Promise<string> => work.then(() => 'OK', (error: unknown) => (error instanceof RpcFailure ? `${error.code}: ${error.details}` : String(error)));
    const up = async (): Promise<void> => {
      place('1', 'two');
      expect(await client.reload([listed(['1'])])).toBe('OK');
      await reaches('1', 'AVAILABLE');
    };

    test('a name nobody gave it is unknown', async () => expect(await client.status(model)).toBe('unknown model'));

    test('a new name is answered when a version is AVAILABLE, and computes', async () => {
      await up();
      expect(await ask()).toBe('1: [2.5,3,4.5]');
      expect(Object.keys(await client.metadata(model, v('1')))).toContain('serving_default');
    });

    test('beside each other, then the old one leaves: unversioned clients get the highest, END is END', async () => {
      await up();
      place('2', 'three');
      expect(await client.reload([listed(['1', '2'])])).toBe('OK');
      await reaches('2', 'AVAILABLE');
      expect([await ask(), await ask('1')]).toEqual(['2: [3.5,4,5.5]', '1: [2.5,3,4.5]']);
      expect(await client.reload([listed(['2'])])).toBe('OK');
      await reaches('1', 'END');
      expect(await refusal(ask('1'))).toBe(`NOT_FOUND: Servable not found for request: Specific(${model}, 1)`);
      expect(await ask()).toBe('2: [3.5,4,5.5]');
    });

    test('a list of known names is answered long before its version is loaded', async () => {
      await up();
      place('2', 'three');
      const began = performance.now();
      await client.reload([listed(['1', '2'])]);
      expect(performance.now() - began).toBeLessThan(500);
    });

    test('a load that fails ends with the server\'s words, and the version before serves on', async () => {
      await up();
      mkdirSync(join(base(), '2'), { recursive: true });
      await client.reload([listed(['1', '2'])]);
      await reaches('2', 'END');
      const status = await client.status(model);
      expect(status === 'unknown model' ? undefined : status.get(v('2'))).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('saved_model.pb') as string });
      expect(await ask()).toBe('1: [2.5,3,4.5]');
    });

    test('the sentinel makes a name known within a poll, and the rest of that list is applied', async () => {
      await up();
      place('2', 'three');
      const sentinel = join(server.root, '.sentinel');
      mkdirSync(join(sentinel, '0'), { recursive: true });
      const name = `${model}_new`;
      const answer = await client.reload([listed(['1', '2']), { name, basePath: sentinel, platform: 'tensorflow', versions: ['0'], labels: {} }]);
      expect(answer).toMatchObject({ code: 'UNKNOWN', details: expect.stringContaining('did not become available') as string });
      expect(of(await client.status(name as ModelName), '0')).toBe('END');
      await reaches('2', 'AVAILABLE');
      const began = performance.now();
      expect(await client.reload([listed(['1', '2']), { name, basePath: base(), platform: 'tensorflow', versions: ['1'], labels: {} }])).toBe('OK');
      expect(performance.now() - began).toBeLessThan(500);
      await until(async () => of(await client.status(name as ModelName), '1') === 'AVAILABLE', WITHIN_MS);
    });

    test('a registered name without versions is harmless', async () => {
      await up();
      expect(await client.reload([listed([])])).toBe('OK');
      await reaches('1', 'END');
      expect(await client.reload([listed(['1'])])).toBe('OK');
      await reaches('1', 'AVAILABLE');
    });

    test('a label to a version that is not AVAILABLE is refused, and nothing of that list is applied', async () => {
      await up();
      place('2', 'three');
      expect(await client.reload([listed(['1', '2'], { stable: '2' })])).toMatchObject({ code: 'FAILED_PRECONDITION' });
      expect(await client.reload([listed(['1', '2'])])).toBe('OK');
      await reaches('2', 'AVAILABLE');
      expect(await client.reload([listed(['1', '2'], { stable: '2' })])).toBe('OK');
    });

    test('the list by which the doctor asks for the config lock is refused and changes nothing', async () => {
      await up();
      expect(await client.reload([{ name: 'segue-doctor', basePath: 'is-the-lock-free', platform: 'tensorflow', versions: [], labels: {} }])).toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect([await state('1'), await client.status('segue-doctor' as ModelName)]).toEqual(['AVAILABLE', 'unknown model']);
    });
  });
}

function of(status: ModelStatus, version: string): string {
  return status === 'unknown model' ? status : status.get(v(version))?.state ?? 'no entry';
}
