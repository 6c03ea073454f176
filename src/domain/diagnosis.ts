// Why nothing moves on a model server: facts in, diagnoses out. Read by `segue doctor` and by the agent's watcher; whoever gathers the facts has the clock.

import type { ModelName, Version } from './names';
import type { ServableState } from './view';

export type Cause =
  | 'serverGone' | 'threadsExhausted' | 'poisonedList' | 'configLock' | 'badBasePath' | 'heldHandle' | 'inlineLoads' | 'retrySleep' | 'reserving' | 'fetchStall' | 'loadRunning';

export interface Diagnosis {
  readonly cause: Cause;
  /** stuck: it does not end by itself. waiting: it does, and only takes its time. */
  readonly severity: 'stuck' | 'waiting';
  /** One sentence for a person. */
  readonly meaning: string;
  /** What was seen, most telling first. */
  readonly evidence: readonly string[];
  /** The next command; UPPER CASE words are to be filled in. */
  readonly next: string;
}

/** What was seen of one server. Durations, never times: `…ForMs` is up to the moment of looking. */
export interface ServerFacts {
  /** `HOST:PORT` or `unix:PATH`. */
  readonly address: string;
  /** How GetModelStatus answered. refused: nothing listens. silent: no answer in time. */
  readonly answer: 'answers' | 'exhausted' | 'refused' | 'silent';
  readonly answerText?: string | undefined;
  /** --file_system_poll_wait_seconds. */
  readonly pollMs: number;
  /** --num_load_threads and --max_num_load_retries, where they are known. */
  readonly loadThreads?: number | undefined;
  readonly loadRetries?: number | undefined;
  readonly reload: ReloadFacts;
  readonly models: readonly ModelFacts[];
  readonly fetches: readonly FetchFacts[];
  /** Where the boot file and the models are; absent where nobody told. */
  readonly root?: string | undefined;
}

/** What is known of the server's config lock: every reload takes it first and holds it to its end (TF Serving reference §2). */
export type ReloadFacts =
  | { readonly kind: 'free' | 'unknown' }
  | { readonly kind: 'held'; readonly forMs: number }
  | { readonly kind: 'refused'; readonly text: string };

export interface ModelFacts {
  readonly model: ModelName;
  /** GetModelStatus has an entry for it. */
  readonly known: boolean;
  /** A path the server was given for it, and what is there now. unseen: not on this host, or nobody told. */
  readonly basePath: { readonly path: string; readonly found: 'versions' | 'empty' | 'missing' } | 'unseen';
  readonly versions: readonly VersionFacts[];
}

export interface VersionFacts {
  readonly version: Version;
  readonly listed: boolean;
  /** Absent: the server has no entry for it. */
  readonly state?: ServableState | undefined;
  /** In this state, or listed without any. */
  readonly forMs: number;
  /** GetModelMetadata of exactly this version answers: it is in the serving map, whatever its state says. */
  readonly answers: boolean;
  /** What is wrong with its files, where somebody looked. */
  readonly damage?: string | undefined;
}

export interface FetchFacts {
  readonly model: ModelName;
  readonly version: Version;
  readonly bytes: number;
  /** Absent: not one file is whole, so the record beside it is not written yet. */
  readonly of?: number | undefined;
  /** Since the last byte was written. */
  readonly idleForMs: number;
}

/** A swap of the serving map takes microseconds; what is UNLOADING longer than this is held (TF Serving reference §5). */
export const HELD_AFTER_MS = 500;
/** After the poll the manager needs a tick per action; a list that left no trace for so much longer was not looked at. */
export const UNNOTICED_AFTER_MS = 700;
/** Bytes flow every few milliseconds; the watchdog of a download gives up at 20 s. */
export const FETCH_IDLE_MS = 3_000;

/** Everything that keeps something from moving, what does not end by itself first. Empty: nothing does. */
export function diagnose(facts: ServerFacts): readonly Diagnosis[] {
  const found = [...ofServer(facts), ...facts.fetches.filter((one) => one.idleForMs >= FETCH_IDLE_MS).map(fetchStall)];
  return [...found.filter((one) => one.severity === 'stuck'), ...found.filter((one) => one.severity === 'waiting')];
}

function ofServer(facts: ServerFacts): readonly Diagnosis[] {
  switch (facts.answer) {
    case 'refused': case 'silent': return [serverGone(facts)];
    case 'exhausted': return [threadsExhausted(facts)];
    case 'answers': return present([poisonedList(facts), configLock(facts), badBasePath(facts), heldHandle(facts), inlineLoads(facts), retrySleep(facts), reserving(facts), loadRunning(facts)]);
  }
}

function serverGone(facts: ServerFacts): Diagnosis {
  const how = facts.answer === 'refused' ? 'nothing listens' : 'a connection, but no answer in time';
  return stuck('serverGone', `the model server at ${facts.address} does not answer`, [`GetModelStatus: ${how}${facts.answerText === undefined ? '' : ` (${facts.answerText})`}`, ...lockEvidence(facts)], restart(facts));
}

