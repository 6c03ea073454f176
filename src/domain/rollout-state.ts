// How each thing that happens changes what a rollout knows (rollout-facts.ts). What to do about it is decided in rollout.ts.

import type { Progress } from './host';
import { endpointAllowed } from './endpoints';
import type { Failure } from './failures';
import { compareTokens, type Digest, type ServerName, type Token, type Version } from './names';
import type { RolloutRequest } from './request';
import { names, notSeen, serverOf, type Wish, type KnownBad, type Claim, type TransitionEnd, type ServerReport, type ServerState, type RolloutState, type Pause } from './rollout-facts';
import type { ResolvedSource } from './source';
import { timeText } from './time-text';
import type { Proof } from './view';

export function begin(request: RolloutRequest): RolloutState {
  return { request, wish: { kind: 'serve' }, attempt: 1, servers: {} };
}

export function claimed(state: RolloutState, claim: Claim, nowMs: number): RolloutState {
  const names = [...claim.servers].sort();
  const fresh: ServerState = { activity: 'none', fenced: !claim.unsettled, direction: 'forward', attempt: 0, released: false, notSeen: false, listed: false, aspired: [], lingering: [], sinceMs: nowMs };
  // What is stable under this very number says what the number stands for, before anything is listed or fetched.
  const stable = claim.stable?.version === state.request.version && !state.request.allowReuse ? claim.stable.digest : undefined;
  const known = state.request.digest ?? stable;
  const next = { ...state, claim: { ...claim, servers: names }, ...(known === undefined ? {} : { digest: known }), servers: Object.fromEntries(names.map((name) => [name, fresh])) };
  // What the source holds is not known yet: that it is the stable content is for its listing to say.
  return state.request.digest === undefined ? next : refuseKnownBad(next, state.request.digest, undefined, nowMs);
}

export function tokenOf(state: RolloutState, attempt: number): Token {
  return [state.claim?.epoch ?? 0, attempt];
}

export function fencing(state: RolloutState, server: ServerName, nowMs: number): RolloutState {
  return withServer(state, server, { activity: 'fencing', step: 'abortAttempt', sinceMs: nowMs });
}

/** Fenced with its proof, or its agent did not answer. */
export function fenced(state: RolloutState, server: ServerName, answer: { readonly proof: Proof; readonly serving?: Version; readonly aspired: readonly Version[] } | 'notSeen'): RolloutState {
  if (answer === 'notSeen') return withServer(state, server, { activity: 'none', fenced: true, notSeen: true });
  return withServer(state, server, { activity: 'none', fenced: true, proof: answer.proof, aspired: answer.aspired, ...(answer.serving === undefined ? {} : { serving: answer.serving }) });
}

export function resolving(state: RolloutState, server: ServerName): RolloutState {
  return { ...state, resolving: { server, attempt: state.attempt, stopping: false } };
}

export function stoppingResolve(state: RolloutState): RolloutState {
  return state.resolving === undefined ? state : { ...state, resolving: { ...state.resolving, stopping: true } };
}

/** What the listing said, for the attempt that asked: an answer to an older attempt says nothing about the source wanted now. */
export function resolved(state: RolloutState, attempt: number, server: ServerName, answer: ResolvedSource | Failure | 'notSeen', nowMs: number): RolloutState {
  const { resolving: asked, ...rest } = state;
  if (answer === 'notSeen') return withServer(rest, server, { notSeen: true, sinceMs: nowMs });
  if (attempt !== state.attempt || asked?.stopping === true) return rest;
  if ('code' in answer) return failed(rest, answer, server, nowMs);
  if (answer.digest !== undefined && state.digest !== undefined && answer.digest !== state.digest) return failed(rest, reused(state.digest, answer.digest, state), server, nowMs);
  const digest = answer.digest ?? state.digest;
  const next = { ...rest, resolved: answer, ...(digest === undefined ? {} : { digest }) };
  return digest === undefined ? next : refuseKnownBad(next, digest, server, nowMs);
}

