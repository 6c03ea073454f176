// The facts that say why nothing moves (domain/diagnosis.ts), gathered from the server's answers, the journal and the disk. Changes nothing. For the watcher and for `segue doctor`.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FetchFacts, ModelFacts, ReloadFacts, ServerFacts, VersionFacts } from '../domain/diagnosis';
import { basePath, sentinelPath } from '../domain/list';
import { compareVersions, type ModelName, type Version } from '../domain/names';
import type { ServerFlags } from '../domain/server-flags';
import { checkSavedModel } from '../savedmodel/check';
import type { ServingClient } from '../serving/client';
import { RpcFailure } from '../serving/rpc';
import { nowMs } from './clock';
import { isMissing } from './disk-failure';
import { freshEntry, type ModelEntry } from './journal-format';
import { ModelStore } from './model-store';
import type { Observer } from './observe';
import { readPartialRecord } from './partial-record';
import { isReal, listedOf } from './view';

/** A model the server has from somebody else, or from a list this host's journal does not hold. */
export interface ForeignModel {
  readonly basePath: string | undefined;
  readonly versions: readonly Version[];
}

export interface Gathering {
  readonly client: ServingClient;
  /** What was seen of states until now: it knows since when. */
  readonly observer: Observer;
  readonly pollMs: number;
  readonly models: ReadonlyMap<ModelName, ModelEntry>;
  readonly foreign?: ReadonlyMap<ModelName, ForeignModel>;
  readonly root?: string | undefined;
  readonly flags?: Pick<ServerFlags, 'loadThreads' | 'loadRetries'> | undefined;
  readonly reload: ReloadFacts;
  /** `nowMs` since when somebody looks: a list cannot have been unnoticed for longer than we know. */
  readonly lookingSinceMs: number;
  /** Reads the files of versions whose load does not end: as many bytes as they have. */
  readonly inspectFiles: boolean;
  /** For one answer of the server. */
  readonly answerMs?: number;
  readonly signal: AbortSignal;
}

const ANSWER_MS = 2_000; // Status answers in milliseconds even while all else is wedged (TF Serving reference §6).
const PING = 'segue-ping' as ModelName;

export async function gatherFacts(about: Gathering): Promise<ServerFacts> {
  const { client, pollMs, reload, root, flags } = about;
  const fetches = root === undefined ? [] : await fetchesOf(about, root);
  const base = { address: client.address, pollMs, reload, root, fetches, loadThreads: flags?.loadThreads, loadRetries: flags?.loadRetries };
  try {
    const names = new Set([...[...about.models].filter(([, entry]) => entry.registered !== 'no').map(([model]) => model), ...(about.foreign?.keys() ?? [])]);
    if (names.size === 0) await client.status(PING, limits(about));
    const models: ModelFacts[] = [];
    for (const model of names) models.push(await modelFacts(about, model));
    return { ...base, answer: 'answers', models };
  } catch (error) {
    if (!(error instanceof RpcFailure)) throw error;
    const answer = error.code === 'RESOURCE_EXHAUSTED' ? 'exhausted' : error.code === 'UNAVAILABLE' ? 'refused' : 'silent';
    return { ...base, answer, answerText: error.details, models: [] };
  }
}

async function modelFacts(about: Gathering, model: ModelName): Promise<ModelFacts> {
  const { client, observer, models, root, foreign } = about;
  const entry = models.get(model) ?? freshEntry;
  const status = await client.status(model, limits(about));
  observer.record(model, status, nowMs());
  const wanted = foreign?.get(model);
  const listed = new Set([...(entry.registered === 'yes' ? listedOf(entry) : []), ...(wanted?.versions ?? [])]);
  const path = wanted !== undefined ? wanted.basePath : (root === undefined ? undefined : entry.registered === 'asked' ? sentinelPath(root) : basePath(root, model));
  const versions: VersionFacts[] = [];
  for (const version of new Set([...listed, ...observer.versions(model)])) if (isReal(version)) versions.push(await versionFacts(about, model, entry, version, listed.has(version), path));
  return { model, known: status !== 'unknown model', basePath: path === undefined ? 'unseen' : { path, found: await foundAt(path) }, versions: versions.sort((a, b) => compareVersions(a.version, b.version)) };
}

async function versionFacts(about: Gathering, model: ModelName, entry: ModelEntry, version: Version, listed: boolean, path: string | undefined): Promise<VersionFacts> {
  const seen = about.observer.entry(model, version); // As the server says it: what it means for a step is another question.
  const state = seen?.state;
  const journalledMs = listed && entry.candidate?.version === version ? entry.candidate.sinceMs : undefined;
  const sinceMs = seen?.sinceMs ?? journalledMs ?? about.lookingSinceMs;
  const slow = state === 'LOADING' || state === 'START';
  return {
    version, listed, state, forMs: Math.max(0, nowMs() - sinceMs),
    answers: state === 'AVAILABLE' || (state === 'LOADING' && await answersMetadata(about, model, version)),
    ...(slow && about.inspectFiles && path !== undefined ? { damage: await damageOf(join(path, version), about.signal) } : {}),
  };
}

/** In the serving map already, and LOADING only until handles are released (TF Serving reference §11.18). */
async function answersMetadata(about: Gathering, model: ModelName, version: Version): Promise<boolean> {
  try {
    await about.client.metadata(model, version, limits(about));
    return true;
  } catch (error) {
    if (error instanceof RpcFailure) return false;
    throw error;
  }
}

function limits({ signal, answerMs = ANSWER_MS }: Gathering): { signal: AbortSignal; deadlineMs: number } {
  return { signal, deadlineMs: answerMs };
}

/** As the server looks: every entry whose name is a number counts. */
async function foundAt(path: string): Promise<'versions' | 'empty' | 'missing'> {
  try {
    return (await readdir(path)).some((name) => /^\s*[+-]?\d+\s*$/.test(name)) ? 'versions' : 'empty';
  } catch {
    return 'missing'; // Or not readable, which is the same for a server.
  }
}

/** What a load of these files would trip over. */
async function damageOf(path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    await stat(path);
  } catch (error) {
    if (isMissing(error)) return `${path} is gone`;
  }
  const report = await checkSavedModel(path, { signal });
  const first = report.ok ? undefined : report.findings[0];
  return first === undefined ? undefined : `${first.path}: ${first.message}`;
}

async function fetchesOf({ models }: Gathering, root: string): Promise<readonly FetchFacts[]> {
  const store = new ModelStore(root);
  const fetches: FetchFacts[] = [];
  for (const [model, { open, partial }] of models) {
    if (!open || partial === undefined) continue;
    const path = store.stagingPath(model, partial.version, partial.pin);
    const record = await readPartialRecord(path);
    if (record !== undefined && record.phase !== 'fetching') continue;
    const { bytes, writtenMs } = await weigh(path);
    if (writtenMs > 0) fetches.push({ model, version: partial.version, bytes, idleForMs: Math.max(0, nowMs() - writtenMs), ...(record === undefined ? {} : { of: record.of }) });
  }
  return fetches;
}

/** Bytes below a directory, and when something in it was last written; files come and go while we look. */
async function weigh(path: string): Promise<{ bytes: number; writtenMs: number }> {
  let [bytes, writtenMs] = [0, 0];
  for (const name of ['', ...await readdir(path, { recursive: true }).catch(() => [])]) {
    const one = await stat(join(path, name)).catch(() => undefined);
    if (one === undefined) continue;
    if (one.isFile()) bytes += one.size;
    writtenMs = Math.max(writtenMs, one.mtimeMs);
  }
  return { bytes, writtenMs };
}
