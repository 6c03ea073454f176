// ModelService: GetModelStatus and HandleReloadConfigRequest (reference §2, §6). Plain functions; the wire is in grpc.ts.

import { create } from '@bufbuild/protobuf';
import { GetModelStatusResponseSchema, ModelVersionStatus_State as State, ModelVersionStatusSchema, type GetModelStatusRequest, type GetModelStatusResponse, type ModelVersionStatus } from '../../proto/gen/tensorflow_serving/apis/get_model_status_pb';
import { ReloadConfigResponseSchema, type ReloadConfigRequest, type ReloadConfigResponse } from '../../proto/gen/tensorflow_serving/apis/model_management_pb';
import { StatusProtoSchema } from '../../proto/gen/tensorflow_serving/apis/status_pb';
import type { ManagerState, ServableState } from './event-bus';
import type { ServableStateMonitor } from './monitor';
import type { ConfigReloader } from './reload';
import { ServingError } from './status';

/** Takes no lock that transitions take: it answers even while all else is wedged. A label in the request is ignored (s013). */
export function getModelStatus(monitor: ServableStateMonitor, request: GetModelStatusRequest): GetModelStatusResponse {
  const spec = request.modelSpec;
  if (spec === undefined) throw new ServingError('INVALID_ARGUMENT', 'Missing ModelSpec');
  const version = spec.versionChoice.case === 'version' ? spec.versionChoice.value.value : undefined;
  return create(GetModelStatusResponseSchema, { modelVersionStatus: statusesOf(monitor, spec.name, version) });
}

/** All versions ever seen, highest first, or the one asked for. */
export function statusesOf(monitor: ServableStateMonitor, name: string, version?: bigint): ModelVersionStatus[] {
  if (version !== undefined) {
    const state = monitor.state({ name, version });
    if (state === undefined) throw new ServingError('NOT_FOUND', `Could not find version ${version} of model ${name}`);
    return [statusOf(state)];
  }
  const states = monitor.versions(name);
  if (states.length === 0) throw new ServingError('NOT_FOUND', `Could not find any versions of model ${name}`);
  return states.map(statusOf);
}

/** Resolves when the real handler would return; nothing stops it before, also not the caller's deadline. */
export async function handleReloadConfig<Servable>(
  reloader: ConfigReloader<Servable>, request: ReloadConfigRequest, metric: (name: string) => bigint | undefined,
): Promise<ReloadConfigResponse> {
  const config = request.config;
  if (config?.config.case !== 'modelConfigList') {
    throw new ServingError('INVALID_ARGUMENT',
      'ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported');
  }
  const before = new Map(request.metricNames.map((name) => [name, metric(name)]));
  await reloader.reload(config);
  return create(ReloadConfigResponseSchema, {
    status: create(StatusProtoSchema),
    metric: [...before].flatMap(([name, old]) => {
      const now = metric(name);
      return old === undefined || now === undefined ? [] : [{ name, valueIncrease: { case: 'int64ValueIncrease' as const, value: now - old } }];
    }),
  });
}

function statusOf({ id, state, health }: ServableState): ModelVersionStatus {
  return create(ModelVersionStatusSchema, {
    version: id.version,
    state: STATES[state],
    // Present even when OK; its text is never cut.
    status: create(StatusProtoSchema, health === undefined ? {} : { errorCode: health.code, errorMessage: health.message }),
  });
}

const STATES: Readonly<Record<ManagerState, State>> = {
  Start: State.START, Loading: State.LOADING, Available: State.AVAILABLE, Unloading: State.UNLOADING, End: State.END,
};