/** Every call that waits keeps a thread for good; at the end no RPC of the port is answered, Predict included (TF Serving reference §11.6). */
function threadsExhausted(facts: ServerFacts): Diagnosis {
  return stuck('threadsExhausted', 'every thread of the server is held by a call that does not return', [`GetModelStatus: RESOURCE_EXHAUSTED${facts.answerText === undefined ? '' : `: ${facts.answerText}`}`, ...lockEvidence(facts)], restart(facts));
}

/** Step 4 of every later reload trips over what step 5 remembered (TF Serving reference §11.24). */
function poisonedList(facts: ServerFacts): Diagnosis | undefined {
  if (facts.reload.kind !== 'refused' || !/^Illegal setting (neither|both) ModelServerConfig::model_type/.test(facts.reload.text)) return undefined;
  return stuck('poisonedList', 'the server remembers a list with a model that has no platform, and refuses every list since', [`reload: ${facts.reload.text}`], restart(facts));
}

/** A transition under way frees the lock when it ends; a name that can never have a version does not. */
function configLock(facts: ServerFacts): Diagnosis | undefined {
  if (facts.reload.kind !== 'held' || facts.reload.forMs < facts.pollMs + UNNOTICED_AFTER_MS) return undefined;
  const unfinishable = facts.models.find((model) => !model.known && model.basePath !== 'unseen' && model.basePath.found !== 'versions');
  if (unfinishable === undefined && versionsOf(facts).some(isMoving)) return undefined;
  const { model, basePath } = unfinishable ?? facts.models.find((one) => !one.known) ?? {};
  const path = basePath === undefined || basePath === 'unseen' ? undefined : basePath;
  const wanted = facts.models.find((one) => one.model === model)?.versions.find((one) => one.listed)?.version ?? '1';
  return stuck('configLock', 'a reload waits for a new name that cannot have a version, and every later reload waits behind it', [
    ...lockEvidence(facts),
    model === undefined ? 'no version of any name we know is moving' : `${model}: the server has no version of it`,
    ...(path === undefined ? [] : [`${path.path}: ${path.found === 'missing' ? 'not there' : path.found === 'empty' ? 'no version in it' : 'there, but not with a version that is listed'}`]),
  ], path === undefined || path.found === 'versions' ? restart(facts) : `mkdir -p ${path.path}/${wanted}`); // A version that fails ends the wait too (reference §7, s007).
}

/** One unreadable base path fails the whole pass, for every model (TF Serving reference §11.21). */
function badBasePath(facts: ServerFacts): Diagnosis | undefined {
  const bad = facts.models.flatMap(({ known, basePath }) => (known && basePath !== 'unseen' && basePath.found === 'missing' ? [basePath.path] : []));
  // A load with a thread of its own leaves the manager free to notice; a drain, or a load inline, does not.
  const busy = versionsOf(facts).some((one) => isMoving(one) && !(isLoading(one) && (facts.loadThreads ?? 0) > 0));
  const unseen = bad.length === 0 && (facts.reload.kind === 'free' || facts.reload.kind === 'unknown') && !busy;
  const unnoticed = versionsOf(facts).filter((one) => isUnnoticed(facts, one));
  if (bad.length === 0 && !(unseen && unnoticed.length > 0)) return undefined;
  return stuck('badBasePath', 'one base path of the list cannot be read, so the server discovers nothing for any model', [
    ...bad.map((path) => `${path}: not there`),
    ...unnoticed.map((one) => `${one.name} is listed since ${seconds(one.forMs)} and has left no trace, while nothing holds the manager`),
    ...(bad.length === 0 ? ['no base path we know is missing: it is one of a model that somebody else gave the server'] : []),
  ], bad.length === 0 ? 'ls -ld BASE_PATH' : `mkdir -p ${bad.join(' ')}`);
}

/** A handle pins the map it was taken from, so a request of any model holds a drain; a load waits likewise before it is AVAILABLE (TF Serving reference §11.17, .18). */
function heldHandle(facts: ServerFacts): Diagnosis | undefined {
  const held = versionsOf(facts).filter((one) => (one.state === 'UNLOADING' && one.forMs >= HELD_AFTER_MS) || (one.state === 'LOADING' && one.answers));
  if (held.length === 0) return undefined;
  return stuck('heldHandle', 'requests in flight, of any model, hold handles; until they end nothing on this server loads or unloads', held.map((one) =>
    one.state === 'UNLOADING' ? `${one.name} is UNLOADING since ${seconds(one.forMs)}: waiting on handles` : `${one.name} is LOADING since ${seconds(one.forMs)} yet answers GetModelMetadata: waiting on handles before AVAILABLE`,
  ), 'segue rollout status ID');
}

