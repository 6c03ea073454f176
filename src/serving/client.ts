// The model server as one agent sees it. Reads have deadlines and no retries; a reload has neither deadline nor a way to be given up on (DESIGN §6).

import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, connectivityState, credentials } from '@grpc/grpc-js';
import type { ListedModel } from '../domain/list';
import type { ModelName, Version } from '../domain/names';
import type { TensorValue } from '../domain/request';
import type { ServableState } from '../domain/view';
import type { SignatureDef } from '../proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { Code } from '../proto/gen/tensorflow/core/protobuf/error_codes_pb';
import { SignatureDefMapSchema } from '../proto/gen/tensorflow_serving/apis/get_model_metadata_pb';
import { ModelVersionStatus_State as State } from '../proto/gen/tensorflow_serving/apis/get_model_status_pb';
import { ModelService } from '../proto/gen/tensorflow_serving/apis/model_service_pb';
import { PredictionService } from '../proto/gen/tensorflow_serving/apis/prediction_service_pb';
import { toModelServerConfig } from './model-list';
import { callUnary, RpcFailure, type CallLimits } from './rpc';
import { fromTensorProto, toTensorProto } from './tensor';

/** One line of GetModelStatus. */
export interface VersionStatus {
  readonly state: ServableState;
  /** `OK`, or why the version ended. */
  readonly code: string;
  readonly message: string;
}

/** All versions the server has a history of; the sentinel's is `0`. Entries never go away while the process lives. */
export type ModelStatus = ReadonlyMap<Version, VersionStatus> | 'unknown model';

export type Signatures = Readonly<Record<string, SignatureDef>>;

export interface Prediction {
  /** The version that answered. */
  readonly version: Version;
  readonly outputs: Readonly<Record<string, TensorValue>>;
}

const readDeadlineMs = 5_000; // Status answers within milliseconds even while all else is wedged (TF Serving reference §6).
const predictDeadlineMs = 30_000; // The first call of a version may compile; without a deadline it would hold a handle for ever (§7).
const maxReplyBytes = 64 * 1024 * 1024; // A metadata reply carries all signatures; gRPC's own 4 MiB is too little for some.

export class ServingClient {
  readonly #client: Client;
  readonly #onDisconnect = new Set<() => void>();
  #closed = false;

  /** @param address `host:port` or `unix:PATH`. Connects when first used. */
  constructor(readonly address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.enable_retries': 0, // A call is made once: whoever repeats it looks first.
      'grpc.use_local_subchannel_pool': 1, // Its own connection: another client's must not hide a restart.
      'grpc.initial_reconnect_backoff_ms': 100, // The server is beside us, and its clients wait for it.
      'grpc.max_reconnect_backoff_ms': 1_000,
      'grpc.max_receive_message_length': maxReplyBytes,
    });
    this.#watch(this.#client.getChannel().getConnectivityState(false));
  }

  /** Called whenever an established connection is lost: the process behind it may be another one when it answers again. */
  onDisconnect(listener: () => void): void {
    this.#onDisconnect.add(listener);
  }

  /** Fails with RpcFailure; an unknown model is an answer. */
  async status(model: ModelName, limits: CallLimits = {}): Promise<ModelStatus> {
    try {
      const reply = await callUnary(this.#client, ModelService.method.getModelStatus, { modelSpec: { name: model } }, { deadlineMs: readDeadlineMs, ...limits });
      return new Map(reply.modelVersionStatus.map((one) => [
        String(one.version) as Version,
        { state: stateName(one.state), code: Code[one.status?.errorCode ?? 0] ?? String(one.status?.errorCode), message: one.status?.errorMessage ?? '' },
      ]));
    } catch (error) {
      if (error instanceof RpcFailure && error.code === 'NOT_FOUND') return 'unknown model';
      throw error;
    }
  }

  /**
   * Replaces the server's whole list. OK means accepted, not loaded. Settles only when the server answered or the connection is gone:
   * a reload that was given up on is applied all the same, later and out of order (TF Serving reference §15, E1k).
   */
  async reload(list: readonly ListedModel[]): Promise<'OK' | RpcFailure> {
    try {
      await callUnary(this.#client, ModelService.method.handleReloadConfigRequest, { config: toModelServerConfig(list) }, {});
      return 'OK';
    } catch (error) {
      if (error instanceof RpcFailure) return error;
      throw error;
    }
  }

  /** The signatures of exactly this version: proof that it is loaded, not that it computes. Fails with RpcFailure. */
  async metadata(model: ModelName, version: Version, limits: CallLimits = {}): Promise<Signatures> {
    const request = { modelSpec: specOf(model, version), metadataField: ['signature_def'] };
    const reply = await callUnary(this.#client, PredictionService.method.getModelMetadata, request, { deadlineMs: readDeadlineMs, ...limits });
    const packed = reply.metadata['signature_def'];
    return (packed === undefined ? undefined : anyUnpack(packed, SignatureDefMapSchema)?.signatureDef) ?? {};
  }

  /** One Predict, of exactly `version` where given. Types come from the signature. Fails with RpcFailure, or with RangeError where a value fits no tensor. */
  async predict(model: ModelName, version: Version | undefined, signature: { readonly name: string; readonly def: SignatureDef }, inputs: Readonly<Record<string, TensorValue>>, limits: CallLimits = {}): Promise<Prediction> {
    const request = {
      modelSpec: { ...specOf(model, version), signatureName: signature.name },
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, toTensorProto(value, signature.def.inputs[name]?.dtype)])),
    };
    const reply = await callUnary(this.#client, PredictionService.method.predict, request, { deadlineMs: predictDeadlineMs, ...limits });
    const answered = reply.modelSpec?.versionChoice;
    return {
      version: String(answered?.case === 'version' ? answered.value.value : '') as Version,
      outputs: Object.fromEntries(Object.entries(reply.outputs).map(([name, tensor]) => [name, fromTensorProto(tensor)])),
    };
  }

  close(): void {
    this.#closed = true;
    this.#client.close();
  }

  #watch(state: connectivityState): void {
    if (this.#closed || state === connectivityState.SHUTDOWN) return;
    this.#client.getChannel().watchConnectivityState(state, Infinity, (error) => {
      if (error !== undefined || this.#closed) return;
      if (state === connectivityState.READY) for (const listener of this.#onDisconnect) listener();
      this.#watch(this.#client.getChannel().getConnectivityState(false));
    });
  }
}

function specOf(model: ModelName, version: Version | undefined): { name: string; versionChoice?: { case: 'version'; value: { value: bigint } } } {
  return { name: model, ...(version === undefined ? {} : { versionChoice: { case: 'version', value: { value: BigInt(version) } } }) };
}

function stateName(state: State): ServableState {
  switch (state) {
    case State.START: return 'START';
    case State.LOADING: return 'LOADING';
    case State.AVAILABLE: return 'AVAILABLE';
    case State.UNLOADING: return 'UNLOADING';
    case State.END: return 'END';
    case State.UNKNOWN: return 'START'; // Never sent by a real server; the least that can be said of a version with an entry.
  }
}
