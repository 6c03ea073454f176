// What a rollout does next: which servers begin, which stop, what is waited for, and when it is over. A value in, a value out.

import { MAX_BACK_ATTEMPTS } from './bounds';
import { dispositionOf, type Failure, type FailureCode } from './failures';
import type { Digest, Pin, ServerName, Version } from './names';
import type { Wave } from './request';
import { names, namesWhere, notSeen, serverOf, type Pause, type RolloutState, type ServerState } from './rollout-facts';
import { failureOf } from './rollout-state';
import { verdictOf, type Outcome, type Verdict } from './verdict';

export type Phase = 'claiming' | 'resolving' | 'rolling' | 'baking' | 'paused' | 'holding' | 'stopping' | 'rollingBack' | 'done';

/** What one server shall come to, in this direction. */
export interface StartGoal {
  readonly direction: 'forward' | 'back';
  /** Absent: nothing shall be served (a retirement, or going back from a first version). */
  readonly version?: Version;
  /** Keep the version before until the gate opens. */
  readonly bake: boolean;
  /** An older load is being stopped for it: its bytes come with the first call, by the host's own listing where none is known yet. */
  readonly overtakes?: true;
}

/** The listing that every server fetches by. */
export interface Pinned {
  readonly pin: Pin;
  readonly bytes: number;
  readonly digest?: Digest;
}

export type Action =
  | { readonly do: 'claim' }
  | { readonly do: 'fence'; readonly server: ServerName }
  | { readonly do: 'resolve'; readonly server: ServerName }
  | { readonly do: 'stopResolve' }
  | { readonly do: 'start'; readonly server: ServerName; readonly attempt: number; readonly goal: StartGoal }
  | { readonly do: 'release'; readonly server: ServerName }
  | { readonly do: 'pin'; readonly server: ServerName; readonly pinned: Pinned }
  | { readonly do: 'stop'; readonly server: ServerName }
  | { readonly do: 'finish'; readonly verdict: Verdict };

/** Why a server does not move: data for a person, never a bare false. */
export type Waiting =
  | { readonly on: 'claim' }
  | { readonly on: 'fence' }
  | { readonly on: 'source' }
  | { readonly on: 'turn'; readonly behind: readonly ServerName[] }
  | { readonly on: 'wave'; readonly wave: number }
  | { readonly on: 'bake'; readonly untilMs: number }
  | { readonly on: 'resume'; readonly sinceMs: number; readonly by?: string }
  | { readonly on: 'peers'; readonly servers: readonly ServerName[] }
  | { readonly on: 'stop'; readonly servers: readonly ServerName[] }
  | { readonly on: 'operator'; readonly failure: FailureCode; readonly untilMs: number };

export interface Plan {
  readonly phase: Phase;
  readonly actions: readonly Action[];
  readonly waits: Readonly<Record<ServerName, Waiting>>;
  /** Plan again then, if nothing happens before (workflow time, epoch milliseconds). */
  readonly wakeAtMs?: number;
}

export function planRollout(state: RolloutState, nowMs: number): Plan {
  if (state.claim === undefined) return state.wish.kind === 'serve' ? { phase: 'claiming', actions: [{ do: 'claim' }], waits: {} } : finish(state, outcomeOfWish(state), undefined);
  if (state.wish.kind !== 'serve' || failureOf(state) !== undefined) return planEnding(state, nowMs);
  return planForward(state, nowMs);
}

// ---- ending: first everything in flight is stopped and proven stopped, and only then is it decided how it ends ----

function planEnding(state: RolloutState, nowMs: number): Plan {
  const failure = failureOf(state);
  const goingBackMayFinish = state.wish.kind !== 'supersede' && state.wish.kind !== 'cancel';
  const running = namesWhere(state, (server) => server.overtaken !== undefined || (server.activity !== 'none' && !(goingBackMayFinish && server.direction === 'back')));
  if (running.length > 0 || state.resolving !== undefined) return { phase: 'stopping', actions: [...stops(state, running), ...stopResolve(state)], waits: waitAll(running, { on: 'stop', servers: running }) };
  switch (state.wish.kind) {
    case 'supersede': case 'cancel': return finish(state, outcomeOfWish(state), failure);
    case 'abort': return planBack(state, 'aborted', undefined);
    case 'rollback': return planBack(state, 'rolledBack', undefined);
    case 'serve': break;
  }
  if (failure === undefined) throw new Error('ending without a wish or a failure');
  if (dispositionOf(failure.code) === 'superseded') return finish(state, 'superseded', failure);
  // A rejection says that nothing was touched; one that an update brought on, after lists changed, is a failure like others.
  if (namesWhere(state, (server) => server.listed).length === 0) return finish(state, dispositionOf(failure.code) === 'reject' ? 'rejected' : 'failed', failure);
  return state.request.onFailure === 'hold' ? planHold(state, failure, nowMs) : planBack(state, 'rolledBack', failure);
}