/** @param unpinned it fetches before the source was listed for all */
export function started(state: RolloutState, server: ServerName, direction: 'forward' | 'back', attempt: number, nowMs: number, unpinned = false): RolloutState {
  const { end: _end, gateSinceMs: _gate, unpinned: _unpinned, ...rest } = serverOf(state, server);
  const overtaken = rest.activity === 'stopping' ? { overtaken: rest.attempt } : {};
  return { ...state, servers: { ...state.servers, [server]: { ...rest, ...overtaken, activity: 'transition', direction, attempt, released: false, step: 'beginAttempt', sinceMs: nowMs, ...(unpinned ? { unpinned } : {}) } } };
}

/** It is told the listing. */
export function pinned(state: RolloutState, server: ServerName): RolloutState {
  const { unpinned: _unpinned, ...rest } = serverOf(state, server);
  return { ...state, servers: { ...state.servers, [server]: rest } };
}

/** A step began on the host, by the host's word: shown, never decided upon. */
export function progressed(state: RolloutState, progress: Progress): RolloutState {
  const server = state.servers[progress.server];
  if (server === undefined || server.activity === 'none' || compareTokens(progress.token, tokenOf(state, server.attempt)) !== 0) return state;
  return withServer(state, progress.server, { step: progress.step, sinceMs: progress.sinceMs, ...(progress.version === undefined ? {} : { serving: progress.version }) });
}

export function atGate(state: RolloutState, report: ServerReport, nowMs: number): RolloutState {
  const server = state.servers[report.server];
  if (server === undefined || compareTokens(report.token, tokenOf(state, server.attempt)) !== 0) return state;
  return learn(withServer(state, report.server, { ...facts(server, report), gateSinceMs: nowMs, sinceMs: nowMs }), report, nowMs);
}

export function releasing(state: RolloutState, server: ServerName): RolloutState {
  return withServer(state, server, { released: true });
}

export function stopping(state: RolloutState, server: ServerName, nowMs: number): RolloutState {
  return withServer(state, server, { activity: 'stopping', step: 'abortAttempt', sinceMs: nowMs });
}

/** A transition closed. What it means depends on what was asked of it, never on how it closed (DESIGN §5). */
export function ended(state: RolloutState, server: ServerName, end: TransitionEnd, report: ServerReport | undefined, nowMs: number, attempt = serverOf(state, server).attempt): RolloutState {
  const before = serverOf(state, server);
  if (attempt !== before.attempt) return overtakenEnded(state, server, report, attempt);
  const asked = before.activity === 'stopping';
  // What failed while it was being stopped is stopped where the host proved it. Where even the abort had no answer, nobody saw it stop.
  const meant: TransitionEnd = asked && end.kind === 'failed' ? { kind: report?.proof === undefined ? 'notSeen' : 'stopped' } : end;
  const { gateSinceMs: _gate, unpinned: _unpinned, ...rest } = report === undefined ? before : withoutServing(before);
  const after: ServerState = { ...rest, ...(report === undefined ? {} : facts(before, report)), activity: 'none', end: meant, notSeen: before.notSeen || meant.kind === 'notSeen', sinceMs: nowMs };
  const next = { ...state, servers: { ...state.servers, [server]: after } };
  if (before.direction === 'back') return next;
  if (meant.kind === 'failed') return failed(next, meant.failure, server, nowMs);
  // Somebody cancelled the child by hand: that is a wish, and the only one it can be.
  if (meant.kind === 'stopped' && !asked && next.wish.kind === 'serve') return { ...next, wish: { kind: 'abort', reason: `the transition of ${server} was cancelled by hand` } };
  return report === undefined ? next : learn(next, report, nowMs);
}

/** Of what was overtaken only what it did and its proof count: what the server is like now, its successor tells. */
function overtakenEnded(state: RolloutState, server: ServerName, report: ServerReport | undefined, attempt: number): RolloutState {
  const { overtaken, ...rest } = serverOf(state, server);
  if (overtaken !== attempt) return state;
  const newer = rest.proof !== undefined && report?.proof !== undefined && compareTokens(rest.proof.token, report.proof.token) > 0;
  const after: ServerState = {
    ...rest, listed: rest.listed || report?.listed === true,
    ...(rest.before === undefined && report?.before !== undefined ? { before: report.before } : {}),
    ...(report?.proof === undefined || newer ? {} : { proof: report.proof }),
  };
  return { ...state, servers: { ...state.servers, [server]: after } };
}

