// PredictionService: Predict and GetModelMetadata (reference §7). A Predict holds its handle until it is answered or its deadline has passed.

import { create } from '@bufbuild/protobuf';
import { anyPack, Int64ValueSchema } from '@bufbuild/protobuf/wkt';
import { GetModelMetadataResponseSchema, SignatureDefMapSchema, type GetModelMetadataRequest, type GetModelMetadataResponse } from '../../proto/gen/tensorflow_serving/apis/get_model_metadata_pb';
import { ModelSpecSchema, type ModelSpec } from '../../proto/gen/tensorflow_serving/apis/model_pb';
import { PredictResponseSchema, type PredictRequest, type PredictResponse } from '../../proto/gen/tensorflow_serving/apis/predict_pb';
import type { SignatureDef } from '../../proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import type { TensorProto } from '../../proto/gen/tensorflow/core/framework/tensor_pb';
import type { Clock } from './clock';
import type { ServerCore } from './core';
import type { Faults } from './faults';
import type { ServableId } from './servable-id';
import type { Handle } from './serving-map';
import { ServingError } from './status';

/** What a loaded version can do. */
export interface PredictableServable {
  readonly signatures: Readonly<Record<string, SignatureDef>>;
  predict(signatureName: string, inputs: Record<string, TensorProto>, outputFilter: readonly string[]): Record<string, TensorProto>;
}

export interface PredictOptions {
  readonly faults: Faults;
  /** Until the caller gives up; then the session's time-out releases the handle. */
  readonly remainingMs: number;
}

/** Which version answered is known even when the answer is an error; undefined when none was found. */
export interface Prediction {
  readonly id: ServableId | undefined;
  readonly outcome: PredictResponse | ServingError;
}

export async function predict(core: ServerCore<PredictableServable>, clock: Clock, request: PredictRequest, options: PredictOptions): Promise<Prediction> {
  let handle: Handle<PredictableServable> | undefined;
  try {
    handle = takeFor(core, request.modelSpec);
    await work(clock, options.faults.delayMs('predict', handle.id), options.remainingMs);
    options.faults.strike('predict', handle.id);
    const signatureName = request.modelSpec?.signatureName || DEFAULT_SIGNATURE;
    const outputs = handle.servable.predict(signatureName, request.inputs, request.outputFilter);
    return { id: handle.id, outcome: create(PredictResponseSchema, { outputs, modelSpec: answeredBy(handle.id, signatureName) }) };
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
    return { id: handle?.id, outcome: error };
  } finally {
    handle?.release();
  }
}

export function getModelMetadata(core: ServerCore<PredictableServable>, request: GetModelMetadataRequest): GetModelMetadataResponse {
  if (request.modelSpec === undefined) throw new ServingError('INVALID_ARGUMENT', 'Missing ModelSpec');
  if (request.metadataField.length === 0) throw new ServingError('INVALID_ARGUMENT', 'GetModelMetadataRequest must specify at least one metadata_field');
  for (const field of request.metadataField) {
    if (field !== SIGNATURE_DEF) throw new ServingError('INVALID_ARGUMENT', `Metadata field ${field} is not supported`);
  }
  const handle = takeFor(core, request.modelSpec);
  try {
    const signatures = create(SignatureDefMapSchema, { signatureDef: { ...handle.servable.signatures } });
    return create(GetModelMetadataResponseSchema, {
      modelSpec: answeredBy(handle.id, ''),
      metadata: { [SIGNATURE_DEF]: anyPack(SignatureDefMapSchema, signatures) },
    });
  } finally {
    handle.release();
  }
}

const SIGNATURE_DEF = 'signature_def';
const DEFAULT_SIGNATURE = 'serving_default';

function takeFor(core: ServerCore<PredictableServable>, spec: ModelSpec | undefined): Handle<PredictableServable> {
  if (spec === undefined) throw new ServingError('INVALID_ARGUMENT', 'Missing ModelSpec');
  const { name, versionChoice } = spec;
  if (versionChoice.case === 'version') return core.take({ name, version: versionChoice.value.value });
  if (versionChoice.case === 'versionLabel') return core.take({ name, label: versionChoice.value });
  return core.take({ name });
}

async function work(clock: Clock, workMs: number, remainingMs: number): Promise<void> {
  if (workMs > 0) await clock.sleep(Math.min(workMs, remainingMs));
  if (workMs > remainingMs) throw new ServingError('DEADLINE_EXCEEDED', 'Timed out waiting for notification');
}

function answeredBy(id: ServableId, signatureName: string): ModelSpec {
  return create(ModelSpecSchema, { name: id.name, versionChoice: { case: 'version', value: create(Int64ValueSchema, { value: id.version }) }, signatureName });
}
