// model_servers/server_core.cc: the parts put together, and how a request finds its servable (reference §7).

import type { ModelConfig } from '../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import type { BasicManagerOptions } from './basic-manager';
import type { Clock } from './clock';
import { EventBus } from './event-bus';
import type { FileSystemView } from './fs-view';
import { VersionLabels } from './labels';
import type { LoaderFactory } from './loader';
import { AspiredVersionsManager, type ChooseModel } from './manager';
import { ServableStateMonitor } from './monitor';
import type { Handle } from './serving-map';
import { FileSystemSource } from './source';
import { ServingError } from './status';
import { Mutex } from './threads';

export interface CoreOptions extends BasicManagerOptions {
  readonly pollWaitSeconds: number;
  /** Threads of the very first loads: 4 x CPUs in the binary (reference §2 "First config"). */
  readonly initialLoadThreads: number;
  readonly allowLabelsForUnavailable: boolean;
  readonly chooseModel?: ChooseModel;
  /** When the periodic threads first run and how late each wake-up is: known for the recorded timelines, 0 otherwise. */
  readonly phase?: { readonly firstTickMs: number; readonly firstPollMs: number; readonly tickLateMs: number; readonly pollLateMs: number };
}

/** The manage-state interval of the stock server; no flag. */
const TICK_MS = 100;

export interface Log {
  error(text: string): void;
  warning(text: string): void;
  info(text: string): void;
}

export interface ModelSpec {
  readonly name: string;
  readonly version?: bigint;
  readonly label?: string;
}

export class ServerCore<Servable> {
  readonly bus = new EventBus();
  readonly monitor: ServableStateMonitor;
  readonly labels = new VersionLabels();
  readonly manager: AspiredVersionsManager<Servable>;
  /** config_mu_: held from the beginning of a reload to its end, however long that is. */
  readonly configMu: Mutex;
  readonly options: CoreOptions;
  readonly log: Log;
  readonly clock: Clock;
  readonly #files: FileSystemView;

  constructor(clock: Clock, files: FileSystemView, createLoader: LoaderFactory<Servable>, options: CoreOptions, log: Log) {
    this.clock = clock;
    this.configMu = new Mutex(clock);
    this.monitor = new ServableStateMonitor(clock, this.bus);
    this.#files = files;
    this.options = options;
    this.log = log;
    const { phase, chooseModel, ...rest } = options;
    const tick = { everyMs: TICK_MS, startDelayMs: phase?.firstTickMs ?? 0, lateMs: phase?.tickLateMs ?? 0 };
    this.manager = new AspiredVersionsManager(clock, this.bus, createLoader, { ...rest, tick, ...(chooseModel && { chooseModel }) }, (text) => log.error(text));
  }

  /** A source that polls from now on, connected to the manager. */
  startSource(models: readonly ModelConfig[]): FileSystemSource {
    const { phase, pollWaitSeconds } = this.options;
    return new FileSystemSource(this.clock, this.#files, { pollWaitSeconds, startDelayMs: phase?.firstPollMs ?? 0, lateMs: phase?.pollLateMs ?? 0 },
      models.map(monitored), (name, versions) => this.manager.setAspiredVersions(name, versions), (text) => this.log.warning(text));
  }

  /** A servable for one request; release it when the request ends. */
  take(spec: ModelSpec): Handle<Servable> {
    if (spec.name === '') throw new ServingError('INVALID_ARGUMENT', 'ModelSpec has no name specified.');
    const version = spec.label === undefined ? spec.version : this.labels.versionOf(spec.name, spec.label);
    return this.manager.basic.take(version === undefined ? { name: spec.name } : { name: spec.name, version });
  }

  stop(): void {
    this.manager.stop();
  }
}

export function monitored(model: ModelConfig): { name: string; basePath: string; policy: ModelConfig['modelVersionPolicy'] } {
  return { name: model.name, basePath: model.basePath, policy: model.modelVersionPolicy };
}
