// One timeline's inputs given to the simulator's core on a virtual clock; what came of it, in the recording's own words.

import { fromText } from '@bufbuild/protobuf/txtpb';
import { ModelServerConfigSchema, type ModelServerConfig } from '../../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import { VirtualClock } from '../clock';
import { modelsOf } from '../config-checks';
import { ServerCore, type CoreOptions } from '../core';
import { ConfigReloader } from '../reload';
import { debugString } from '../servable-id';
import type { Handle } from '../serving-map';
import { ServingError, statusText } from '../status';
import { hiddenHolds } from './hidden-holds';
import { MemoryFiles } from './memory-files';
import { Oracle } from './oracle';
import { samplerOf } from './sampling';
import { standInLoader, type StandInServable as Servable } from './stand-in-loader';
import { statusProtoText } from './status-text';
import { THE_MODEL, type Entry, type HandleSpec, type Timeline } from './timeline';

/** One line of what happened; model is empty where the line is about none. */
export interface Happened {
  readonly atMs: number;
  readonly model: string;
  readonly text: string;
}

export interface ReloadOutcome {
  readonly askedMs: number;
  /** Undefined: still blocked at the end. */
  answer: { readonly atMs: number; readonly text: string } | undefined;
}

export interface Replayed {
  /** Events, loader attempts and error logs. */
  readonly happened: readonly Happened[];
  readonly created: { readonly atMs: number; readonly text: string } | undefined;
  /** In the order of the reload> lines. */
  readonly reloads: readonly ReloadOutcome[];
  /** By line: what a status, handle or take line shows here. */
  readonly samples: ReadonlyMap<number, string>;
  /** Between printed lines: what changed here and not in the recording. */
  readonly sampleProblems: readonly string[];
  /** Ties between models that the recording does not know, or knows otherwise. */
  readonly choiceProblems: readonly string[];
}

/** How much later than recorded an input may be given, so that what it followed in the recording has happened here too. */
const MAX_WAIT_MS = 100;

/** `phase`: when the periodic threads run, where the recording does not say. */
export async function replay(timeline: Timeline, phase: Phase = timeline.phased ? RANDOM_PHASE : SCENARIO_PHASES[0]): Promise<Replayed> {
  const clock = new VirtualClock();
  const files = new MemoryFiles();
  const oracle = new Oracle(timeline, () => clock.nowMs());
  const happened: Happened[] = [];
  const note = (model: string, text: string): void => { happened.push({ atMs: clock.nowMs(), model, text }); };
  const reloads: ReloadOutcome[] = [];
  const samples = new Map<number, string>();
  const handles = new Map<string, Handle<Servable>>();
  let server: { core: ServerCore<Servable>; reloader: ConfigReloader<Servable> } | undefined;
  let created: Replayed['created'];
  let firstModel = '';

  const start = (entry: Entry & { kind: 'server' }): void => {
    const option = (name: string): number => entry.options[name] ?? 0;
    const core = new ServerCore<Servable>(clock, files, standInLoader(clock, files, note), {
      loadThreads: option('load_threads'), unloadThreads: option('unload_threads'),
      maxLoadRetries: option('max_num_load_retries'), loadRetryIntervalMs: option('load_retry_interval_micros') / 1000,
      endCancelledLoads: true,
      pollWaitSeconds: option('file_system_poll_wait_seconds'),
      initialLoadThreads: INITIAL_LOAD_THREADS,
      allowLabelsForUnavailable: option('allow_version_labels_for_unavailable_models') === 1,
      chooseModel: (kind, due) => oracle.choose(kind, due),
      phase,
    }, { error: (text) => note(modelIn(text), `log E: ${text.trim()}`), warning: () => undefined, info: () => undefined });
    core.bus.subscribe(({ id, state, health }) => {
      note(id.name, `event ${debugString(id)} ${state}${health === undefined ? '' : ` ${health.toString()}`}`);
    });
    const reloader = new ConfigReloader(core);
    server = { core, reloader };
    const config = parseConfig(entry.config);
    firstModel = modelsOf(config)[0]?.name ?? '';
    void outcomeOf(reloader.reload(config)).then((text) => { created = { atMs: clock.nowMs(), text }; });
  };

  const reload = (text: string): void => {
    const outcome: ReloadOutcome = { askedMs: clock.nowMs(), answer: undefined };
    reloads.push(outcome);
    const config = parseConfig(text);
    if (firstModel === '') firstModel = modelsOf(config)[0]?.name ?? '';
    void outcomeOf(required(server).reloader.reload(config)).then((answer) => { outcome.answer = { atMs: clock.nowMs(), text: answer }; });
  };

  const take = (spec: HandleSpec): Handle<Servable> => required(server).core.take({
    name: spec.model, ...(spec.version !== undefined && { version: spec.version }), ...(spec.label !== undefined && { label: spec.label }),
  });

  const showHandle = (spec: HandleSpec): string => resultOf(() => {
    const handle = take(spec);
    handle.release();
    return okText(handle);
  });

  const shown = new Map<string, { readonly after: number; readonly text: string }>();
  const showStatus = (model: string, version?: bigint): string => {
    const key = `${model}/${version}`;
    const last = shown.get(key);
    if (last?.after === happened.length) return last.text; // Without an event it is what it was.
    const text = resultOf(() => statusProtoText(required(server).core.monitor, model, version));
    shown.set(key, { after: happened.length, text });
    return text;
  };

  const release = (id: string): void => {
    handles.get(id)?.release();
    handles.delete(id);
  };

  /** Whatever is served: a handle of any model pins all of them. */
  const takeAny = (id: string): void => {
    const { core, reloader } = required(server);
    for (const { name } of modelsOf(reloader.config)) {
      try {
        handles.set(id, core.take({ name }));
        return;
      } catch (error) {
        if (!(error instanceof ServingError)) throw error;
      }
    }
  };

  const perform = (entry: Entry): void => {
    switch (entry.kind) {
      case 'fs': return files.apply(entry.action);
      case 'server': return start(entry);
      case 'reload': return reload(entry.config);
      case 'take': {
        const text = resultOf(() => {
          const handle = take(entry.spec);
          handles.set(entry.id, handle);
          return okText(handle);
        });
        const line = timeline.entries.find((other) => other.kind === 'taken' && other.id === entry.id)?.line;
        if (line !== undefined) samples.set(line, text);
        return;
      }
      case 'release':
        release(entry.id);
        return;
      case 'handle':
        samples.set(entry.line, showHandle(entry.spec));
        return;
      case 'status':
        samples.set(entry.line, showStatus(entry.model === THE_MODEL ? firstModel : entry.model, entry.version));
        return;
      case 'anyBlocked':
        samples.set(entry.line, String(reloads.some(({ answer }) => answer === undefined)));
        return;
      default:
    }
  };

  const sampler = samplerOf(timeline);
  const sampleUntil = async (untilMs: number): Promise<void> => {
    for (let next = sampler.instants[sampled]; next !== undefined && next < untilMs; next = sampler.instants[sampled]) {
      sampled += 1;
      await clock.runUntil(next);
      sampleProblems.push(...sampler.compare(next, (what, model) => (what === 'status' ? showStatus(model) : showHandle({ model }))));
    }
  };
  let sampled = 0;
  const sampleProblems: string[] = [];
  const holds = hiddenHolds(timeline);
  const played = oracle.inPlayingOrder(phase.earlierMs);
  let awaitedReloads = 0;
  for (const entry of played) {
    const due = holds.filter((hold) => hold.releasedBefore === entry.line);
    // A hold ends just before what it sets free; that comes by itself and a little early is too early.
    await sampleUntil(entry.atMs);
    await clock.runUntil(due.length > 0 ? Math.max(clock.nowMs(), due[0]?.releasedMs ?? 0) : entry.atMs);
    for (const { id } of due) release(id);
    for (const { id } of holds.filter((hold) => hold.takenBefore === entry.line)) takeAny(id);
    if (entry.kind === 'reloaded') awaitedReloads += 1;
    if (!timeline.phased) {
      // The scenario's author wrote "then": what was seen before this line has to be seen before it here too.
      const answered = (): number => reloads.filter(({ answer }) => answer !== undefined).length;
      for (let waited = 0; answered() < awaitedReloads && waited < MAX_WAIT_MS; waited += 1) await clock.runUntil(clock.nowMs() + 1);
    }
    perform(entry);
  }
  await clock.runUntil(clock.nowMs() + MAX_WAIT_MS + 20);
  server?.core.stop();
  server?.reloader.stop();
  const unused = oracle.unusedChoices().map(({ line, atMs }) => `line ${line}: a tie at ${atMs} that does not occur here`);
  return { happened, created, reloads, samples, sampleProblems, choiceProblems: [...oracle.problems, ...unused] };
}

