// What is not as it was left, although no attempt changed it: files that are gone, a list that somebody else gave, a restart. Looked for at every poll, named with who
// could have done it; what the journal is enough for is put right here, what needs bytes is the fleet's (DESIGN §4.7).

import { SegueError } from '../domain/failures';
import type { Drift, DriftKind, ModelFact } from '../domain/host';
import { basePath } from '../domain/list';
import { formatToken, type ModelName, type Version } from '../domain/names';
import { nowMs } from './clock';
import type { ModelEntry } from './journal-format';
import type { Parts } from './parts';
import { isReal, listedOf } from './view';

/** One thing found by one look. */
interface Found {
  readonly model: ModelName;
  readonly what: DriftKind;
  readonly detail: string;
  readonly repair: Drift['repair'];
}

interface Kept extends Found {
  readonly sinceMs: number;
  readonly lastMs: number;
  readonly looks: number;
}

/** What the agent put right stays in the facts for so long: a person who is woken must find why. */
const REMEMBERED_MS = 30_000;
/** States move between two looks; what is still so at the second is not a moment of a load. */
const LOOKS: Readonly<Record<DriftKind, number>> = { filesGone: 1, bootFileEdited: 1, journalGone: 1, serverRestarted: 1, foreignList: 2, notServed: 2, strayCandidate: 2 };

export class DriftWatch {
  readonly #kept = new Map<string, Kept>();
  #incarnation: string | undefined;
  #restartedMs: number | undefined;
  #assertedMs = 0;
  #looked = false;

  constructor(private readonly parts: Parts) {}

