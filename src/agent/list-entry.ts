// What a change of the list does to the journal's entry of a model.

import type { ListEntry } from '../domain/list';
import type { ModelName, Version } from '../domain/names';
import type { ModelEntry } from './journal-format';

/** What the composition needs to know of a model. */
export function listEntry(model: ModelName, entry: ModelEntry): ListEntry {
  return { model, registered: entry.registered, aspired: entry.aspired, labels: entry.labels };
}

/** The fields that only a change of the list writes, in its turn: as they were before it. */
export function listFields(entry: ModelEntry, before: ModelEntry): ModelEntry {
  return { ...entry, aspired: before.aspired, unsure: before.unsure, labels: before.labels, candidate: before.candidate, leaving: before.leaving };
}

/** What the list before named and the next one does not stays unsure until the server took the next one. */
export function withUnsure(next: ModelEntry, before: ModelEntry): ModelEntry {
  return { ...next, unsure: [...new Set([...next.unsure, ...before.aspired])].filter((version) => !next.aspired.includes(version)) };
}

/** A candidate in a list the server took. */
export function accepted(candidate: ModelEntry['candidate'], listed: readonly Version[]): ModelEntry['candidate'] {
  return candidate !== undefined && listed.includes(candidate.version) ? { ...candidate, accepted: true } : candidate;
}

/** Versions in `a` that are not in `b`. */
export function difference(a: ReadonlyMap<ModelName, readonly Version[]>, b: ReadonlyMap<ModelName, readonly Version[]>): readonly (readonly [ModelName, Version])[] {
  return [...a].flatMap(([model, versions]) => versions.filter((version) => b.get(model)?.includes(version) !== true).map((version) => [model, version] as const));
}
