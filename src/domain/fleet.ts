// How each thing that happens changes what a fleet remembers (fleet-facts.ts). What to do about it is decided in fleet-plan.ts.

import { endpointAllowed } from './endpoints';
import { fail, type SegueError } from './failures';
import type { Holder, ModelState, Member, FleetState, ClaimRequest, Settlement } from './fleet-facts';
import type { Announcement } from './host';
import { compareVersions, type FleetName, type ModelName, type ServerName, type Version } from './names';
import type { Claim, KnownBad, Stable } from './rollout-facts';
import { isServed, type Outcome } from './verdict';

/** More than this is a history, not a memory; the oldest is forgotten. */
const MAX_KNOWN_BAD = 20;
/** A repair that fails is tried again after this, twice as long each time, up to the longest. */
const REPAIR_RETRY_MS = 30_000;
const LONGEST_REPAIR_RETRY_MS = 600_000;

export function emptyFleet(fleet: FleetName): FleetState {
  return { fleet, epoch: 0, members: {}, models: {}, superseded: [] };
}

/** Newest – by its start, since claims overtake each other – wins and waits for nobody; the fence on each host keeps it safe. The same run asking again gets the same answer. */
export function claim(state: FleetState, request: ClaimRequest, nowMs: number): { readonly state: FleetState; readonly answer: Claim } | { readonly refused: SegueError } {
  const refused = reasonNotClaimable(state, request);
  if (refused !== undefined) return { refused };
  const { own, unsettled, ...model } = modelOf(state, request.model);
  const before = model.holder;
  if (before?.runId === request.runId) return { state, answer: answerTo(state, model, before) };
  // A fleet that lost its state restarts from the clock, which is ahead of every epoch it gave out before.
  const epoch = Math.max(state.epoch + 1, nowMs);
  const holder: Holder = {
    workflowId: request.workflowId, runId: request.runId, epoch, version: request.version, unsettled: before !== undefined || unsettled === true,
    ...(request.repair === undefined ? {} : { repair: request.repair }),
  };
  const superseded = before === undefined ? state.superseded : [...state.superseded, { workflowId: before.workflowId, runId: before.runId, epoch: before.epoch, by: request.workflowId }];
  // What the fleet was about to start is this very rollout, or what this one replaces: a repair begins again by itself where it is still needed.
  const kept = own === undefined || own.workflowId === request.workflowId || own.why === 'repair' ? {} : { own };
  const newest = request.repair === undefined && request.startedMs !== undefined ? { newest: { workflowId: request.workflowId, startedMs: request.startedMs } } : {};
  const next = { ...withModel(state, request.model, { ...model, ...kept, ...newest, holder }), epoch, superseded };
  return { state: next, answer: answerTo(next, model, holder) };
}

function reasonNotClaimable(state: FleetState, request: ClaimRequest): SegueError | undefined {
  const members = Object.values<Member>(state.members);
  const { holder, stable, newest } = modelOf(state, request.model);
  if (members.length === 0) return fail('InvalidInput', `fleet: no agent has announced itself to fleet ${JSON.stringify(state.fleet)}; start one with: segue agent --fleet ${state.fleet} --server NAME --root DIR --serving HOST:PORT`, { path: 'fleet' });
  if (holder?.runId === request.runId) return undefined;
  if (request.repair === undefined && newest !== undefined && request.startedMs !== undefined && request.startedMs < newest.startedMs) {
    return fail('StaleAttempt', `${request.model}: ${newest.workflowId} was started after ${request.workflowId}, and holds or held the model`, { by: newest.workflowId });
  }
  if (request.repair !== undefined && holder !== undefined && holder.runId !== request.runId) return fail('StaleAttempt', `repair of ${request.model}: ${holder.workflowId} holds the model; what is still behind after it is repaired then`, { holder: holder.workflowId });
  if (request.repair !== undefined && !members.some(({ server }) => request.repair?.includes(server))) return fail('StaleAttempt', `repair of ${request.model}: ${request.repair.join(', ')} left the fleet`, {});
  if (stable !== undefined && request.allowDowngrade !== true && request.repair === undefined && compareVersions(request.version, stable.version) < 0) {
    return fail('InvalidInput', `version: ${request.version} is older than ${stable.version}, which is stable; go back with segue rollout rollback, or say allowDowngrade (--allow-downgrade)`, { path: 'version', stable: stable.version });
  }
  if (request.fetches === false) return undefined;
  const refusing = members.filter((member) => !endpointAllowed(request.endpoint, member.allowEndpoints ?? []));
  if (refusing.length === 0) return undefined;
  return fail('EndpointNotAllowed', `source.endpoint: ${request.endpoint ?? 'the endpoint of AWS'} is not among the endpoints that ${refusing.map((member) => member.server).join(', ')} allows; add --allow-endpoint to its agent or use one it has: ${refusing[0]?.allowEndpoints?.join(', ') ?? ''}`, { path: 'source.endpoint' });
}

