import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { fromText } from '@bufbuild/protobuf/txtpb';
import { ModelService } from '../../src/proto/gen/tensorflow_serving/apis/model_service_pb';
import { PredictionService } from '../../src/proto/gen/tensorflow_serving/apis/prediction_service_pb';
import { PredictRequestSchema } from '../../src/proto/gen/tensorflow_serving/apis/predict_pb';
import { ModelServerConfigSchema } from '../../src/proto/gen/tensorflow_serving/config/model_server_config_pb';
import { callUnary } from '../../src/serving/rpc';
import { startSimulator, type Simulator } from '../../src/testing/tf-serving/server';

const SAMPLES = join(__dirname, '..', 'data', 'savedmodels');
let root: string;
let simulator: Simulator | undefined;
let client: Client | undefined;

beforeEach(() => { root = mkdtempSync(join(tmpdir(), 'segue-sim-')); });
afterEach(async () => {
  client?.close();
  await simulator?.stop();
  rmSync(root, { recursive: true, force: true });
});

function stage(model: string, version: string, sample: string): void {
  mkdirSync(join(root, model), { recursive: true });
  cpSync(join(SAMPLES, sample, '00000123'), join(root, model, version), { recursive: true });
}

function list(versions: readonly number[]): string {
  return `model_config_list { config { name: "half" base_path: "${root}/half" model_platform: "tensorflow" model_version_policy { specific { ${versions.map((v) => `versions: ${v}`).join(' ')} } } } }`;
}

test('a simulator serves what lies on the disk, and additive transitions move unversioned callers to the highest version', async () => {
  stage('half', '1', 'saved_model_half_plus_two_cpu');
  stage('half', '2', 'saved_model_half_plus_three');
  simulator = await startSimulator({ port: 0, modelConfig: 'model_config_list {}', numLoadThreads: 2, numUnloadThreads: 2, maxNumLoadRetries: 0 });
  client = new Client(`127.0.0.1:${simulator.port}`, credentials.createInsecure());
  const reload = (text: string): Promise<unknown> => callUnary(client!, ModelService.method.handleReloadConfigRequest, { config: fromText(ModelServerConfigSchema, text) }, { deadlineMs: 10_000 });
  const ask = async (): Promise<readonly [bigint | undefined, number[] | undefined]> => {
    const reply = await callUnary(client!, PredictionService.method.predict, create(PredictRequestSchema, {
      modelSpec: { name: 'half' }, inputs: { x: { dtype: 1, tensorShape: { dim: [{ size: 3n }] }, floatVal: [1, 2, 5] } },
    }), { deadlineMs: 1_000 });
    const choice = reply.modelSpec?.versionChoice;
    return [choice?.case === 'version' ? choice.value.value : undefined, reply.outputs['y']?.floatVal];
  };
  await reload(list([1]));
  expect(await ask()).toEqual([1n, [2.5, 3, 4.5]]);
  await reload(list([1, 2]));
  await simulator.core.monitor.untilState({ name: 'half', version: 2n }, 'Available');
  expect(await ask()).toEqual([2n, [3.5, 4, 5.5]]);
  await reload(list([2]));
  await simulator.core.monitor.untilState({ name: 'half', version: 1n }, 'End');
  expect(simulator.counts()).toMatchObject({ received: 2, ok: 2, failed: 0 });
});
