// The ModelView: what this agent sees of one model, from the journal, the disk and the server's history, all looked at now.

import { SegueError } from '../domain/failures';
import { compareVersions, type ModelName, type Version } from '../domain/names';
import type { ModelView, PartialVersion, ServableState, Staged } from '../domain/view';
import { nowMs } from './clock';
import type { ModelEntry } from './journal-format';
import { lookUntilCertain } from './look';
import { bytesOf, readPartialRecord } from './partial-record';
import type { Parts } from './parts';

/** @param goal the version the caller is about; it and what is aspired or staged are kept in the view, and what has not ended yet. Fails as ServerUnreachable. */
export async function viewOf(parts: Parts, model: ModelName, goal: Version | undefined, signal: AbortSignal): Promise<ModelView> {
  await lookUntilCertain(parts, model, signal);
  return describe(parts, model, goal, parts.observer.versions(model));
}

/** The same after an abort, whose proof must not wait for a server that is away: then without states, because what was seen before says nothing about now. */
export async function viewAfterAbort(parts: Parts, model: ModelName, goal: Version | undefined, signal: AbortSignal): Promise<ModelView> {
  try {
    await lookUntilCertain(parts, model, signal, awayAfterMs);
    return await describe(parts, model, goal, parts.observer.versions(model));
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (!(error instanceof SegueError)) throw error;
    return describe(parts, model, goal, []);
  }
}

const awayAfterMs = 2_000; // A restart of the server takes longer, and nobody needs its states to know that an attempt has stopped.

async function describe(parts: Parts, model: ModelName, goal: Version | undefined, seen: readonly Version[]): Promise<ModelView> {
  const entry = parts.journal.entry(model);
  const atMs = nowMs();
  const staged = await stagedOf(parts, model, entry);
  const aspired = listedOf(entry);
  const states: Record<Version, ServableState> = {};
  const waits: Record<Version, { on: string; sinceMs: number }> = {};
  for (const version of seen) {
    const state = isReal(version) ? parts.observer.state(model, version, atMs) : undefined;
    if (state === undefined) continue;
    const kept = aspired.includes(version) || staged[version] !== undefined || version === goal;
    if (!kept && state === 'END') continue;
    states[version] = state;
    const on = waitsOn(state, aspired.includes(version));
    if (on !== undefined) waits[version] = { on, sinceMs: Math.round(parts.observer.entry(model, version)?.sinceMs ?? atMs) };
  }
  const partial = await partialOf(parts, model, entry);
  return {
    token: entry.token, staged, aspired, states, labels: entry.labels, waits, drained: entry.drained, incarnation: parts.journal.incarnation,
    ...(entry.promoted === undefined ? {} : { promoted: entry.promoted }),
    ...(entry.before === undefined ? {} : { before: { epoch: entry.before.epoch, ...(entry.before.version === undefined ? {} : { version: entry.before.version }) } }),
    ...(partial === undefined ? {} : { partial }),
  };
}

/** What the last accepted list names, or may name where that is not certain. */
export function listedOf(entry: ModelEntry): readonly Version[] {
  return [...new Set([...entry.aspired, ...entry.unsure])].sort(compareVersions);
}

/** The sentinel's history is nobody's version. */
export function isReal(version: Version): boolean {
  return BigInt(version) > 0n;
}

/** The record is written before the directory appears: only both together are a staged version. */
async function stagedOf(parts: Parts, model: ModelName, entry: ModelEntry): Promise<Record<Version, Staged>> {
  const staged: Record<Version, Staged> = {};
  for (const [version, one] of Object.entries(entry.staged) as [Version, Staged][]) if (await parts.store.has(model, version)) staged[version] = one;
  return staged;
}

async function partialOf(parts: Parts, model: ModelName, entry: ModelEntry): Promise<PartialVersion | undefined> {
  if (entry.partial === undefined) return undefined;
  const record = await readPartialRecord(parts.store.stagingPath(model, entry.partial.version, entry.partial.pin));
  if (record === undefined) return undefined;
  const { version, pin, of, digest } = record;
  // What another process of this agent believed of its bytes is looked at again: they were not durable yet.
  const phase = record.writer === parts.processId ? record.phase : 'fetching';
  return { version, pin, of, phase, bytes: bytesOf(record.files), ...(digest === undefined ? {} : { digest }) };
}

function waitsOn(state: ServableState, listed: boolean): string | undefined {
  switch (state) {
    case 'START': return listed ? 'a load thread' : 'its turn to end';
    case 'LOADING': return listed ? 'available' : 'the load to end';
    // Until every handle taken before it left the serving map is released, of any model (TF Serving reference §5).
    case 'UNLOADING': return 'handles';
    case 'AVAILABLE': return listed ? undefined : 'the poll';
    case 'END': return undefined;
  }
}
