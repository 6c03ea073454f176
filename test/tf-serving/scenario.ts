// The core on a virtual clock with the recordings' stand-in loader: scenarios that no recording at hand has, told in the reference's words.

import { fromText } from '@bufbuild/protobuf/txtpb';
import { ModelServerConfigSchema } from '../../src/proto/gen/tensorflow_serving/config/model_server_config_pb';
import { VirtualClock } from '../../src/testing/tf-serving/clock';
import { MemoryFiles } from '../../src/testing/tf-serving/conformance/memory-files';
import { standInLoader } from '../../src/testing/tf-serving/conformance/stand-in-loader';
import { statusProtoText } from '../../src/testing/tf-serving/conformance/status-text';
import { ServerCore, type CoreOptions, type ModelSpec } from '../../src/testing/tf-serving/core';
import { ConfigReloader } from '../../src/testing/tf-serving/reload';
import type { Handle } from '../../src/testing/tf-serving/serving-map';
import { ServingError, statusText } from '../../src/testing/tf-serving/status';

export class Scenario {
  readonly clock = new VirtualClock();
  readonly files = new MemoryFiles();
  /** "AT MODEL/VERSION STATE [STATUS]". */
  readonly events: string[] = [];
  readonly warnings: string[] = [];
  readonly core: ServerCore<string>;
  readonly #reloader: ConfigReloader<string>;

  /** Ticks at 50, 150, … ms, polls at 100, 1100, … ms from the first list on. */
  constructor(options: Partial<CoreOptions> = {}) {
    this.core = new ServerCore<string>(this.clock, this.files, standInLoader(this.clock, this.files, () => undefined), {
      loadThreads: 2, unloadThreads: 2, maxLoadRetries: 0, loadRetryIntervalMs: 1000, endCancelledLoads: true, pollWaitSeconds: 1, initialLoadThreads: 8,
      allowLabelsForUnavailable: false, phase: { firstTickMs: 50, firstPollMs: 100, tickLateMs: 0, pollLateMs: 0 }, ...options,
    }, { error: () => undefined, warning: (text) => this.warnings.push(text), info: () => undefined });
    this.core.bus.subscribe(({ id, state, health }) => {
      this.events.push(`${Math.round(this.clock.nowMs())} ${id.name}/${id.version} ${state}${health === undefined ? '' : ` ${health.toString()}`}`);
    });
    this.#reloader = new ConfigReloader(this.core);
  }

  version(path: string, behaviour = 'ok'): void {
    this.files.apply({ do: 'version', path: `/models/${path}`, behaviour });
  }

  remove(path: string): void {
    this.files.apply({ do: 'remove', path: `/models/${path}` });
  }

  /** `{m: 'specific{versions:1}'}`; an empty policy is the default, latest 1. Settles with "AT STATUS". */
  async reload(models: Readonly<Record<string, string>>, more = ''): Promise<string> {
    const each = Object.entries(models).map(([name, policy]) => `config{name:'${name}' base_path:'/models/${name}' model_platform:'tensorflow' ${policy && `model_version_policy{${policy}}`} ${more}}`);
    return this.reloadText(`model_config_list{${each.join(' ')}}`);
  }

  async reloadText(text: string): Promise<string> {
    let result = 'OK';
    try {
      await this.#reloader.reload(fromText(ModelServerConfigSchema, text));
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      result = error.toString();
    }
    return `${Math.round(this.clock.nowMs())} ${result}`;
  }

  until(ms: number): Promise<void> {
    return this.clock.runUntil(ms);
  }

  hold(spec: ModelSpec): Handle<string> {
    return this.core.take(spec);
  }

  /** "OK v2" or the error. */
  answer(spec: ModelSpec): string {
    try {
      const handle = this.core.take(spec);
      handle.release();
      return `OK v${handle.id.version}`;
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      return statusText(error);
    }
  }

  /** "2:AVAILABLE 1:END(CANCELLED)". */
  states(model: string): string {
    return [...statusProtoText(this.core.monitor, model).matchAll(/version: (-?[0-9]+) state: (\w+) status \{ (?:error_code: (\w+))?/g)]
      .map(([, version, state, code]) => `${version}:${state}${code === undefined ? '' : `(${code})`}`).join(' ');
  }
}

/** What a promise is worth so far: undefined while it is open. */
export function soFar<T>(promise: Promise<T>): { value: T | undefined } {
  const seen: { value: T | undefined } = { value: undefined };
  void promise.then((value) => { seen.value = value; });
  return seen;
}