function answerTo(state: FleetState, model: ModelState, holder: Holder): Claim {
  const picky = Object.values<Member>(state.members).flatMap(({ server, allowEndpoints = [] }) => (allowEndpoints.length === 0 ? [] : [[server, allowEndpoints] as const]));
  const members = (Object.keys(state.members) as ServerName[]).sort();
  return {
    epoch: holder.epoch, servers: holder.repair === undefined ? members : members.filter((name) => holder.repair?.includes(name)), unsettled: holder.unsettled,
    ...(picky.length === 0 ? {} : { allowEndpoints: Object.fromEntries(picky) as Record<ServerName, readonly string[]> }),
    ...(model.stable === undefined ? {} : { stable: model.stable }),
    ...(model.retained === undefined ? {} : { retained: model.retained.version }),
    ...(model.knownBad === undefined ? {} : { knownBad: model.knownBad }),
  };
}

/** The old holder was told, or is not there any more: both count as settled. */
export function supersededTold(state: FleetState, { epoch }: { readonly epoch: number }): FleetState {
  return { ...state, superseded: state.superseded.filter((one) => one.epoch !== epoch) };
}

/** Only the holder's verdict moves what is stable; the last word of a superseded rollout changes nothing but what is known to be bad. */
export function settle(state: FleetState, last: Settlement, nowMs: number): FleetState {
  const model = remembering(modelOf(state, last.model), last.knownBad);
  const told = supersededTold(withModel(state, last.model, model), last);
  const lost = model.holder === undefined && last.epoch > state.epoch;
  if (model.holder?.epoch !== last.epoch && !lost) return told;
  const { holder, failedRepairs, ...rest } = model;
  const epoch = Math.max(state.epoch, last.epoch);
  if (!isServed(last.outcome)) {
    const repairs = holder?.repair === undefined || last.outcome === 'superseded' ? failedRepairs : afterFailedRepair(failedRepairs, last, nowMs);
    return { ...withModel(told, last.model, { ...rest, ...(repairs === undefined ? {} : { failedRepairs: repairs }) }), epoch };
  }
  const served = last.outcome === 'retired' ? retired(rest) : moved(rest, last, holder?.repair !== undefined);
  return { ...withModel(told, last.model, served), epoch, members: withServing(told.members, last) };
}

/** What Temporal says of a run that holds a model: it is closed, with this outcome where it could be read. */
export interface ClosedRun {
  readonly runId: string;
  readonly outcome?: Outcome;
}

/** A holder that was terminated, or whose last word was lost: nobody waits for it, and its hosts are fenced before the model is touched again. What it served, it served. */
export function holdersGone(state: FleetState, closed: readonly ClosedRun[], nowMs: number): FleetState {
  return Object.entries<ModelState>(state.models).reduce((next, [name, { holder }]) => {
    const gone = holder === undefined ? undefined : closed.find(({ runId }) => runId === holder.runId);
    if (holder === undefined || gone === undefined) return next;
    const model = name as ModelName;
    const { workflowId, runId, version, epoch } = holder;
    const settled = settle(next, { model, version, workflowId, runId, epoch, outcome: gone.outcome !== undefined && isServed(gone.outcome) ? gone.outcome : 'superseded' }, nowMs);
    return withModel(settled, model, { ...modelOf(settled, model), unsettled: true });
  }, state);
}

function remembering(model: ModelState, bad: KnownBad | undefined): ModelState {
  if (bad === undefined) return model;
  return { ...model, knownBad: [...(model.knownBad ?? []).filter((one) => one.digest !== bad.digest), bad].slice(-MAX_KNOWN_BAD) };
}

function afterFailedRepair(before: ModelState['failedRepairs'], { outcome, code }: Settlement, nowMs: number): NonNullable<ModelState['failedRepairs']> {
  const count = (before?.count ?? 0) + 1;
  return { count, nextMs: nowMs + Math.min(LONGEST_REPAIR_RETRY_MS, REPAIR_RETRY_MS * 2 ** (count - 1)), last: code ?? outcome };
}