function planHold(state: RolloutState, failure: Failure & { readonly atMs: number }, nowMs: number): Plan {
  const untilMs = failure.atMs + state.request.holdSeconds * 1000;
  if (nowMs >= untilMs) return finish(state, 'failed', failure);
  return { phase: 'holding', actions: [], waits: waitAll(names(state), { on: 'operator', failure: failure.code, untilMs }), wakeAtMs: untilMs };
}

/** Servers that hold the candidate go back to what they served before, all at once where that costs no availability. */
function planBack(state: RolloutState, outcome: Outcome, failure: Failure | undefined): Plan {
  const holding = namesWhere(state, (server) => mustGoBack(server, state));
  const inFlight = holding.filter((name) => serverOf(state, name).activity !== 'none');
  const atOnce = state.request.strategy.mode === 'resource' ? state.request.strategy.maxUnavailable : holding.length;
  const next = holding.filter((name) => serverOf(state, name).activity === 'none').slice(0, Math.max(0, atOnce - inFlight.length));
  if (holding.length === 0) return finish(state, outcome, failure);
  const actions = next.map((server): Action => ({ do: 'start', server, attempt: backAttempt(state, serverOf(state, server)), goal: backGoal(serverOf(state, server)) }));
  const later = holding.filter((name) => !next.includes(name) && !inFlight.includes(name));
  return { phase: 'rollingBack', actions, waits: waitAll(later, { on: 'turn', behind: [...inFlight, ...next] }) };
}

/** A server that never told what it served before is left as it is: an unknown state never leads to a removal. */
function mustGoBack(server: ServerState, { attempt, request: { retire, version: candidate } }: RolloutState): boolean {
  if (server.activity !== 'none') return true;
  if (server.before === undefined) return false;
  if (server.direction === 'back' && (server.end?.kind === 'served' || server.end?.kind === 'notSeen' || server.attempt - attempt >= MAX_BACK_ATTEMPTS)) return false;
  if (mayHaveActed(server)) return true;
  if (retire) return server.before.version !== undefined && !server.aspired.includes(server.before.version);
  if (server.before.version === candidate) return false;
  // Until its END it may still answer somebody: a rollout that went back ends only after that.
  return server.aspired.includes(candidate) || server.serving === candidate || server.lingering.includes(candidate);
}

/** It went as far as its server's list, and nobody has looked since: what the last view said may be over. Going back looks first. */
function mayHaveActed({ direction, listed, end, proof, attempt }: ServerState): boolean {
  return direction === 'forward' && listed && end !== undefined && end.kind !== 'served' && proof?.token[1] !== attempt;
}

/** Greater than every attempt forward, and than the tries to go back before it. */
function backAttempt(state: RolloutState, server: ServerState): number {
  return (server.direction === 'back' ? server.attempt : state.attempt) + 1;
}

function backGoal(server: ServerState): StartGoal {
  const version = server.before?.version;
  return { direction: 'back', bake: false, ...(version === undefined ? {} : { version }) };
}

// ---- forward: fence, resolve, then wave after wave ----

function planForward(state: RolloutState, nowMs: number): Plan {
  const unfenced = namesWhere(state, (server) => !server.fenced);
  if (unfenced.length > 0) {
    const actions = unfenced.filter((name) => serverOf(state, name).activity === 'none').map((server): Action => ({ do: 'fence', server }));
    return { phase: 'claiming', actions, waits: waitAll(names(state), { on: 'fence' }) };
  }
  const pins = pinsToTell(state);
  if (pins.length > 0) return { phase: 'rolling', actions: pins, waits: {} };
  const stale = namesWhere(state, (server) => server.activity !== 'none' && server.attempt < state.attempt && server.gateSinceMs === undefined);
  if (stale.length > 0) return { phase: 'rolling', actions: [...stops(state, stale), ...listAhead(state), ...overtakes(state, stale)], waits: waitAll(names(state), { on: 'stop', servers: stale }) };
  if (state.resolved === undefined && fetches(state)) return state.pause === undefined || state.resolving !== undefined || isListingAwaited(state) ? planResolve(state) : planPaused(state, state.pause);
  return planWave(state, nowMs);
}

