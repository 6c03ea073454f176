// ServerCore::ReloadConfig, step by step (reference §2). A failure is not a rollback: what a step did stays done.

import { create } from '@bufbuild/protobuf';
import { ModelServerConfigSchema, type ModelConfig, type ModelServerConfig } from '../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import { acceptsTransition, checkList, checkNoPlatformChanges, checkPlatforms, modelsOf } from './config-checks';
import { monitored, type ServerCore } from './core';
import { debugText } from './debug-text';
import { ServableStateMonitor } from './monitor';
import type { FileSystemSource } from './source';
import { ServingError } from './status';
import { untilModelsAvailable } from './waiter';

export class ConfigReloader<Servable> {
  #config = create(ModelServerConfigSchema);
  #source: FileSystemSource | undefined;
  readonly #core: ServerCore<Servable>;

  constructor(core: ServerCore<Servable>) {
    this.#core = core;
  }

  /** What the server remembers as its config: also the one it last refused in steps 6 to 10. No RPC shows it. */
  get config(): ModelServerConfig {
    return this.#config;
  }

  /** How many callers hold or await the config lock is not known to anybody; that it is held is. */
  get busy(): boolean {
    return this.#core.configMu.held;
  }

  /** Resolves when the real call would return OK; throws the status it would return. There is no time-out and no cancel. */
  async reload(next: ModelServerConfig): Promise<void> {
    await this.#core.configMu.run(() => this.#reload(next)); // 1
  }

  stop(): void {
    this.#source?.stop();
  }

  async #reload(next: ModelServerConfig): Promise<void> {
    const { log, labels, monitor, options } = this.#core;
    if (!acceptsTransition(this.#config, next)) { // 2
      const refusal = 'Cannot transition to requested config. It is only legal to transition from one ModelConfigList to another.';
      log.error(refusal);
      log.error(`Old config: ${debugText(ModelServerConfigSchema, this.#config)}`);
      log.error(`New config: ${debugText(ModelServerConfigSchema, next)}`);
      throw new ServingError('FAILED_PRECONDITION', refusal);
    }
    if (next.config.case === undefined) {
      log.info('Taking no action for empty config.');
      return;
    }
    const models = modelsOf(next);
    checkList(models); // 3
    checkNoPlatformChanges(modelsOf(this.#config), models); // 4
    this.#config = next; // 5
    labels.update(models, monitor, options.allowLabelsForUnavailable); // 6
    checkPlatforms(models); // 7
    if (this.#source === undefined) await this.#first(models);
    else await this.#again(this.#source, models); // 8, 9
    if (models.some((model) => model.loggingConfig !== undefined)) { // 10: a stock server has no logger factory
      throw new ServingError('INVALID_ARGUMENT', 'No request-logger-creator provided.');
    }
  }

  /** Start-up, and the first list given to a server that started without one. A failure here loses the source but not what it aspired (s017). */
  async #first(models: readonly ModelConfig[]): Promise<void> {
    const { manager, monitor, options } = this.#core;
    const threads = manager.basic.loadThreads;
    await manager.basic.setLoadThreads(options.initialLoadThreads);
    const source = this.#core.startSource(models);
    try {
      await untilModelsAvailable(monitor, models.map(({ name }) => name), 'servable');
      this.#source = source;
    } finally {
      await manager.basic.setLoadThreads(threads);
      if (this.#source === undefined) source.stop();
    }
  }

  /** Only names that the source did not have before are waited for: a changed path or policy is accepted at once (s001, s008, s036). */
  async #again(source: FileSystemSource, models: readonly ModelConfig[]): Promise<void> {
    // A fresh monitor, so that the END of an earlier life does not count; the END of an unload that is under way does (s006).
    const monitor = new ServableStateMonitor(this.#core.clock, this.#core.bus);
    try {
      const known = new Set(source.servables.map(({ name }) => name));
      source.updateConfig(models.map(monitored));
      await untilModelsAvailable(monitor, models.map(({ name }) => name).filter((name) => !known.has(name)), 'model');
    } finally {
      monitor.close();
    }
  }
}
