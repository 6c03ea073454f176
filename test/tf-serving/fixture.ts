// A models root on the disk, one simulator over it, and plain gRPC calls to it.

import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { fromText } from '@bufbuild/protobuf/txtpb';
import { Client, credentials } from '@grpc/grpc-js';
import { ModelService } from '../../src/proto/gen/tensorflow_serving/apis/model_service_pb';
import type { ReloadConfigResponse } from '../../src/proto/gen/tensorflow_serving/apis/model_management_pb';
import type { PredictResponse } from '../../src/proto/gen/tensorflow_serving/apis/predict_pb';
import { PredictionService } from '../../src/proto/gen/tensorflow_serving/apis/prediction_service_pb';
import { ModelServerConfigSchema } from '../../src/proto/gen/tensorflow_serving/config/model_server_config_pb';
import { callUnary, RpcFailure, type CallLimits } from '../../src/serving/rpc';
import { startSimulator, type Simulator, type StartOptions } from '../../src/testing/tf-serving/server';

const SAMPLES = join(__dirname, '..', 'data', 'savedmodels');

export const HALF_PLUS_TWO = 'saved_model_half_plus_two_cpu';
export const HALF_PLUS_THREE = 'saved_model_half_plus_three';

export class Fixture {
  readonly root = mkdtempSync(join(tmpdir(), 'segue-simulator-'));
  simulator!: Simulator;
  readonly #clients: Client[] = [];
  readonly #simulators: Simulator[] = [];

  /** Copies a sample under root/model/version. */
  stage(model: string, version: string, sample = HALF_PLUS_TWO): string {
    const dir = join(this.root, model, version);
    mkdirSync(join(this.root, model), { recursive: true });
    cpSync(join(SAMPLES, sample, '00000123'), dir, { recursive: true });
    return dir;
  }

  /** As Segue asks for: two threads each, no retries, an empty list; a free port unless a socket is named. */
  async start(options: StartOptions = {}): Promise<Simulator> {
    const where = options.socketPath === undefined ? { port: 0 } : {};
    const list = options.modelConfigFile === undefined ? { modelConfig: 'model_config_list {}' } : {};
    this.simulator = await startSimulator({ ...where, ...list, numLoadThreads: 2, numUnloadThreads: 2, maxNumLoadRetries: 0, ...options });
    this.#simulators.push(this.simulator);
    return this.simulator;
  }

  /** `model`, or `model: policy`, as protobuf text with base paths below root. */
  list(models: Readonly<Record<string, string>>): string {
    const each = Object.entries(models).map(([name, more]) => `config { name: "${name}" base_path: "${this.root}/${name}" model_platform: "tensorflow" ${more} }`);
    return `model_config_list { ${each.join(' ')} }`;
  }

  call<I extends DescMessage, O extends DescMessage>(method: DescMethodUnary<I, O>, request: MessageInitShape<I>, limits: CallLimits = { deadlineMs: 10_000 }): Promise<MessageShape<O>> {
    return callUnary(this.client(), method, request, limits);
  }

  reload(config: string, limits: CallLimits = {}): Promise<ReloadConfigResponse> {
    return this.call(ModelService.method.handleReloadConfigRequest, { config: fromText(ModelServerConfigSchema, config) }, limits);
  }

  predict(model: string, x: readonly number[], version?: bigint, limits: CallLimits = { deadlineMs: 5_000 }): Promise<PredictResponse> {
    return this.call(PredictionService.method.predict, {
      modelSpec: { name: model, ...(version !== undefined && { versionChoice: { case: 'version' as const, value: { value: version } } }) },
      inputs: { x: { dtype: 1, tensorShape: { dim: [{ size: BigInt(x.length) }] }, floatVal: [...x] } },
    }, limits);
  }

  async answered(model: string, x: readonly number[], version?: bigint): Promise<string> {
    const reply = await this.predict(model, x, version);
    const choice = reply.modelSpec?.versionChoice;
    return `v${choice?.case === 'version' ? choice.value.value : '?'} ${reply.outputs['y']?.floatVal.join(' ')}`;
  }

  client(address = this.simulator.port === 0 ? `unix:${this.simulator.socketPath}` : `127.0.0.1:${this.simulator.port}`): Client {
    const known = this.#clients[0];
    if (known !== undefined && known.getChannel().getTarget().endsWith(address)) return known;
    const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    this.#clients.unshift(client);
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.#simulators.map((simulator) => simulator.stop()));
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** "CODE: details" of a call that fails. */
export async function failure(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof RpcFailure) return `${error.code}: ${error.details}`;
    throw error;
  }
  return 'OK';
}
