// What the server's model list shall say, composed whole from what the agent journals. A reload replaces the whole list, so there is one place that writes it (DESIGN §6).

import { compareVersions, type ModelName, type Version } from './names';

/** Does the server know this name in this incarnation? asked: a list with the name's sentinel was sent, its answer is not known. */
export type Registration = 'no' | 'asked' | 'yes';

/** One model, as far as the list is concerned. */
export interface ListEntry {
  readonly model: ModelName;
  readonly registered: Registration;
  readonly aspired: readonly Version[];
  readonly promoted?: Version;
  readonly labels: Readonly<Record<string, Version>>;
}

/** One `ModelConfig`; versions are decimal text, in rising order. */
export interface ListedModel {
  readonly name: string;
  readonly basePath: string;
  /** A new model without a platform poisons the server until its restart (TF Serving reference §2). */
  readonly platform: 'tensorflow';
  readonly versions: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** An empty directory below a path no model uses: listing it fails within a poll, which registers a name without loading anything (DESIGN §6). */
export const SENTINEL_VERSION = '0';

/**
 * The live list. A registered name stays in it even without versions, so that it never becomes new, and blocking, again; an unregistered one goes by the sentinel;
 * one that nobody asked for is left out.
 */
export function composeList(entries: readonly ListEntry[], root: string): readonly ListedModel[] {
  return byName(entries).flatMap((entry) => {
    switch (entry.registered) {
      case 'no': return [];
      case 'asked': return [listed(entry.model, sentinelPath(root), [SENTINEL_VERSION], {})];
      case 'yes': return [listed(entry.model, basePath(root, entry.model), rising(entry.aspired), labelsTo(entry.aspired, entry.labels))];
    }
  });
}

/** The boot file: only what was promoted, and no labels, because a label in the boot file fails the start (TF Serving reference §8). */
export function composeBoot(entries: readonly ListEntry[], root: string): readonly ListedModel[] {
  return byName(entries).flatMap((entry) => entry.promoted === undefined ? [] : [listed(entry.model, basePath(root, entry.model), [entry.promoted], {})]);
}

export function basePath(root: string, model: ModelName): string {
  return `${root}/models/${model}`;
}

export function sentinelPath(root: string): string {
  return `${root}/models/.sentinel`;
}

function listed(name: string, path: string, versions: readonly string[], labels: Readonly<Record<string, string>>): ListedModel {
  return { name, basePath: path, platform: 'tensorflow', versions, labels };
}

/** A list may not name a model twice, and its order decides nothing: sorted, so that equal states give equal text. */
function byName(entries: readonly ListEntry[]): readonly ListEntry[] {
  return [...entries].sort((a, b) => (a.model < b.model ? -1 : a.model > b.model ? 1 : 0));
}

function rising(versions: readonly Version[]): readonly Version[] {
  return [...new Set(versions)].sort(compareVersions);
}

/** A label may leave with its version, never dangle: a dangling one answers NOT_FOUND (TF Serving reference §8). */
function labelsTo(versions: readonly Version[], labels: Readonly<Record<string, Version>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).filter(([, version]) => versions.includes(version)).sort(([a], [b]) => (a < b ? -1 : 1)));
}
