// Every setting of the simulator with the stock binary's defaults (reference §9).

import { availableParallelism } from 'node:os';
import type { Log } from './core';

const THREADS_PER_CPU = 4; // Of the binary, for gRPC, REST and the first loads.

export interface SimulatorSettings {
  /** gRPC over TCP. 0: any free port; absent: none. (The flag --port=0 means none.) */
  readonly port?: number;
  /** gRPC over a Unix socket. */
  readonly socketPath?: string;
  /** REST; 0 any free port, absent none. */
  readonly restPort?: number;
  /** Our own: what was counted, as JSON over HTTP; 0 any free port, absent none. */
  readonly statsPort?: number;
  /** Our own: the stock binary listens on 0.0.0.0. */
  readonly bindAddress: string;
  /** The config as protobuf text, for callers in the same process. */
  readonly modelConfig?: string;
  readonly modelConfigFile?: string;
  readonly modelConfigFilePollWaitSeconds: number;
  readonly modelName: string;
  readonly modelBasePath: string;
  readonly numLoadThreads: number;
  readonly numUnloadThreads: number;
  readonly maxNumLoadRetries: number;
  readonly loadRetryIntervalMicros: number;
  readonly fileSystemPollWaitSeconds: number;
  readonly grpcMaxThreads: number;
  readonly allowVersionLabelsForUnavailableModels: boolean;
  readonly enableModelWarmup: boolean;
  readonly enableGrpcHealthcheckService: boolean;
  /** Comma-separated. */
  readonly savedModelTags: string;
  /** Our own: false leaves a cancelled load that succeeds LOADING for ever, as 2.9-2.18 did (reference §14). */
  readonly endCancelledLoads: boolean;
  readonly log: Log;
}

export const SILENT: Log = { error: () => undefined, warning: () => undefined, info: () => undefined };

export const DEFAULT_SETTINGS: SimulatorSettings = {
  bindAddress: '127.0.0.1',
  modelConfigFilePollWaitSeconds: 0,
  modelName: 'default',
  modelBasePath: '',
  numLoadThreads: 0,
  numUnloadThreads: 0,
  maxNumLoadRetries: 5,
  loadRetryIntervalMicros: 60_000_000,
  fileSystemPollWaitSeconds: 1,
  grpcMaxThreads: THREADS_PER_CPU * availableParallelism(),
  allowVersionLabelsForUnavailableModels: false,
  enableModelWarmup: true,
  enableGrpcHealthcheckService: false,
  savedModelTags: 'serve',
  endCancelledLoads: true,
  log: SILENT,
};

export const INITIAL_LOAD_THREADS = THREADS_PER_CPU * availableParallelism();
