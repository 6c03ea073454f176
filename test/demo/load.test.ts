// The demo's clients against a real simulator, and its models against a real listing: what they count is what the other side counts.

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Load } from '../../src/cli/demo/load';
import { BUCKET, contentOf, demoModels, MODEL, prefixOf, upload, type DemoModel } from '../../src/cli/demo/models';
import type { ModelName, ServerName, Version } from '../../src/domain/names';
import { digestOf } from '../../src/source/manifest';
import { listSource } from '../../src/source/listing';
import { startS3, type S3Server } from '../../src/testing/s3/server';
import { startSimulator, type Simulator } from '../../src/testing/tf-serving/server';
import { freePorts } from '../../src/worker/free-port';
import { until } from '../setup/until';

const SAMPLES = join(__dirname, '../data/savedmodels');
const [server, other] = ['edge-a', 'edge-b'].map((name) => name as ServerName) as [ServerName, ServerName];
const [v1, v2] = ['1', '2'].map((text) => text as Version) as [Version, Version];

describe('load', () => {
  let root: string;
  let simulator: Simulator;
  let load: Load;

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'segue-load-'));
    cpSync(join(SAMPLES, 'saved_model_half_plus_two_cpu/00000123'), join(root, '1'), { recursive: true });
    cpSync(join(SAMPLES, 'saved_model_half_plus_three/00000123'), join(root, '2'), { recursive: true });
    const [port] = await freePorts(1);
    simulator = await startSimulator({ port, modelConfig: `model_config_list { config { name: "${MODEL}" base_path: "${root}" model_platform: "tensorflow" model_version_policy { all {} } } }` });
    for (const version of [1n, 2n]) await simulator.core.monitor.untilState({ name: MODEL, version }, 'Available');
    load = new Load({ model: MODEL as ModelName, servers: new Map([server, other].map((name) => [name, `127.0.0.1:${port}`])), perSecond: 10, version: v1, constants: { [v1]: 2, [v2]: 3 } });
  });
  afterEach(async () => {
    await load.stop();
    await simulator.stop();
    rmSync(root, { recursive: true, force: true });
  });

  test('one client takes the highest version, the other the one it names; what was sent is what the server counted', async () => {
    load.start();
    await until(() => load.answered(server, v1) >= 10 && load.answered(server, v2) >= 10);
    load.ask(server, v2);
    await until(() => (load.view().byClient['edge-a versioned']?.[v2]?.sent ?? 0) >= 5);
    await load.stop();
    const view = load.view();
    expect(view).toMatchObject({ failed: 0, byClient: { 'edge-a unversioned': { 2: { failed: 0 } }, 'edge-a versioned': { 1: { failed: 0 }, 2: { failed: 0 } } } });
    expect(Object.keys(view.byClient['edge-a unversioned'] ?? {})).toEqual(['2']);
    expect(simulator.counts().received).toBe(view.sent);
    expect(load.latenciesMs).toHaveLength(view.sent);
  });

  test('clients of one server that left send nothing while the others go on, and come back on new connections', async () => {
    const sent = (name: ServerName): number => load.view().byServer[name] ?? 0;
    load.start();
    await until(() => sent(server) >= 10);
    await load.pause(server);
    const [before, others] = [sent(server), sent(other)];
    await until(() => sent(other) >= others + 10);
    expect(sent(server)).toBe(before);
    load.resume(server);
    await until(() => sent(server) >= before + 10);
    await load.stop();
    expect(load.view()).toMatchObject({ sent: load.sent, failed: 0 });
    expect(simulator.counts().received).toBe(load.sent);
  });

  test('a server that is gone is a failure of every prediction, each counted', async () => {
    await simulator.stop();
    load.start();
    await until(() => load.view().failed >= 4);
    await load.stop();
    expect(load.view()).toMatchObject({ sent: load.sent, failed: load.sent, byReason: { noReply: load.sent } });
  });
});

describe('models', () => {
  let store: S3Server;
  beforeEach(async () => { store = await startS3(); });
  afterEach(() => store.stop());

  const models = demoModels(SAMPLES);
  const listed = async (model: DemoModel) => listSource({ uri: `s3://${BUCKET}/${prefixOf(model.version)}`, endpoint: store.url, region: 'us-east-1', credentials: 'anonymous' }, { signal: new AbortController().signal });

  test('every version but the first brings a manifest that agrees with its listing, the broken one too', async () => {
    for (const model of [models.v1, models.v2, models.v3, models.brokenV4]) {
      await upload(store.url, [model]);
      const { resolved, files } = await listed(model);
      expect(files).toHaveLength(contentOf(model).length);
      expect(resolved.digest).toBe(model === models.v1 ? undefined : digestOf(contentOf(model)));
    }
  });

  test('the stale endpoint holds other content under the same number, with other values', () => {
    expect(digestOf(contentOf(models.staleV3))).not.toBe(digestOf(contentOf(models.v3)));
    expect(models.staleV3.version).toBe(models.v3.version);
    expect(models.staleV3.constant).not.toBe(models.v3.constant);
  });
});