/** What the recordings' ServerCore was given for its first loads; both used 8. */
const INITIAL_LOAD_THREADS = 8;
/** When the periodic threads run. */
export type Phase = NonNullable<CoreOptions['phase']> & {
  /** How much earlier than the recording lets us think the server began. */
  readonly earlierMs: number;
};

/** The random scenarios' README: polls at 100, 1100, … ms, ticks at 50, 150, … ms, no drift. */
const RANDOM_PHASE: Phase = { firstTickMs: 50, firstPollMs: 100, tickLateMs: 0, pollLateMs: 0, earlierMs: 0 };

/**
 * The other scenarios began both threads with the server, and each wake-up came a little late, by how much is not recorded. Their scripts act at whole
 * seconds too, so it decides whether a poll comes before or after an action: the first of these that gives the recording is taken.
 */
export const SCENARIO_PHASES: readonly [Phase, ...Phase[]] = [
  scenarioPhase(0, 0.2, 0.05), scenarioPhase(0, 0.2, 1), scenarioPhase(3, 0.2, 0.05), scenarioPhase(0, 0.6, 2), scenarioPhase(3, 0.2, 1),
  scenarioPhase(0, 0.6, 4), scenarioPhase(0, 0.02, 0.4), scenarioPhase(0, 1, 0.05), scenarioPhase(6, 0.6, 1),
  scenarioPhase(3, 2, 2), scenarioPhase(0, 2, 8), scenarioPhase(0, 2, 0.5),
];

function scenarioPhase(earlierMs: number, tickLateMs: number, pollLateMs: number): Phase {
  return { firstTickMs: 0, firstPollMs: 0, tickLateMs, pollLateMs, earlierMs };
}

const configs = new Map<string, ModelServerConfig>();

/** The same few lists come again and again. */
function parseConfig(text: string): ModelServerConfig {
  const known = configs.get(text) ?? fromText(ModelServerConfigSchema, text);
  configs.set(text, known);
  return known;
}

async function outcomeOf(call: Promise<void>): Promise<string> {
  try {
    await call;
    return 'OK';
  } catch (error) {
    if (error instanceof ServingError) return statusText(error);
    throw error;
  }
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

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the timeline uses the server before its server> line');
  return value;
}