/** A listing touches nothing, so the new source is listed while the older load is being stopped. Its bytes wait for the proof. */
function listAhead(state: RolloutState): readonly Action[] {
  return state.resolved === undefined && fetches(state) && (state.pause === undefined || isListingAwaited(state)) ? planResolve(state).actions : [];
}

/**
 * A server whose old load is being stopped is given its next attempt at once: its host begins that only when it has proven that nothing of the old one is left
 * (DESIGN §5), so the stop is not waited for twice; nor is the listing, since staged bytes of another one are fetched again. One at a time, in the room and the wave it has.
 */
function overtakes(state: RolloutState, stale: readonly ServerName[]): readonly Action[] {
  if (state.pause !== undefined) return [];
  const room = slots(state) - namesWhere(state, isMoving).filter((name) => !stale.includes(name)).length;
  const next = currentWave(state).members.filter((name) => stale.includes(name) && serverOf(state, name).activity === 'stopping' && serverOf(state, name).overtaken === undefined);
  return next.slice(0, Math.max(0, room)).map((server): Action => ({ do: 'start', server, attempt: state.attempt, goal: { ...forwardGoal(state), ...(fetches(state) ? { overtakes: true } : {}) } }));
}

/** A pause holds back what has not begun; what is on its way goes on to its gate. */
function isListingAwaited(state: RolloutState): boolean {
  return namesWhere(state, (server) => server.unpinned === true && server.activity === 'transition').length > 0;
}

/** Who fetches by a listing of its own goes no further before it is told the one for all. */
function pinsToTell(state: RolloutState): readonly Action[] {
  const { resolved, digest } = state;
  if (resolved === undefined) return [];
  const untold = namesWhere(state, (server) => server.unpinned === true && server.activity === 'transition' && server.attempt === state.attempt);
  return untold.map((server): Action => ({ do: 'pin', server, pinned: { pin: resolved.pin, bytes: resolved.bytes, ...(digest === undefined ? {} : { digest }) } }));
}

/** Without a source, what is wanted is on the disks, or nothing is wanted; where the disks go first, each host that lacks it lists for itself. */
function fetches({ request: { source, retire, preferDisk } }: RolloutState): boolean {
  return source !== undefined && !retire && !preferDisk;
}

/** What is on its way goes on to its gate; nothing begins, and nothing leaves its gate. */
function planPaused(state: RolloutState, { sinceMs, by }: Pause): Plan {
  const resting = namesWhere(state, (server) => !isSettled(server) && !isMoving(server));
  return { phase: 'paused', actions: [], waits: waitAll(resting, { on: 'resume', sinceMs, ...(by === undefined ? {} : { by }) }) };
}

function planResolve(state: RolloutState): Plan {
  const waits = waitAll(names(state), { on: 'source' });
  if (state.resolving !== undefined) return { phase: 'resolving', actions: state.resolving.attempt < state.attempt ? stopResolve(state) : [], waits };
  const server = namesWhere(state, (one) => !one.notSeen)[0];
  if (server === undefined) throw new Error('no server left to resolve on: failureOf names that first');
  return { phase: 'resolving', actions: [{ do: 'resolve', server }], waits };
}

function planWave(state: RolloutState, nowMs: number): Plan {
  const { strategy } = state.request;
  const all = names(state);
  const { wave, members } = currentWave(state);
  if (wave === -1) {
    const overtaken = namesWhere(state, (server) => server.overtaken !== undefined);
    if (overtaken.length > 0) return { phase: 'rolling', actions: [], waits: waitAll(overtaken, { on: 'stop', servers: overtaken }) };
    if (all.every((name) => isSettled(serverOf(state, name)))) return finish(state, servedOutcome(state), undefined);
    throw new Error('waves that do not reach every server are refused when the request is parsed');
  }
  if (state.pause !== undefined) return planPaused(state, state.pause);
  const later = waitAll(all.slice(members.length), { on: 'wave', wave: wave + 1 });
  const moving = members.filter((name) => isMoving(serverOf(state, name)));
  const pending = members.filter((name) => isPending(serverOf(state, name)));
  const gated = members.filter((name) => isAtGate(serverOf(state, name)));
  if (pending.length > 0) {
    const next = pending.slice(0, Math.max(0, slots(state) - moving.length));
    const actions = next.map((server): Action => ({ do: 'start', server, attempt: state.attempt, goal: forwardGoal(state) }));
    return { phase: 'rolling', actions, waits: { ...later, ...waitAll(pending.slice(next.length), { on: 'turn', behind: [...moving, ...next] }), ...waitAll(gated, { on: 'peers', servers: [...moving, ...pending] }) } };
  }
  if (moving.length > 0) return { phase: 'rolling', actions: [], waits: { ...later, ...waitAll(gated, { on: 'peers', servers: moving }) } };
  const untilMs = Math.max(0, ...gated.map((name) => serverOf(state, name).gateSinceMs ?? 0)) + strategy.bakeSeconds * 1000;
  if (nowMs < untilMs) return { phase: 'baking', actions: [], waits: { ...later, ...waitAll(gated, { on: 'bake', untilMs }) }, wakeAtMs: untilMs };
  return { phase: 'rolling', actions: gated.map((server): Action => ({ do: 'release', server })), waits: later };
}

