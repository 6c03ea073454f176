// What a fleet remembers: members, what is stable, who holds which model; and what it does about it. Small: no per-step events, owns no children.

import { fail, type SegueError } from './failures';
import { endpointAllowed } from './endpoints';
import type { Announcement } from './host';
import type { Digest, FleetName, ModelName, ServerName, Version } from './names';
import type { Claim, Stable } from './rollout-state';
import type { Outcome } from './verdict';

export interface RolloutRef {
  readonly workflowId: string;
  readonly runId: string;
}

export interface Holder extends RolloutRef {
  readonly epoch: number;
  readonly version: Version;
  /** As answered to it: the same claim again gets the same answer. */
  readonly unsettled: boolean;
}

export interface ModelState {
  readonly stable?: Stable;
  /** The version before: the one whose directory agents keep, so that going back needs no bytes. */
  readonly retained?: Stable;
  readonly holder?: Holder;
}

export interface Member extends Announcement {
  /** Workflow time of its first and its last announcement, epoch milliseconds. */
  readonly sinceMs: number;
  readonly announcedMs: number;
}

export interface FleetState {
  readonly fleet: FleetName;
  /** The highest epoch given out. */
  readonly epoch: number;
  readonly members: Readonly<Record<ServerName, Member>>;
  readonly models: Readonly<Record<ModelName, ModelState>>;
  /** Holders that a newer claim replaced and that have not been told yet. */
  readonly superseded: readonly (RolloutRef & { readonly by: string })[];
}

export interface ClaimRequest extends RolloutRef {
  readonly model: ModelName;
  readonly version: Version;
  readonly endpoint?: string;
}

/** A rollout's last word to its fleet. */
export interface Settlement extends RolloutRef {
  readonly model: ModelName;
  readonly version: Version;
  readonly digest?: Digest;
  readonly outcome: Outcome;
  /** The epoch it held: a fleet that lost its state learns from it not to fall behind. */
  readonly epoch: number;
}

export type FleetAction = { readonly do: 'supersede'; readonly holder: RolloutRef; readonly by: string } | { readonly do: 'complete' };
/** Why the fleet rests: data for a person. */
export type FleetWaiting = { readonly on: 'rollout'; readonly model: ModelName; readonly holder: string } | { readonly on: 'wish' };

export function emptyFleet(fleet: FleetName): FleetState {
  return { fleet, epoch: 0, members: {}, models: {}, superseded: [] };
}

export function planFleet(state: FleetState): { readonly actions: readonly FleetAction[]; readonly waits: readonly FleetWaiting[] } {
  const supersede = state.superseded.map(({ workflowId, runId, by }): FleetAction => ({ do: 'supersede', holder: { workflowId, runId }, by }));
  const held = Object.entries<ModelState>(state.models).flatMap(([model, { holder }]): FleetWaiting[] => (holder === undefined ? [] : [{ on: 'rollout', model: model as ModelName, holder: holder.workflowId }]));
  if (supersede.length === 0 && held.length === 0 && isForgettable(state)) return { actions: [{ do: 'complete' }], waits: [] };
  return { actions: supersede, waits: held.length > 0 ? held : [{ on: 'wish' }] };
}

/** Without members and without anything stable there is nothing to remember: a typo makes no immortal fleet. */
function isForgettable(state: FleetState): boolean {
  return Object.keys(state.members).length === 0 && Object.values<ModelState>(state.models).every((model) => model.stable === undefined);
}

/** Newest wins and waits for nobody; the fence on each host keeps it safe. The same run asking again gets the same answer. */
export function claim(state: FleetState, request: ClaimRequest, nowMs: number): { readonly state: FleetState; readonly answer: Claim } | { readonly refused: SegueError } {
  const refused = reasonNotClaimable(state, request);
  if (refused !== undefined) return { refused };
  const model = state.models[request.model] ?? {};
  const before = model.holder;
  if (before?.runId === request.runId) return { state, answer: answerTo(state, model, before) };
  // A fleet that lost its state restarts from the clock, which is ahead of every epoch it gave out before.
  const epoch = Math.max(state.epoch + 1, nowMs);
  const holder: Holder = { workflowId: request.workflowId, runId: request.runId, epoch, version: request.version, unsettled: before !== undefined };
  const superseded = before === undefined ? state.superseded : [...state.superseded, { workflowId: before.workflowId, runId: before.runId, by: request.workflowId }];
  const next = { ...state, epoch, superseded, models: { ...state.models, [request.model]: { ...model, holder } } };
  return { state: next, answer: answerTo(next, model, holder) };
}

function reasonNotClaimable(state: FleetState, request: ClaimRequest): SegueError | undefined {
  const members = Object.values<Member>(state.members);
  if (members.length === 0) return fail('InvalidInput', `fleet: no agent has announced itself to fleet ${JSON.stringify(state.fleet)}; start one with: segue agent --fleet ${state.fleet} --server NAME --root DIR --serving HOST:PORT`, { path: 'fleet' });
  const refusing = members.filter((member) => !endpointAllowed(request.endpoint, member.allowEndpoints ?? []));
  if (refusing.length === 0) return undefined;
  return fail('EndpointNotAllowed', `source.endpoint: ${request.endpoint ?? 'the endpoint of AWS'} is not among the endpoints that ${refusing.map((member) => member.server).join(', ')} allows; add --allow-endpoint to its agent or use one it has: ${refusing[0]?.allowEndpoints?.join(', ') ?? ''}`, { path: 'source.endpoint' });
}

function answerTo(state: FleetState, model: ModelState, holder: Holder): Claim {
  const picky = Object.values<Member>(state.members).flatMap(({ server, allowEndpoints = [] }) => (allowEndpoints.length === 0 ? [] : [[server, allowEndpoints] as const]));
  return {
    epoch: holder.epoch, servers: (Object.keys(state.members) as ServerName[]).sort(), unsettled: holder.unsettled,
    ...(picky.length === 0 ? {} : { allowEndpoints: Object.fromEntries(picky) as Record<ServerName, readonly string[]> }),
    ...(model.stable === undefined ? {} : { stable: model.stable }),
  };
}

/** The old holder was told, or is not there any more: both count as settled. */
export function supersededTold(state: FleetState, holder: RolloutRef): FleetState {
  return { ...state, superseded: state.superseded.filter((one) => one.runId !== holder.runId) };
}

/** Only the holder's verdict moves what is stable; the last word of a superseded rollout changes nothing. */
export function settle(state: FleetState, last: Settlement): FleetState {
  const model = state.models[last.model] ?? {};
  const lost = model.holder === undefined && last.epoch > state.epoch;
  if (model.holder?.runId !== last.runId && !lost) return supersededTold(state, last);
  const { holder: _holder, ...rest } = model;
  const served = last.outcome === 'served' || last.outcome === 'alreadyServed';
  const stable: Stable = { version: last.version, ...(last.digest === undefined ? {} : { digest: last.digest }) };
  const moved = served && rest.stable?.version !== last.version && rest.stable !== undefined ? { retained: rest.stable } : {};
  const next: ModelState = served ? { ...rest, ...moved, stable } : rest;
  return { ...supersededTold(state, last), epoch: Math.max(state.epoch, last.epoch), models: { ...state.models, [last.model]: next } };
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
