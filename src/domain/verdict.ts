// How a rollout ended: what CI reads, and what the fleet remembers.

import { FAILURES, type Failure, type FailureCode } from './failures';
import type { Probed } from './host';
import type { ServerName, Version } from './names';
import { names, namesWhere, notSeen, serverOf, type KnownBad, type RolloutState, type ServerState, type Wish } from './rollout-facts';
import type { HeldAgainst, Proof } from './view';

/** Only served, alreadyServed and retired complete the workflow; every other outcome fails it with the verdict as details. */
export type Outcome = 'served' | 'alreadyServed' | 'retired' | 'rejected' | 'failed' | 'aborted' | 'superseded' | 'rolledBack' | 'cancelled';

export interface ServerVerdict {
  /** What clients of that server get, where we know. */
  readonly version?: Version;
  readonly end: 'served' | 'failed' | 'stopped' | 'notSeen' | 'untouched' | 'wentBack' | 'notBack';
  /** What "served" was proven by: without a probe in the request only GetModelMetadata was asked. */
  readonly probed?: Probed;
  /** What vouched for the bytes that are served. */
  readonly heldAgainst?: HeldAgainst;
  readonly proof?: Proof;
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly code?: FailureCode;
  readonly message: string;
  readonly servers: Readonly<Record<ServerName, ServerVerdict>>;
  /** Servers whose agents did not answer. They are fenced before their next use. */
  readonly notSeen: readonly ServerName[];
}

/** The type of the workflow's failure for an outcome that is one; failed and rejected carry their own code. */
export function failureType(verdict: Verdict): string {
  switch (verdict.outcome) {
    case 'aborted': return 'Aborted';
    case 'superseded': return 'Superseded';
    case 'rolledBack': return 'RolledBack';
    default: return verdict.code ?? 'Bug';
  }
}

export function verdictOf(state: RolloutState, outcome: Outcome, failure: Failure | undefined): Verdict {
  const servers = Object.fromEntries(names(state).map((name) => [name, serverVerdict(state, serverOf(state, name))])) as Record<ServerName, ServerVerdict>;
  return { outcome, ...(failure === undefined ? {} : { code: failure.code }), message: message(state, outcome, failure), servers, notSeen: notSeen(state) };
}

function serverVerdict(state: RolloutState, server: ServerState): ServerVerdict {
  const end = server.direction === 'back' && server.end !== undefined ? (server.end.kind === 'served' ? 'wentBack' : 'notBack') : (server.end?.kind ?? (server.notSeen ? 'notSeen' : 'untouched'));
  return {
    end,
    ...(server.serving === undefined ? {} : { version: server.serving }),
    ...(end === 'served' && server.probed !== undefined ? { probed: server.probed } : {}),
    ...(end === 'served' && server.heldAgainst !== undefined ? { heldAgainst: server.heldAgainst } : {}),
    ...(server.proof === undefined ? {} : { proof: server.proof }),
  };
}

function message(state: RolloutState, outcome: Outcome, failure: Failure | undefined): string {
  const { model, version } = state.request;
  const unseen = notSeen(state);
  const seen = unseen.length === 0 ? '' : `; not seen: ${unseen.join(', ')}`;
  const why = failure === undefined ? '' : `${failure.code}: ${failure.message}`;
  const stuck = namesWhere(state, (server) => server.direction === 'back' && server.end !== undefined && server.end.kind !== 'served');
  const notBack = stuck.length === 0 ? '' : `NOT BACK: ${stuck.map((name) => `${name}${backFailure(serverOf(state, name))}`).join(', ')}; `;
  const servers = names(state).length - unseen.length;
  switch (outcome) {
    case 'served': return `${model}/${version} is served by ${servers} of ${names(state).length} servers${probedText(state)}${seen}`;
    case 'alreadyServed': return `${model}/${version} was served already by ${servers} of ${names(state).length} servers; nothing was changed${state.resolved?.digest === undefined ? ' (the source has no manifest.json, so its content was not compared)' : ''}${seen}`;
    case 'retired': return `${model} is retired: ${servers} of ${names(state).length} servers serve nothing of it${seen}`;
    case 'aborted': return `${notBack}aborted${whoAndWhy(state.wish)}${seen}`;
    case 'superseded': return `superseded${state.wish.kind === 'supersede' ? ` by ${state.wish.by}` : ''}${why === '' ? '' : ` (${why})`}${seen}`;
    case 'cancelled': return `cancelled${seen}`;
    case 'rolledBack': return state.wish.kind === 'rollback' ? `${notBack}rolled back${whoAndWhy(state.wish)}${seen}` : `${notBack}${why}; rolled back${seen}`;
    case 'failed': return `${why}${seen}. Next: ${failure === undefined ? '' : FAILURES[failure.code].next}`;
    case 'rejected': return `${why}. Next: ${failure === undefined ? '' : FAILURES[failure.code].next}`;
  }
}

function whoAndWhy(wish: Wish): string {
  if (wish.kind !== 'abort' && wish.kind !== 'rollback') return '';
  return `${wish.by === undefined ? '' : ` by ${wish.by}`}${wish.reason === undefined ? '' : `: ${wish.reason}`}`;
}

/** What content is bad from now on: what a person said, and what the server could not load or answered wrongly. Other failures say nothing of the content. */
export function knownBadOf(state: RolloutState, verdict: Verdict, nowMs: number): KnownBad | undefined {
  const { digest, wish, request: { version, retire } } = state;
  if (verdict.outcome !== 'rolledBack' || digest === undefined || retire) return undefined;
  if (wish.kind !== 'rollback' && verdict.code !== 'LoadFailed' && verdict.code !== 'ProbeMismatch' && verdict.code !== 'GateFailed') return undefined;
  return { digest, version, why: verdict.message.slice(0, 300), atMs: nowMs };
}

export function isServed(outcome: Outcome): boolean {
  return outcome === 'served' || outcome === 'alreadyServed' || outcome === 'retired';
}

function backFailure({ end }: ServerState): string {
  return end?.kind === 'failed' ? ` (${end.failure.code}: ${end.failure.message})` : '';
}

function probedText(state: RolloutState): string {
  const asked = namesWhere(state, (server) => server.probed === 'predict').length;
  return asked > 0 ? ', proven by Predict' : ', proven by GetModelMetadata only (the request brought no probe)';
}
