// model_servers/server.cc: one simulated model server in this process. Its ports open when the initial models are up (reference §2 "First config").

import { fromText } from '@bufbuild/protobuf/txtpb';
import { ModelService } from '../../proto/gen/tensorflow_serving/apis/model_service_pb';
import { PredictionService } from '../../proto/gen/tensorflow_serving/apis/prediction_service_pb';
import { ModelServerConfigSchema, type ModelServerConfig } from '../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import { RealClock } from './clock';
import { readConfigFile, singleModelConfig } from './config-file';
import { ServerCore, type CoreOptions } from './core';
import { PredictionCounter, type PredictionCounts } from './counts';
import { Faults } from './faults';
import { realFileSystem } from './fs-view';
import { method, type Method } from './grpc';
import { getModelStatus, handleReloadConfig } from './model-service';
import { openPorts, type Ports } from './ports';
import { getModelMetadata, predict, type PredictableServable } from './prediction-service';
import { ConfigReloader } from './reload';
import { savedModelLoader, type LoadServable } from './saved-model-loader';
import { loadServable } from './servable';
import { DEFAULT_SETTINGS, INITIAL_LOAD_THREADS, type SimulatorSettings } from './settings';
import { ServingError } from './status';
import { ThreadCap } from './thread-cap';
import { PeriodicFunction } from './threads';

export interface Simulator extends Omit<Ports, 'close'> {
  readonly core: ServerCore<PredictableServable>;
  readonly faults: Faults;
  counts(): PredictionCounts;
  /** The list the server remembers, which no RPC of the real one shows. */
  config(): ModelServerConfig;
  /** At once, as SIGTERM ends the real one: no drain, calls in flight are cut (reference §7). */
  stop(): Promise<void>;
}

export type StartOptions = Partial<SimulatorSettings> & { readonly loadServable?: LoadServable; readonly faults?: Faults };

/** Resolves when the ports are open. Throws the ServingError for which the real process would exit. */
export async function startSimulator(options: StartOptions = {}): Promise<Simulator> {
  const settings: SimulatorSettings = { ...DEFAULT_SETTINGS, ...options };
  const config = initialConfig(settings);
  const clock = new RealClock();
  const faults = options.faults ?? new Faults();
  const counter = new PredictionCounter();
  const threads = new ThreadCap(settings.grpcMaxThreads);
  let loadAttempts = 0n;
  let reloads = 0;
  const core = new ServerCore(clock, realFileSystem, savedModelLoader({
    clock, faults, tags: settings.savedModelTags.split(','), warmup: settings.enableModelWarmup, loadServable: options.loadServable ?? loadServable, onAttempt: () => { loadAttempts += 1n; },
  }), coreOptions(settings), settings.log);
  const reloader = new ConfigReloader(core);
  let ports: Ports | undefined;
  const stop = async (): Promise<void> => {
    reloader.stop();
    core.stop();
    clock.stop();
    ports?.close();
  };
  try {
    await reloader.reload(config);
    ports = await openPorts(settings, core, [
      ...modelService(core, reloader, (name) => (name === LOAD_ATTEMPTS ? loadAttempts : undefined), () => { reloads += 1; }),
      ...predictionService(core, clock, faults, counter),
    ], threads, {
      counts: () => counter.snapshot(), config: () => reloader.config, handlesHeld: () => core.manager.basic.handlesHeld,
      busyThreads: () => threads.busy, reloading: () => reloader.busy, reloads: () => reloads,
    });
    pollConfigFile(settings, clock, reloader);
    return { ...ports, core, faults, counts: () => counter.snapshot(), config: () => reloader.config, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function coreOptions(settings: SimulatorSettings): CoreOptions {
  return {
    loadThreads: settings.numLoadThreads,
    unloadThreads: settings.numUnloadThreads,
    maxLoadRetries: settings.maxNumLoadRetries,
    loadRetryIntervalMs: settings.loadRetryIntervalMicros / 1000,
    endCancelledLoads: settings.endCancelledLoads,
    pollWaitSeconds: settings.fileSystemPollWaitSeconds,
    initialLoadThreads: INITIAL_LOAD_THREADS,
    allowLabelsForUnavailable: settings.allowVersionLabelsForUnavailableModels,
  };
}

const LOAD_ATTEMPTS = '/tensorflow/cc/saved_model/load_attempt_count';

function initialConfig(settings: SimulatorSettings): ModelServerConfig {
  if (settings.port === undefined && settings.socketPath === undefined) {
    throw new ServingError('INVALID_ARGUMENT', 'At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.');
  }
  if (settings.modelConfig !== undefined) return fromText(ModelServerConfigSchema, settings.modelConfig);
  if (settings.modelConfigFile !== undefined) return readConfigFile(settings.modelConfigFile);
  if (settings.modelBasePath === '') {
    throw new ServingError('INVALID_ARGUMENT', 'Both server_options.model_base_path and server_options.model_config_file are empty!');
  }
  return singleModelConfig(settings.modelName, settings.modelBasePath);
}

function modelService(core: ServerCore<PredictableServable>, reloader: ConfigReloader<PredictableServable>, metric: (name: string) => bigint | undefined, onReload: () => void): Method[] {
  return [
    method({ description: ModelService.method.getModelStatus, handle: (request) => getModelStatus(core.monitor, request) }),
    method({
      description: ModelService.method.handleReloadConfigRequest,
      handle: (request) => {
        onReload();
        return handleReloadConfig(reloader, request, metric);
      },
    }),
  ];
}

function predictionService(core: ServerCore<PredictableServable>, clock: RealClock, faults: Faults, counter: PredictionCounter): Method[] {
  return [
    method({
      description: PredictionService.method.predict,
      refused: (request, error) => counter.count(request.modelSpec?.name ?? '', undefined, error),
      async handle(request, remainingMs) {
        const { id, outcome } = await predict(core, clock, request, { faults, remainingMs });
        const error = outcome instanceof ServingError ? outcome : undefined;
        counter.count(request.modelSpec?.name ?? '', id, error);
        if (outcome instanceof ServingError) throw outcome;
        return outcome;
      },
    }),
    method({ description: PredictionService.method.getModelMetadata, handle: (request) => getModelMetadata(core, request) }),
  ];
}

/** An unreadable file is only logged; a config that fails to apply too. */
function pollConfigFile(settings: SimulatorSettings, clock: RealClock, reloader: ConfigReloader<PredictableServable>): void {
  const { modelConfigFile, modelConfigFilePollWaitSeconds: seconds, log } = settings;
  if (modelConfigFile === undefined || seconds <= 0) return;
  const poll = async (): Promise<void> => {
    try {
      await reloader.reload(readConfigFile(modelConfigFile));
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      log.error(`PollFilesystemAndReloadConfig failed to ReloadConfig: ${error.toString()}`);
    }
  };
  void new PeriodicFunction(clock, { everyMs: seconds * 1000, startDelayMs: seconds * 1000, lateMs: 0 }, poll);
}