/** With a thread of its own a load leaves the manager free to begin others; without one nothing is even noticed meanwhile (TF Serving reference §11.13). */
function inlineLoads(facts: ServerFacts): Diagnosis | undefined {
  const loading = versionsOf(facts).filter(isLoading);
  if (loading.length === 0) return undefined;
  const unnoticed = versionsOf(facts).filter((one) => isUnnoticed(facts, one));
  if (facts.loadThreads !== 0 && (facts.loadThreads !== undefined || unnoticed.length === 0)) return undefined;
  return stuck('inlineLoads', 'the server loads in its manager thread: until that load ends nothing else moves, and it cannot be aborted', [
    ...(facts.loadThreads === 0 ? ['--num_load_threads is 0'] : []),
    ...loading.map(loadEvidence),
    ...unnoticed.map((one) => `${one.name} is listed since ${seconds(one.forMs)} and has left no trace`),
  ], restart(facts));
}

/** An attempt that failed is invisible until the last has: the state stays LOADING through attempts and sleeps (TF Serving reference §5 "Retry"). */
function retrySleep(facts: ServerFacts): Diagnosis | undefined {
  if ((facts.loadRetries ?? 0) === 0) return undefined;
  const failing = versionsOf(facts).filter((one) => isLoading(one) && one.damage !== undefined);
  if (failing.length === 0) return undefined;
  return stuck('retrySleep', 'a load has failed, and the server sleeps before it tries the same files again', failing.flatMap((one) => [loadEvidence(one), `${one.name}: ${one.damage}`, `--max_num_load_retries is ${facts.loadRetries}`]), 'segue rollout abort ID --reason TEXT');
}

/** The estimate of a version's size is made before LOADING, and an error in it is retried with the whole server held (TF Serving reference §5 "Resources"). */
function reserving(facts: ServerFacts): Diagnosis | undefined {
  const all = versionsOf(facts);
  const waiting = all.filter((one) => one.listed && one.state === 'START' && one.forMs >= UNNOTICED_AFTER_MS);
  if (waiting.length === 0 || all.some(isMoving)) return undefined;
  return stuck('reserving', 'the server cannot measure the directory of a version, and holds everything while it tries again', waiting.flatMap((one) => [`${one.name} is START since ${seconds(one.forMs)} while nothing loads`, ...(one.damage === undefined ? [] : [`${one.name}: ${one.damage}`])]), 'segue rollout abort ID --reason TEXT');
}

function loadRunning(facts: ServerFacts): Diagnosis | undefined {
  if (inlineLoads(facts) !== undefined || retrySleep(facts) !== undefined) return undefined;
  const all = versionsOf(facts);
  const loading = all.filter(isLoading);
  if (loading.length === 0) return undefined;
  return {
    cause: 'loadRunning', severity: 'waiting', meaning: 'a load runs in the server; it cannot be interrupted, only taken off the list',
    evidence: [...loading.map(loadEvidence), ...all.filter((one) => one.state === 'START' && one.listed).map((one) => `${one.name} is START: it waits for a load thread`), ...lockEvidence(facts)],
    next: 'segue rollout watch ID',
  };
}

function fetchStall(one: FetchFacts): Diagnosis {
  return stuck('fetchStall', 'the bytes of a version have stopped coming', [`${one.model}/${one.version}: ${one.bytes}${one.of === undefined ? '' : ` of ${one.of}`} bytes, none since ${seconds(one.idleForMs)}`], 'segue rollout update ID --source SOURCE --endpoint ENDPOINT');
}

interface NamedVersion extends VersionFacts {
  readonly name: string;
}

function versionsOf(facts: ServerFacts): readonly NamedVersion[] {
  return facts.models.flatMap((model) => model.versions.map((one) => ({ ...one, name: `${model.model}/${one.version}` })));
}

function isMoving(one: VersionFacts): boolean {
  return one.state === 'LOADING' || one.state === 'UNLOADING';
}

function isLoading(one: VersionFacts): boolean {
  return one.state === 'LOADING' && !one.answers;
}

function isUnnoticed(facts: ServerFacts, one: VersionFacts): boolean {
  return one.listed && one.state === undefined && one.forMs >= facts.pollMs + UNNOTICED_AFTER_MS;
}

function loadEvidence(one: NamedVersion): string {
  return `${one.name} is LOADING since ${seconds(one.forMs)}${one.listed ? '' : ', although no list names it any more'}`;
}

function lockEvidence({ reload }: ServerFacts): readonly string[] {
  return reload.kind === 'held' ? [`a reload has no answer since ${seconds(reload.forMs)}: the config lock is held`] : [];
}

/** The agent gives a new process what was promoted, within a poll. */
function restart({ root }: ServerFacts): string {
  return `tensorflow_model_server --model_config_file=${root ?? 'ROOT'}/boot.config ${REQUIRED_FLAGS_TEXT}`;
}

/** DESIGN §6. */
export const REQUIRED_FLAGS_TEXT = '--num_load_threads=2 --num_unload_threads=2 --max_num_load_retries=0 --file_system_poll_wait_seconds=1 --model_config_file_poll_wait_seconds=0';

function stuck(cause: Cause, meaning: string, evidence: readonly string[], next: string): Diagnosis {
  return { cause, severity: 'stuck', meaning, evidence, next };
}

function present<T>(all: readonly (T | undefined)[]): readonly T[] {
  return all.filter((one) => one !== undefined);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