function moved({ retired: _retired, ...model }: ModelState, { version, digest, source: named, probe, outcome }: Settlement, repair: boolean): ModelState {
  // A repair brings servers to what is stable; it does not say what that is.
  if (repair && model.stable !== undefined) return model;
  const same = model.stable?.version === version ? model.stable : undefined;
  // Nothing was fetched from the source it named, so nobody knows that it holds this content: the one it really came from stays.
  const source = outcome === 'alreadyServed' && same?.source !== undefined ? undefined : named;
  const stable: Stable = {
    ...(same ?? sourceOfRetained(model, version)), version,
    ...(digest === undefined ? {} : { digest }), ...(source === undefined ? {} : { source }), ...(probe === undefined ? {} : { probe }),
  };
  return { ...model, ...(same === undefined && model.stable !== undefined ? { retained: model.stable } : {}), stable };
}

/** Going back brings no source; where the version came from is known since it was stable before. */
function sourceOfRetained({ retained }: ModelState, version: Version): Partial<Stable> {
  return retained?.version === version ? retained : {};
}

function retired({ stable: _stable, retained: _retained, ...model }: ModelState): ModelState {
  return { ...model, retired: true };
}

/** What a rollout saw its servers come to counts as said by their agents, until they say it themselves. */
function withServing(members: FleetState['members'], { model, serving = {}, digest, outcome }: Settlement): FleetState['members'] {
  return Object.fromEntries(Object.entries<Member>(members).map(([name, member]) => {
    if (member.models === undefined) return [name, member];
    const { [model]: _fact, ...others } = member.models;
    const version = serving[name as ServerName];
    if (outcome === 'retired') return [name, { ...member, models: others }];
    if (version === undefined) return [name, member];
    // A drift that is still there is told again.
    return [name, { ...member, models: { ...others, [model]: { version, ...(digest === undefined ? {} : { digest }) } } }];
  })) as FleetState['members'];
}

export function announced(state: FleetState, announcement: Announcement, nowMs: number): FleetState {
  const known = state.members[announcement.server];
  const member: Member = { ...announcement, sinceMs: known?.sinceMs ?? nowMs, announcedMs: nowMs };
  return { ...state, members: { ...state.members, [announcement.server]: member } };
}

/** By an explicit verb only: an agent that is silent has not left. */
export function left(state: FleetState, server: ServerName): FleetState {
  const { [server]: _gone, ...members } = state.members;
  return { ...state, members };
}

/** Who was asked for, and of those who does not poll; a server that joined meanwhile is not spoken of. */
export function checked(state: FleetState, asked: readonly ServerName[], silent: readonly ServerName[], nowMs: number): FleetState {
  const members = Object.fromEntries(Object.entries<Member>(state.members).map(([name, member]) => {
    const { silentSinceMs, ...rest } = member;
    if (!asked.includes(name as ServerName)) return [name, member];
    return [name, silent.includes(name as ServerName) ? { ...rest, silentSinceMs: silentSinceMs ?? nowMs } : rest];
  })) as FleetState['members'];
  return { ...state, members, checkedMs: nowMs };
}

// ---- what people ask of a fleet ----

/** @param version the one to leave; absent: what is stable now. */
export function reasonNotRollback(state: FleetState, model: ModelName, version?: Version): SegueError | undefined {
  const { stable, retained, holder, knownBad = [] } = modelOf(state, model);
  if (stable === undefined) return fail('InvalidInput', `model: nothing of ${model} is stable in fleet ${state.fleet}; there is nothing to go back from`, { path: 'model' });
  if (holder !== undefined && holder.repair === undefined) return fail('InvalidInput', `model: ${holder.workflowId} holds ${model} now; roll that one back or abort it: segue rollout rollback ${holder.workflowId}${overWithoutAWord(state)}`, { path: 'model' });
  if (version !== undefined && version !== stable.version) return fail('InvalidInput', `version: ${version} is not what is stable (${stable.version}); only what is stable is rolled back`, { path: 'version' });
  if (retained === undefined) return fail('InvalidInput', `model: no version before ${stable.version} is known of ${model}; start a rollout of the one you want with allowDowngrade`, { path: 'model' });
  const bad = knownBad.find(({ digest }) => digest === retained.digest);
  if (bad !== undefined) return fail('KnownBadVersion', `model: the version before ${stable.version} is ${retained.version}, which was rolled back itself: ${bad.why}; start a rollout of the one you want`, { path: 'model', digest: bad.digest });
  return undefined;
}