/** The first wave with a server that has not come to its end, and who belongs to it; -1 and nobody when all have. */
function currentWave(state: RolloutState): { readonly wave: number; readonly members: readonly ServerName[] } {
  const all = names(state);
  const { waves } = state.request.strategy;
  const upTo = (one: Wave): readonly ServerName[] => all.slice(0, waveSize(one, all.length));
  const wave = waves.findIndex((one) => upTo(one).some((name) => !isSettled(serverOf(state, name))));
  const found = waves[wave];
  return { wave, members: found === undefined ? [] : upTo(found) };
}

function forwardGoal({ request: { retire, version, strategy } }: RolloutState): StartGoal {
  return retire ? { direction: 'forward', bake: false } : { direction: 'forward', version, bake: strategy.bakeSeconds > 0 };
}

/** A wave is cumulative and rounded up, so that 1 % of three servers is one server. */
export function waveSize(wave: Wave, servers: number): number {
  return Math.min(servers, 'count' in wave ? wave.count : Math.ceil((wave.percent * servers) / 100));
}

/** How many servers may be on their way at once. Unreachable ones count; in availability mode one may always move, since the old version serves meanwhile. */
function slots(state: RolloutState): number {
  const { maxUnavailable, mode } = state.request.strategy;
  return Math.max(mode === 'availability' ? 1 : 0, maxUnavailable - notSeen(state).length);
}

function isSettled(server: ServerState): boolean {
  return server.activity === 'none' && (server.notSeen || server.end?.kind === 'served');
}

function isAtGate(server: ServerState): boolean {
  return server.activity === 'transition' && server.gateSinceMs !== undefined && !server.released;
}

function isMoving(server: ServerState): boolean {
  return server.activity !== 'none' && !isAtGate(server);
}

function isPending(server: ServerState): boolean {
  return server.activity === 'none' && !isSettled(server);
}

function servedOutcome(state: RolloutState): Outcome {
  if (state.request.retire) return 'retired';
  const worked = namesWhere(state, (server) => server.listed || (server.end?.kind === 'served' && server.end.steps.length > 0));
  return worked.length === 0 ? 'alreadyServed' : 'served';
}

// ---- what counts as a failure, and the end ----

function finish(state: RolloutState, outcome: Outcome, failure: Failure | undefined): Plan {
  return { phase: 'done', actions: [{ do: 'finish', verdict: verdictOf(state, outcome, failure) }], waits: {} };
}

function outcomeOfWish(state: RolloutState): Outcome {
  switch (state.wish.kind) {
    case 'supersede': return 'superseded';
    case 'cancel': return 'cancelled';
    case 'abort': return 'aborted';
    case 'rollback': return 'rolledBack';
    case 'serve': throw new Error('a wish to serve is no outcome');
  }
}

// ---- small questions ----

function stops(state: RolloutState, servers: readonly ServerName[]): readonly Action[] {
  return servers.filter((name) => serverOf(state, name).activity === 'transition').map((server): Action => ({ do: 'stop', server }));
}

function stopResolve(state: RolloutState): readonly Action[] {
  return state.resolving === undefined || state.resolving.stopping ? [] : [{ do: 'stopResolve' }];
}

function waitAll(servers: readonly ServerName[], waiting: Waiting): Record<ServerName, Waiting> {
  return Object.fromEntries(servers.map((name) => [name, waiting])) as Record<ServerName, Waiting>;
}