/** A run of this rollout before its reset began this attempt, and perhaps ended it: the next one is greater, and fences it. Where no next one begins, nobody saw how it ended. */
export function attemptTaken(state: RolloutState, server: ServerName, nowMs: number, attempt = serverOf(state, server).attempt): RolloutState {
  if (attempt !== serverOf(state, server).attempt) return overtakenEnded(state, server, undefined, attempt);
  const rested = withServer(state, server, { activity: 'none', sinceMs: nowMs });
  if (serverOf(state, server).direction === 'forward') {
    const goesOn = state.wish.kind === 'serve' && failureOf(state) === undefined;
    return goesOn ? { ...rested, attempt: state.attempt + 1 } : withServer(rested, server, { end: { kind: 'notSeen' }, notSeen: true });
  }
  return withServer(rested, server, { end: { kind: 'failed', failure: { code: 'StaleAttempt', message: 'this attempt began before the rollout was reset' } } });
}

export function wished(state: RolloutState, wish: Wish): RolloutState {
  // The first wish that ends the rollout stands; a supersession overrides one to go back, because the newer rollout takes the world as it is.
  const goesBack = state.wish.kind === 'abort' || state.wish.kind === 'rollback';
  if (state.wish.kind !== 'serve' && !(wish.kind === 'supersede' && goesBack)) return state;
  return { ...state, wish };
}

export function refused(state: RolloutState, refusal: string): RolloutState {
  return { ...state, refusal };
}

/** In what way it is ending, where it is: an end is not paused. */
export function reasonNotPausable(state: RolloutState): string | undefined {
  if (state.wish.kind !== 'serve') return `ending (${state.wish.kind})`;
  const failure = failureOf(state);
  return failure === undefined ? undefined : state.request.onFailure === 'hold' ? `holding (${failure.code})` : `ending (${failure.code})`;
}

/** Holds back what has not begun. Who paused first is remembered. */
export function paused(state: RolloutState, pause: Pause): RolloutState {
  return state.pause === undefined ? { ...state, pause } : state;
}

export function resumed(state: RolloutState): RolloutState {
  const { pause: _pause, ...rest } = state;
  return rest;
}

/** Why the request an update would leave makes no sense, or nothing. */
export function reasonNotUpdatable(state: RolloutState, request: RolloutRequest = state.request): Failure | undefined {
  const over = (why: string): Failure => ({ code: 'InvalidInput', message: `this rollout is ${why}; start a new one` });
  if (state.request.retire) return over('a retirement, which has no source and no options that count');
  if (state.wish.kind !== 'serve') return over(`ending (${state.wish.kind})`);
  const failure = failureOf(state);
  if (failure !== undefined && state.request.onFailure !== 'hold') return over(`ending (${failure.code})`);
  if (Object.values<ServerState>(state.servers).some((server) => server.direction === 'back')) return over('going back');
  if (request.source === undefined) return undefined;
  const { endpoint } = request.source;
  const refusing = Object.entries<readonly string[]>(state.claim?.allowEndpoints ?? {}).filter(([, allowed]) => !endpointAllowed(endpoint, allowed));
  if (refusing.length === 0) return undefined;
  return { code: 'EndpointNotAllowed', message: `source.endpoint: ${endpoint ?? 'the endpoint of AWS'} is not among the endpoints that ${refusing.map(([name]) => name).join(', ')} allows: ${refusing[0]?.[1].join(', ') ?? ''}` };
}

/** A new source (or a retry of what failed) is a new attempt: older transitions are stopped first. Other options count from the next server on. */
export function updated(state: RolloutState, request: RolloutRequest): RolloutState {
  const sourceChanged = JSON.stringify(request.source) !== JSON.stringify(state.request.source);
  if (!sourceChanged && failureOf(state) === undefined) return { ...state, request };
  const { resolved: _resolved, failure: _failure, digest, refusal: _refusal, ...rest } = state;
  // What was only ever fetched from the old source binds nobody; what some server serves is this version for ever.
  const bound = (state.claim?.stable?.version === request.version && !request.allowReuse) || Object.values<ServerState>(state.servers).some((server) => server.serving === request.version);
  // Whoever was silent is asked again: that its agent is back is why somebody ends a hold.
  const servers = Object.fromEntries(Object.entries<ServerState>(state.servers).map(([name, server]) => [name, { ...server, notSeen: false }]));
  return { ...rest, request, servers, attempt: state.attempt + 1, ...definite(request.digest ?? (bound ? digest : undefined)) };
}

