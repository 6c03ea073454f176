// Read this first: what one server does next, from what it wants (goal) and what is there (view).
// First start, resume after a crash, repair, abort, supersession and rollback are this one function with another goal or another view.
// There is no clock in it: hosts and workflows disagree about time, so what takes time is waited for inside a step.

import type { Failure } from './failures';
import type { Step } from './host';
import { compareTokens, compareVersions, type Digest, type Pin, type Token, type Version } from './names';
import type { Mode } from './request';
import type { TransitionEnd } from './rollout-facts';
import type { ModelView } from './view';

/** What one server shall come to. Without `version`: nothing of this model shall be served any more. */
export interface Goal {
  readonly version?: Version;
  /** The listing to fetch from; absent where the bytes must already be on the disk (rollback). */
  readonly pin?: Pin;
  /** When known, other content under this number is not this version. */
  readonly digest?: Digest;
  /** Stays loaded beside `version` until the parent ends the bake by sending the goal again without it. */
  readonly keep?: Version;
  readonly mode: Mode;
  /** Content that is not served again, whatever its number. */
  readonly knownBad?: readonly Digest[];
}

/** A step is named by its activity, and by the version it acts on: the candidate's, or the one that leaves. */
export type Next =
  | { readonly kind: 'step'; readonly step: Step; readonly version: Version }
  | { readonly kind: 'waiting'; readonly on: 'gate'; readonly keep: Version }
  | { readonly kind: 'refused'; readonly digest: Digest }
  | { readonly kind: 'done' };

/** Before anything of the host was seen: begin and look, or, where bytes shall come soon, the download, which begins the attempt and does nothing where it has nothing to fetch. */
export function firstStep({ version, overtakes }: { readonly version?: Version; readonly overtakes?: true }): { readonly kind: 'begin' } | { readonly kind: 'step'; readonly step: 'downloadVersion'; readonly version: Version } {
  return overtakes === true && version !== undefined ? { kind: 'step', step: 'downloadVersion', version } : { kind: 'begin' };
}

export function nextStep(goal: Goal, view: ModelView): Next {
  const wanted = goal.version;
  if (wanted === undefined) return leaveAll(view, view.aspired) ?? done;
  // Served from memory, its files gone: the bytes come back first, and the server need not be touched.
  if (isServing(wanted, view) && view.staged[wanted] !== undefined) return leaveAll(view, leaving(goal, wanted, view)) ?? gate(goal, view);
  return bringBytes(goal, wanted, view) ?? bringUp(goal, wanted, view);
}

/** AVAILABLE in the list we gave, and answered its probe. */
export function isServing(version: Version, view: ModelView): boolean {
  return view.aspired.includes(version) && view.states[version] === 'AVAILABLE' && view.promoted === version;
}

/** Bytes first: nothing about the server changes before the version is whole, verified and visible. */
function bringBytes(goal: Goal, wanted: Version, view: ModelView): Next | undefined {
  const staged = view.staged[wanted];
  if (staged !== undefined && isSameContent(goal, staged)) return refuseKnownBad(goal, staged.digest);
  const partial = view.partial;
  if (partial?.version !== wanted || (goal.pin !== undefined && partial.pin !== goal.pin)) return step('downloadVersion', wanted);
  switch (partial.phase) {
    case 'fetching': return step('downloadVersion', wanted);
    case 'fetched': return step('verifyVersion', wanted);
    case 'verified': return refuseKnownBad(goal, partial.digest) ?? step('stageVersion', wanted);
  }
}

/** Known once verified, and refused before anything of the server changes. */
function refuseKnownBad({ knownBad = [] }: Goal, digest: Digest | undefined): Next | undefined {
  return digest !== undefined && knownBad.includes(digest) ? { kind: 'refused', digest } : undefined;
}

/** A digest decides; without one the same listing means the same bytes; a goal without either asks only that the version is there. */
function isSameContent(goal: Goal, staged: { readonly digest: Digest; readonly pin: Pin }): boolean {
  if (goal.digest !== undefined) return goal.digest === staged.digest;
  return goal.pin === undefined || goal.pin === staged.pin;
}

function bringUp(goal: Goal, wanted: Version, view: ModelView): Next {
  if (view.aspired.includes(wanted)) return step('awaitAvailable', wanted);
  // A stale candidate may still be loading although no list names it: the new one is listed only after its END (DESIGN §5).
  const lingering = lingeringVersions(view)[0];
  if (lingering !== undefined) return step('unloadVersion', lingering);
  if (goal.mode === 'resource') return leaveAll(view, view.aspired) ?? step('reloadConfig', wanted);
  return step('reloadConfig', wanted);
}

function leaving(goal: Goal, wanted: Version, view: ModelView): readonly Version[] {
  return view.aspired.filter((version) => version !== wanted && version !== goal.keep);
}

/** One at a time, lowest first: labels and clients move off it, then it goes. A drain freezes every transition of the server (DESIGN §6). */
function leaveAll(view: ModelView, versions: readonly Version[]): Next | undefined {
  const first = [...versions].sort(compareVersions)[0];
  if (first !== undefined) return step(view.drained.includes(first) ? 'unloadVersion' : 'drainVersion', first);
  const lingering = lingeringVersions(view)[0];
  return lingering === undefined ? undefined : step('unloadVersion', lingering);
}

/** Not in our list, yet not at END: still loading, still held, or still unloading. */
export function lingeringVersions(view: ModelView): readonly Version[] {
  return (Object.keys(view.states) as Version[])
    .filter((version) => !view.aspired.includes(version) && view.states[version] !== 'END')
    .sort(compareVersions);
}

/**
 * How an attempt ended that was then aborted. A step that ends as stale because its own rollout closed its token, or went on to a greater one, did not fail: its host was told before it
 * was. Stale by a newer rollout's, that is its failure.
 * @param end of its step; absent: it had not ended when the stop was asked for. @param proven the host proved that nothing of the attempt acts any more
 */
export function endAfterAbort(token: Token, end: TransitionEnd | undefined, proven: boolean): TransitionEnd {
  return end === undefined || (end.kind === 'failed' && isByOwnRollout(token, end.failure)) ? { kind: proven ? 'stopped' : 'notSeen' } : end;
}

/** `holds`: the token in the host's journal when it refused or stopped the step. */
function isByOwnRollout(token: Token, { code, detail }: Failure): boolean {
  const holds = detail?.['holds'] as Token | undefined;
  return code === 'StaleAttempt' && holds !== undefined && holds[0] === token[0] && compareTokens(token, holds) <= 0;
}

function gate(goal: Goal, view: ModelView): Next {
  return goal.keep !== undefined && view.aspired.includes(goal.keep) ? { kind: 'waiting', on: 'gate', keep: goal.keep } : done;
}

const done: Next = { kind: 'done' };

function step(name: Step, version: Version): Next {
  return { kind: 'step', step: name, version };
}
