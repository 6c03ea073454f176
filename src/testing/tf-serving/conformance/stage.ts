// The core on a virtual clock with everything a timeline can do to it and ask of it, answered in the recordings' own words.

import { fromText } from '@bufbuild/protobuf/txtpb';
import { ModelServerConfigSchema, type ModelServerConfig } from '../../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import { VirtualClock } from '../clock';
import { modelsOf } from '../config-checks';
import { ServerCore } from '../core';
import type { ChooseModel } from '../manager';
import { ConfigReloader } from '../reload';
import { debugString } from '../servable-id';
import type { Handle } from '../serving-map';
import { ServingError, statusText } from '../status';
import { MemoryFiles } from './memory-files';
import type { Phase } from './phases';
import { standInLoader, type StandInServable as Servable } from './stand-in-loader';
import { statusProtoText } from './status-text';
import type { HandleSpec } from './timeline';

/** One line of what happened; model is empty where the line is about none. */
export interface Happened {
  readonly atMs: number;
  readonly model: string;
  readonly text: string;
}

export interface Answer {
  readonly atMs: number;
  readonly text: string;
}

export interface ReloadOutcome {
  readonly askedMs: number;
  /** Undefined: still blocked. */
  answer: Answer | undefined;
}

/** What the recordings' ServerCore was given for its first loads; both used 8. */
const INITIAL_LOAD_THREADS = 8;

interface Started {
  readonly core: ServerCore<Servable>;
  readonly reloader: ConfigReloader<Servable>;
}

export class Stage {
  readonly clock = new VirtualClock();
  readonly files = new MemoryFiles();
  /** Events, loader attempts and error logs. */
  readonly happened: Happened[] = [];
  /** In the order in which they were asked. */
  readonly reloads: ReloadOutcome[] = [];
  created: Answer | undefined;
  /** The first model of the first list that has one. */
  firstModel = '';
  #server: Started | undefined;
  readonly #handles = new Map<string, Handle<Servable>>();
  readonly #shown = new Map<string, { readonly after: number; readonly text: string }>();

  start(options: Readonly<Record<string, number>>, config: string, phase: Phase, chooseModel: ChooseModel): void {
    const option = (name: string): number => options[name] ?? 0;
    const core = new ServerCore<Servable>(this.clock, this.files, standInLoader(this.clock, this.files, (model, text) => this.#note(model, text)), {
      loadThreads: option('load_threads'), unloadThreads: option('unload_threads'),
      maxLoadRetries: option('max_num_load_retries'), loadRetryIntervalMs: option('load_retry_interval_micros') / 1000,
      endCancelledLoads: true,
      pollWaitSeconds: option('file_system_poll_wait_seconds'),
      initialLoadThreads: INITIAL_LOAD_THREADS,
      allowLabelsForUnavailable: option('allow_version_labels_for_unavailable_models') === 1,
      chooseModel, phase,
    }, { error: (text) => this.#note(modelIn(text), `log E: ${text.trim()}`), warning: () => undefined, info: () => undefined });
    core.bus.subscribe(({ id, state, health }) => {
      this.#note(id.name, `event ${debugString(id)} ${state}${health === undefined ? '' : ` ${health.toString()}`}`);
    });
    this.#server = { core, reloader: new ConfigReloader(core) };
    void this.#ask(config).then((answer) => { this.created = answer; });
  }

  /** A call in a thread of its own. */
  reload(config: string): void {
    const outcome: ReloadOutcome = { askedMs: this.clock.nowMs(), answer: undefined };
    this.reloads.push(outcome);
    void this.#ask(config).then((answer) => { outcome.answer = answer; });
  }

  get anyBlocked(): boolean {
    return this.reloads.some(({ answer }) => answer === undefined);
  }

  take(id: string, spec: HandleSpec): string {
    return resultOf(() => {
      const handle = this.#take(spec);
      this.#handles.set(id, handle);
      return okText(handle);
    });
  }

  /** Whatever is served: a handle of any model pins all of them. */
  takeAny(id: string): void {
    const { reloader } = this.#started();
    modelsOf(reloader.config).some(({ name }) => this.take(id, { model: name }).startsWith('OK'));
  }

  release(id: string): void {
    this.#handles.get(id)?.release();
    this.#handles.delete(id);
  }

  showHandle(spec: HandleSpec): string {
    return resultOf(() => {
      const handle = this.#take(spec);
      handle.release();
      return okText(handle);
    });
  }

  showStatus(model: string, version?: bigint): string {
    const key = `${model}/${version}`;
    const last = this.#shown.get(key);
    if (last?.after === this.happened.length) return last.text; // Without an event it is what it was.
    const text = resultOf(() => statusProtoText(this.#started().core.monitor, model, version));
    this.#shown.set(key, { after: this.happened.length, text });
    return text;
  }

  stop(): void {
    this.#server?.core.stop();
    this.#server?.reloader.stop();
  }

  #note(model: string, text: string): void {
    this.happened.push({ atMs: this.clock.nowMs(), model, text });
  }

  async #ask(config: string): Promise<Answer> {
    const parsed = parseConfig(config);
    this.firstModel ||= modelsOf(parsed)[0]?.name ?? '';
    let text = 'OK';
    try {
      await this.#started().reloader.reload(parsed);
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      text = statusText(error);
    }
    return { atMs: this.clock.nowMs(), text };
  }

  #take({ model, version, label }: HandleSpec): Handle<Servable> {
    return this.#started().core.take({ name: model, ...(version !== undefined && { version }), ...(label !== undefined && { label }) });
  }

  #started(): Started {
    if (this.#server === undefined) throw new Error('the timeline uses the server before its server> line');
    return this.#server;
  }
}

const configs = new Map<string, ModelServerConfig>();

/** The same few lists come again and again. */
function parseConfig(text: string): ModelServerConfig {
  const known = configs.get(text) ?? fromText(ModelServerConfigSchema, text);
  configs.set(text, known);
  return known;
}

function resultOf(ask: () => string): string {
  try {
    return ask();
  } catch (error) {
    if (error instanceof ServingError) return statusText(error);
    throw error;
  }
}

function okText(handle: Handle<Servable>): string {
  return `OK v${handle.id.version} from ${handle.servable}`;
}

function modelIn(text: string): string {
  return /\{name: (.*?) version: /.exec(text)?.[1] ?? '';
}