function definite(digest: Digest | undefined): { readonly digest?: Digest } {
  return digest === undefined ? {} : { digest };
}

/** The first failure told, or one that follows from what is not seen. */
export function failureOf(state: RolloutState): RolloutState['failure'] {
  if (state.failure !== undefined) return state.failure;
  const unseen = notSeen(state);
  const { maxUnavailable, mode } = state.request.strategy;
  const bound = mode === 'resource' ? maxUnavailable - 1 : maxUnavailable;
  if (unseen.length === 0 || (unseen.length <= bound && unseen.length < names(state).length)) return undefined;
  const sinceMs = Math.max(...unseen.map((name) => serverOf(state, name).sinceMs));
  return { code: 'ServerUnreachable', message: `the agents of ${unseen.join(', ')} did not answer; maxUnavailable is ${maxUnavailable}`, detail: { servers: unseen }, atMs: sinceMs };
}

export function failed(state: RolloutState, failure: Failure, server: ServerName | undefined, nowMs: number): RolloutState {
  if (state.failure !== undefined) return state;
  return { ...state, failure: { ...failure, atMs: nowMs, ...(server === undefined ? {} : { server }) } };
}

/** Content that was rolled back before is refused as soon as anybody knows that it is this one. */
function refuseKnownBad(state: RolloutState, digest: Digest, server: ServerName | undefined, nowMs: number): RolloutState {
  const known = state.request.allowKnownBad || state.request.retire ? undefined : state.claim?.knownBad?.find((one) => one.digest === digest);
  return known === undefined ? state : failed(state, knownBadFailure(state.request, known), server, nowMs);
}

export function knownBadFailure({ model, version }: Pick<RolloutRequest, 'model' | 'version'>, known: Pick<KnownBad, 'digest'> & Partial<KnownBad>): Failure {
  const when = known.atMs === undefined ? '' : ` at ${timeText(known.atMs)}`;
  return { code: 'KnownBadVersion', message: `${model}/${version} is ${known.digest}, which was rolled back${known.version === undefined ? '' : ` as version ${known.version}`}${when}${known.why === undefined ? '' : `: ${known.why}`}; serve a new version, or say allowKnownBad (--allow-known-bad)`, detail: { digest: known.digest } };
}

/** The first server that verified says what the version is; another content under the same number is not the same version. */
function learn(state: RolloutState, report: ServerReport, nowMs: number): RolloutState {
  if (report.digest === undefined || report.digest === state.digest) return state;
  if (state.digest === undefined) return refuseKnownBad({ ...state, digest: report.digest }, report.digest, report.server, nowMs);
  return failed(state, reused(state.digest, report.digest, state), report.server, nowMs);
}

function reused(want: Digest, found: Digest, state: RolloutState): Failure {
  const { model, version } = state.request;
  return { code: 'VersionReused', message: `${model}/${version} is ${want}; this content is ${found}: a version number stands for one content for ever, give the new content a new number`, detail: { want, found } };
}

function facts(server: ServerState, report: ServerReport): Partial<ServerState> {
  return {
    listed: server.listed || report.listed,
    aspired: report.aspired,
    lingering: report.lingering,
    ...(server.before === undefined && report.before !== undefined ? { before: report.before } : {}),
    ...(report.serving === undefined ? {} : { serving: report.serving }),
    ...(report.probed === undefined ? {} : { probed: report.probed }),
    ...(report.heldAgainst === undefined ? {} : { heldAgainst: report.heldAgainst }),
    ...(report.proof === undefined ? {} : { proof: report.proof }),
  };
}

/** A report says what is served now; that it says nothing means that nothing is. */
function withoutServing({ serving: _serving, ...server }: ServerState): ServerState {
  return server;
}

function withServer(state: RolloutState, server: ServerName, change: Partial<ServerState>): RolloutState {
  return { ...state, servers: { ...state.servers, [server]: { ...serverOf(state, server), ...change } } };
}