export function reasonNotRetirable(state: FleetState, model: ModelName): SegueError | undefined {
  const { stable, holder } = modelOf(state, model);
  if (stable === undefined && holder === undefined && state.models[model] === undefined) return fail('InvalidInput', `model: fleet ${state.fleet} knows no model ${model}; it has ${Object.keys(state.models).join(', ') || 'none'}`, { path: 'model' });
  if (holder !== undefined && holder.repair === undefined) return fail('InvalidInput', `model: ${holder.workflowId} holds ${model} now; abort it first: segue rollout abort ${holder.workflowId}${overWithoutAWord(state)}`, { path: 'model' });
  if (stable === undefined && servedSomewhere(state, model) === undefined) return fail('InvalidInput', `model: nothing of ${model} is stable and no agent says that it serves any of it; there is nothing to retire`, { path: 'model' });
  return undefined;
}

function overWithoutAWord({ fleet }: FleetState): string {
  return ` (one that was terminated is dropped by: segue fleet check ${fleet})`;
}

/** A version of the model that some agent says it serves. */
export function servedSomewhere({ members }: FleetState, model: ModelName): Version | undefined {
  return Object.values<Member>(members).map(({ models }) => models?.[model]?.version).find((version) => version !== undefined);
}

export interface Asked {
  readonly model: ModelName;
  readonly reason?: string;
  readonly by?: string;
}

/** The stable content is bad from now on, and the version before is rolled out from the disks. */
export function rollbackAsked(state: FleetState, { model, ...asked }: Asked, nowMs: number): FleetState {
  const { stable } = modelOf(state, model);
  const bad = stable?.digest === undefined ? undefined : { digest: stable.digest, version: stable.version, why: `rolled back${asked.by === undefined ? '' : ` by ${asked.by}`}${asked.reason === undefined ? '' : `: ${asked.reason}`}`, atMs: nowMs };
  return withModel(state, model, { ...remembering(modelOf(state, model), bad), own: { workflowId: `rollback/${state.fleet}/${model}/${nowMs}`, why: 'rollback', askedMs: nowMs, ...asked } });
}

export function verbRefused(state: FleetState, verb: string, message: string, nowMs: number): FleetState {
  return { ...state, refusal: { verb, message, atMs: nowMs } };
}

export function verbTaken({ refusal: _refusal, ...state }: FleetState): FleetState {
  return state;
}

export function retireAsked(state: FleetState, { model, ...asked }: Asked, nowMs: number): FleetState {
  return withModel(state, model, { ...modelOf(state, model), own: { workflowId: `retire/${state.fleet}/${model}/${nowMs}`, why: 'retire', askedMs: nowMs, ...asked } });
}

// ---- what the fleet starts by itself ----

export function repairing(state: FleetState, model: ModelName, servers: readonly ServerName[], nowMs: number): FleetState {
  return withModel(state, model, { ...modelOf(state, model), own: { workflowId: `repair/${state.fleet}/${model}/${nowMs}`, why: 'repair', servers, askedMs: nowMs } });
}

export function ownStarted(state: FleetState, model: ModelName, workflowId: string, nowMs: number): FleetState {
  const { own } = modelOf(state, model);
  return own?.workflowId === workflowId ? withModel(state, model, { ...modelOf(state, model), own: { ...own, startedMs: nowMs } }) : state;
}

/** It could not be started, or never claimed. */
export function ownLost(state: FleetState, model: ModelName, workflowId: string, why: string, nowMs: number): FleetState {
  const { own, ...rest } = modelOf(state, model);
  if (own?.workflowId !== workflowId) return state;
  const count = (rest.failedRepairs?.count ?? 0) + 1;
  return withModel(state, model, { ...rest, failedRepairs: { count, nextMs: nowMs + Math.min(LONGEST_REPAIR_RETRY_MS, REPAIR_RETRY_MS * 2 ** (count - 1)), last: why } });
}

export function modelOf(state: FleetState, model: ModelName): ModelState {
  return state.models[model] ?? {};
}

function withModel(state: FleetState, model: ModelName, next: ModelState): FleetState {
  return { ...state, models: { ...state.models, [model]: next } };
}