  /** After the server has answered. Models that an attempt works on are left out: what changes there is its doing. */
  async look(): Promise<void> {
    const atMs = nowMs();
    const { journal } = this.parts;
    await this.#holdRoot();
    if (!journal.seeded) return;
    if (this.#incarnation !== undefined && this.#incarnation !== journal.incarnation) this.#restartedMs = atMs;
    this.#incarnation = journal.incarnation;
    const quiet = [...journal.models].filter(([model]) => this.#isQuiet(model, atMs));
    const found = (await Promise.all(quiet.map(([model, entry]) => this.#lookAt(model, entry, atMs)))).flat();
    if (quiet.length === journal.models.size) found.push(...await this.#ownFiles(quiet));
    this.#remember(found, new Set(quiet.map(([model]) => model)), atMs);
    this.#assertList(found, atMs);
    this.#looked = true;
  }

  /** Nothing before the first look. */
  facts(): Readonly<Record<ModelName, ModelFact>> | undefined {
    if (!this.#looked) return undefined;
    const { models } = this.parts.journal;
    return Object.fromEntries([...models].flatMap(([model, entry]): (readonly [ModelName, ModelFact])[] => {
      const drift = this.#driftOf(model);
      const { promoted } = entry;
      if (promoted === undefined && drift === undefined) return [];
      const digest = promoted === undefined ? undefined : entry.staged[promoted]?.digest ?? entry.served[promoted];
      return [[model, { ...(promoted === undefined ? {} : { version: promoted }), ...(digest === undefined ? {} : { digest }), ...(drift === undefined ? {} : { drift }) }]];
    })) as Record<ModelName, ModelFact>;
  }

  #isQuiet(model: ModelName, atMs: number): boolean {
    const sinceMs = this.parts.fence.quietSinceMs(model);
    return sinceMs !== undefined && atMs - sinceMs >= 2 * this.parts.observer.noticedAfterMs;
  }

  async #lookAt(model: ModelName, entry: ModelEntry, atMs: number): Promise<readonly Found[]> {
    const { store, observer, list, server } = this.parts;
    const found: Found[] = [];
    const listed = listedOf(entry);
    const gone: Version[] = [];
    for (const version of new Set([...listed, ...(entry.promoted === undefined ? [] : [entry.promoted])])) {
      if (await store.has(model, version)) continue;
      gone.push(version);
      found.push({ model, what: 'filesGone', repair: 'fleet', detail: `${basePath(store.root, model)}/${version} is not there, want version ${version} whole; its agent did not remove it: somebody with access to that disk did, or the disk is another` });
    }
    const { candidate } = entry;
    // Its rollout ended while this agent was away, and took the proof of nobody: the fleet's repair, which holds a greater token, takes it off the list. While a rollout holds the model the fleet rests.
    if (candidate !== undefined && listed.includes(candidate.version)) {
      found.push({ model, what: 'strayCandidate', repair: 'fleet', detail: `${model}/${candidate.version} of attempt ${formatToken(candidate.token)} is listed, was never promoted, and nobody works on it; its rollout ended while this agent was away, or was ended from outside` });
    }
    if (list.doubt !== undefined) return found;
    const stateOf = (version: Version): string | undefined => observer.state(model, version, atMs);
    for (const version of observer.versions(model)) {
      const state = stateOf(version);
      const ours = entry.leaving[version] !== undefined;
      if (!isReal(version) || listed.includes(version) || !(state === 'AVAILABLE' || (state === 'LOADING' && !ours))) continue;
      found.push({ model, what: 'foreignList', repair: 'agent', detail: `${server} has ${model}/${version} ${state}, which our list does not name (${listed.join(', ') || 'nothing'}); somebody else gave the server a list (HandleReloadConfigRequest)` });
    }
    for (const version of listed) {
      const state = stateOf(version);
      if (gone.includes(version) || state === 'AVAILABLE' || state === 'LOADING' || state === 'START' || version === entry.candidate?.version) continue;
      const said = observer.entry(model, version);
      const failed = state === 'END' && said !== undefined && said.code !== 'OK';
      found.push(failed
        ? { model, what: 'notServed', repair: 'agent', detail: `${model}/${version} is listed and its files are there, yet ${server} ended it: ${said.code}: ${said.message}` }
        : { model, what: 'foreignList', repair: 'agent', detail: `${server} has ${model}/${version} ${state ?? 'not at all'}, want AVAILABLE; somebody else gave the server a list without it (HandleReloadConfigRequest)` });
    }
    if (this.#restartedMs !== undefined && entry.promoted !== undefined && stateOf(entry.promoted) !== 'AVAILABLE') {
      found.push({ model, what: 'serverRestarted', repair: 'agent', detail: `${server} is another process than before and begins with its boot file; it was restarted, or died (out of memory, a crash)` });
    }
    return found;
  }

  /** The agent's own two files, when nobody is about to write them. */
  async #ownFiles(quiet: readonly (readonly [ModelName, ModelEntry])[]): Promise<readonly Found[]> {
    const { journal, boot, store } = this.parts;
    const found: { readonly what: DriftKind; readonly detail: string }[] = [];
    if (!await journal.isOnDisk()) {
      found.push({ what: 'journalGone', detail: `${journal.path} was not as this agent wrote it; somebody with access to that disk changed or removed it; written again from memory` });
      await store.prepare();
      await this.#holdRoot();
      await journal.rewrite();
    }
    if (!await boot.isAsWritten()) {
      found.push({ what: 'bootFileEdited', detail: `${store.bootFile()} was not as this agent wrote it; somebody edited or removed it by hand; written again, because a restart would have served what it said` });
      await boot.write();
    }
    return quiet.filter(([, entry]) => entry.promoted !== undefined).flatMap(([model]) => found.map((one): Found => ({ model, repair: 'agent', ...one })));
  }

  /** It may have been removed, and made again by anybody. Where another agent has it, this one writes nothing there, and begins nothing any more. */
  async #holdRoot(): Promise<void> {
    try {
      await this.parts.lock.follow();
    } catch (error) {
      if (error instanceof SegueError) await this.parts.fence.stopAll(error);
      throw error;
    }
  }

  #remember(found: readonly Found[], quiet: ReadonlySet<ModelName>, atMs: number): void {
    for (const one of found) {
      const before = this.#kept.get(keyOf(one));
      if (before === undefined) this.parts.log(`drifted: ${one.model}: ${one.what}: ${one.detail}`, { model: one.model, what: one.what });
      this.#kept.set(keyOf(one), { ...one, sinceMs: before?.sinceMs ?? Math.round(atMs), lastMs: atMs, looks: (before?.looks ?? 0) + 1 });
    }
    for (const [key, kept] of this.#kept) {
      if (kept.lastMs === atMs) continue;
      // An attempt works on it: that is how the fleet puts it right.
      const over = kept.repair === 'fleet' || !quiet.has(kept.model) || kept.looks < LOOKS[kept.what] || atMs - kept.lastMs > REMEMBERED_MS;
      if (!over) continue;
      this.#kept.delete(key);
      this.parts.log(`no longer drifted: ${kept.model}: ${kept.what}`, { model: kept.model, what: kept.what });
    }
  }

  /** Our list again, whole; not more often than the server can notice it. */
  #assertList(found: readonly Found[], atMs: number): void {
    const foreign = found.find((one) => one.what === 'foreignList' && (this.#kept.get(keyOf(one))?.looks ?? 0) >= LOOKS.foreignList);
    // A name without files would be waited for by the server with its config lock held; the fleet brings them first.
    if (foreign === undefined || found.some((one) => one.what === 'filesGone') || atMs - this.#assertedMs < 3 * this.parts.observer.noticedAfterMs) return;
    this.#assertedMs = atMs;
    this.parts.list.doubtful(foreign.detail, false);
  }

  #driftOf(model: ModelName): Drift | undefined {
    const all = [...this.#kept.values()].filter((one) => one.model === model && one.looks >= LOOKS[one.what]);
    const first = all.find((one) => one.repair === 'fleet') ?? all.sort((a, b) => b.lastMs - a.lastMs)[0];
    if (first === undefined) return undefined;
    return { what: first.what, sinceMs: first.sinceMs, detail: first.detail, repair: first.repair };
  }
}

function keyOf({ model, what, detail }: Found): string {
  return `${model} ${what} ${what === 'foreignList' ? '' : detail}`;
}
