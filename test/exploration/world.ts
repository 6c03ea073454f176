// A small world for the planners: fleet, rollouts, their transitions, and hosts with model servers, as one JSON value. The planners are the real ones; what carries
// out their plans here is the shortest thing that keeps the promises the agent's own tests hold it to. Time does not exist: whatever may happen may happen next.

import * as fleets from '../../src/domain/fleet';
import type { FleetState } from '../../src/domain/fleet-facts';
import { compareTokens, type Digest, type FleetName, type ModelName, type Pin, type ServerName, type Token, type Version } from '../../src/domain/names';
import type { Mode, RolloutRequest } from '../../src/domain/request';
import { planRollout, type Action } from '../../src/domain/rollout';
import * as happened from '../../src/domain/rollout-state';
import { serverOf, type RolloutState, type ServerReport, type TransitionEnd } from '../../src/domain/rollout-facts';
import { firstStep, lingeringVersions, nextStep, type Goal } from '../../src/domain/transition';
import { transitionInput, type TransitionInput } from '../../src/domain/transition-io';
import type { Verdict } from '../../src/domain/verdict';
import type { ModelView, Proof, ServableState } from '../../src/domain/view';

export const MODEL = 'half' as ModelName;
export const FLEET = 'demo' as FleetName;
/** The second model on the same servers, in worlds that have two. */
export const OTHER = 'other' as ModelName;

/** What is kept per server and model: its key among the hosts of a world. */
export function placeOf(server: ServerName, model: ModelName): ServerName {
  return model === MODEL ? server : `${server}+${model}` as ServerName;
}
export function serverAt(place: ServerName): ServerName { return place.split('+')[0] as ServerName; }

/** What an agent knows, and its server beside it. */
export interface Host {
  readonly token: Token;
  readonly open: boolean;
  readonly staged: readonly Version[];
  readonly aspired: readonly Version[];
  readonly candidate?: Version;
  readonly promoted?: Version;
  readonly before?: { readonly epoch: number; readonly version?: Version };
  readonly drained: readonly Version[];
  /** `own`: by its host's own listing, which is another one than its rollout's. */
  readonly partial?: { readonly version: Version; readonly phase: 'fetched' | 'verified'; readonly own?: true };
  readonly states: Readonly<Record<Version, ServableState>>;
  /** Versions whose load fails on this host, as a fact of the world. */
  readonly broken: readonly Version[];
}

/** A transition as the workflow runs it: one activity at a time, an abort beside it. */
export interface Child {
  readonly input: TransitionInput;
  readonly view?: ModelView;
  readonly before?: { readonly version?: Version };
  readonly listed: boolean;
  readonly worked: boolean;
  readonly released: boolean;
  /** The activity under way; `waiting` at its gate. */
  readonly at: string;
  readonly acts?: Version;
  readonly stopping: boolean;
  readonly failing?: 'LoadFailed' | 'StaleAttempt' | 'ServerUnreachable';
  readonly proof?: Proof;
}

export interface Rollout {
  readonly run: string;
  readonly state: RolloutState;
  /** By server and attempt: the next may begin while the one before is being stopped. */
  readonly children: Readonly<Record<string, Child>>;
  readonly verdict?: Verdict;
  /** Verdict told to the fleet. */
  readonly settled: boolean;
}

export interface World {
  readonly mode: Mode;
  readonly fleet: FleetState;
  /** By place: one model on one server. */
  readonly hosts: Readonly<Record<ServerName, Host>>;
  readonly rollouts: readonly Rollout[];
  /** How often what may go wrong may still go wrong. */
  readonly faults: number;
  /** Wishes that may still come. */
  readonly wishes: readonly ('abort' | 'rollback' | 'pause' | 'update' | 'newer' | 'restart')[];
}

/** After every bake and hold. */
const LATER = 1e12;

const v = (n: number): Version => String(n) as Version;

export interface Shape {
  readonly servers: number;
  readonly mode: Mode;
  readonly waves: readonly number[];
  readonly bake: boolean;
  readonly faults: number;
  readonly wishes: World['wishes'];
  /** The hosts on which version 2 does not load. */
  readonly broken: readonly number[];
  readonly first?: boolean;
  /** A second model is served on the same servers, and wished for at the same time. */
  readonly models?: 2;
}

/** Version 1 is served by all (unless it is the first), and version 2 is wished for. */
export function begin(shape: Shape): World {
  const names = Array.from({ length: shape.servers }, (_, i) => String.fromCharCode(97 + i) as ServerName);
  let fleet = names.reduce((state, server) => fleets.announced(state, { server, incarnation: 'i' }, 0), fleets.emptyFleet(FLEET));
  const models = shape.models === 2 ? [MODEL, OTHER] : [MODEL];
  if (shape.first !== true) fleet = { ...fleet, models: Object.fromEntries(models.map((model) => [model, { stable: { version: v(1), digest: digestOf(v(1)) } }])) };
  const empty: Host = { token: [0, 0], open: false, staged: [], aspired: [], drained: [], states: {}, broken: [] };
  const serving: Host = shape.first === true ? empty : { ...empty, staged: [v(1)], aspired: [v(1)], promoted: v(1), states: { [v(1)]: 'AVAILABLE' } };
  const hosts = Object.fromEntries(models.flatMap((model) => names.map((name, i) => [placeOf(name, model), { ...serving, broken: model === MODEL && shape.broken.includes(i) ? [v(2)] : [] }])));
  const world: World = { mode: shape.mode, fleet, hosts, rollouts: [], faults: shape.faults, wishes: shape.wishes };
  return models.reduce((now, model) => started(now, { ...requestFor(2, shape), model }), world);
}

export function requestFor(version: number, shape: Pick<Shape, 'mode' | 'waves' | 'bake'>): RolloutRequest {
  return {
    fleet: FLEET, model: MODEL, version: v(version), source: { uri: `s3://models/half/${version}/`, region: 'r', credentials: 'env' },
    strategy: { waves: shape.waves.map((count) => ({ count })).concat([{ count: 99 }]), maxUnavailable: 1, mode: shape.mode, bakeSeconds: shape.bake ? 1 : 0, drainSeconds: 0, loadDeadlineSeconds: 1, unloadDeadlineSeconds: 1 },
    onFailure: 'rollback', holdSeconds: 0,
  };
}

/** A rollout begins, claims at once, and its plan is carried out as far as it goes by itself. */
export function started(world: World, request: RolloutRequest): World {
  const run = `r${world.rollouts.length + 1}`;
  const claim = fleets.claim(world.fleet, { model: request.model, version: request.version, workflowId: run, runId: run }, 0);
  if ('refused' in claim) throw claim.refused;
  const state = happened.claimed(happened.begin(request), claim.answer, 0);
  const next = { ...world, fleet: claim.state, rollouts: [...world.rollouts, { run, state, children: {}, settled: false }] };
  return carriedOut(next, next.rollouts.length - 1);
}

/** Plans until nothing more is to be done at once. */
export function carriedOut(world: World, index: number): World {
  for (let round = 0; round < 50; round++) {
    const rollout = rolloutAt(world, index);
    if (rollout.verdict !== undefined) return world;
    // Bakes and holds are over whenever their turn comes: time is whatever makes the plan act.
    const { actions } = planRollout(rollout.state, LATER);
    if (actions.length === 0) return world;
    world = actions.reduce((now, action) => act(now, index, action), world);
  }
  throw new Error('a plan that never comes to rest');
}

function act(world: World, index: number, action: Action): World {
  const { state } = rolloutAt(world, index);
  switch (action.do) {
    case 'claim': return world;
    case 'fence': return changed(world, index, { state: happened.fencing(state, action.server, 0) });
    case 'resolve': return changed(world, index, { state: happened.resolving(state, action.server) });
    case 'stopResolve': return changed(world, index, { state: happened.stoppingResolve(state) });
    case 'start': {
      const input = transitionInput(state, action.server, action.attempt, action.goal, undefined);
      const first = firstStep(input);
      const child: Child = { input, listed: false, worked: first.kind === 'step', released: !input.bake, ...(first.kind === 'begin' ? { at: 'beginAttempt' } : { at: first.step, acts: first.version }), stopping: false, ...(input.before === undefined ? {} : { before: input.before }) };
      return childOf(changed(world, index, { state: happened.started(state, action.server, action.goal.direction, action.attempt, 0, action.goal.overtakes === true && state.resolved === undefined) }), index, child);
    }
    case 'pin': {
      const child = newestChild(world, index, action.server);
      const told = changed(world, index, { state: happened.pinned(state, action.server) });
      if (child === undefined) return told;
      return advanced(childOf(told, index, { ...child, input: { ...child.input, ...action.pinned } }), index, action.server, child.input.token[1]);
    }
    case 'release': {
      const child = newestChild(world, index, action.server);
      const released = changed(world, index, { state: happened.releasing(state, action.server) });
      return child === undefined ? released : advanced(childOf(released, index, { ...child, released: true }), index, action.server, child.input.token[1]);
    }
    case 'stop': {
      const child = newestChild(world, index, action.server);
      const stopped = changed(world, index, { state: happened.stopping(state, action.server, 0) });
      return child === undefined ? stopped : childOf(stopped, index, { ...child, stopping: true });
    }
    case 'finish': return changed(world, index, { verdict: action.verdict });
  }
}

/** After an activity answered: what the transition does next, by the real nextStep. */
export function advanced(world: World, index: number, server: ServerName, attempt: number): World {
  const child = childAt(world, index, server, attempt);
  if (child?.view === undefined || child.stopping || child.failing !== undefined) return world;
  if (child.input.overtakes === true && child.input.pin === undefined) return childOf(world, index, { ...child, at: 'waiting' });
  const next = nextStep(goalOf(child), child.view);
  if (next.kind === 'step') return childOf(world, index, { ...child, at: next.step, acts: next.version, worked: true, listed: child.listed || ['reloadConfig', 'drainVersion', 'unloadVersion'].includes(next.step) });
  if (next.kind === 'waiting') {
    const waiting = childOf(world, index, { ...child, at: 'waiting' });
    return carriedOut(changed(waiting, index, { state: happened.atGate(rolloutAt(waiting, index).state, reportOf(child, server), 0) }), index);
  }
  return closed(world, index, server, attempt, { kind: 'served', steps: child.worked ? ['reloadConfig'] : [] });
}

export function closed(world: World, index: number, server: ServerName, attempt: number, end: TransitionEnd): World {
  const { state, children } = rolloutAt(world, index);
  const child = childAt(world, index, server, attempt);
  const { [keyOf(server, attempt)]: _gone, ...rest } = children;
  const report = child?.view === undefined ? undefined : reportOf(child, server);
  return carriedOut(changed(world, index, { children: rest, state: happened.ended(state, server, end, report, 0, attempt) }), index);
}

function goalOf({ input, released, before }: Child): Goal {
  return {
    mode: input.mode,
    ...(input.version === undefined ? {} : { version: input.version }),
    ...(input.pin === undefined ? {} : { pin: input.pin }),
    ...(input.digest === undefined ? {} : { digest: input.digest }),
    ...(released || before?.version === undefined || before.version === input.version ? {} : { keep: before.version }),
  };
}

function reportOf({ input, view, before, listed, proof }: Child, server: ServerName): ServerReport {
  if (view === undefined) throw new Error('a report needs a view');
  return {
    server, token: input.token, aspired: view.aspired, lingering: lingeringVersions(view), listed,
    ...(before === undefined ? {} : { before }), ...(view.promoted === undefined ? {} : { serving: view.promoted }),
    ...(input.version !== undefined && view.staged[input.version] !== undefined ? { digest: digestOf(input.version) } : {}),
    ...(proof === undefined ? {} : { proof }),
  };
}

/** One agent's view, as the real one gives it. */
export function viewOf(host: Host): ModelView {
  return {
    token: host.token, staged: Object.fromEntries(host.staged.map((one) => [one, { digest: digestOf(one), pin: pinOf(one) }])), aspired: host.aspired,
    states: host.states, labels: {}, waits: {}, drained: host.drained, incarnation: 'i',
    ...(host.promoted === undefined ? {} : { promoted: host.promoted }),
    ...(host.before === undefined ? {} : { before: host.before }),
    ...(host.partial === undefined ? {} : { partial: { version: host.partial.version, phase: host.partial.phase, pin: host.partial.own === true ? 'pin:own' as Pin : pinOf(host.partial.version), bytes: 1, of: 1 } }),
  };
}

export function digestOf(version: Version): Digest { return `sha256:${version}` as Digest; }
export function pinOf(version: Version): Pin { return `pin:${version}` as Pin; }

export function rolloutAt(world: World, index: number): Rollout {
  const found = world.rollouts[index];
  if (found === undefined) throw new Error('no such rollout');
  return found;
}
function keyOf(server: ServerName, attempt: number): string { return `${server}@${attempt}`; }
export function childAt(world: World, index: number, server: ServerName, attempt: number): Child | undefined { return rolloutAt(world, index).children[keyOf(server, attempt)]; }
function newestChild(world: World, index: number, server: ServerName): Child | undefined { return childAt(world, index, server, serverOf(rolloutAt(world, index).state, server).attempt); }
export function hostAt(world: World, server: ServerName): Host {
  const found = world.hosts[server];
  if (found === undefined) throw new Error('no such host');
  return found;
}
export function changed(world: World, index: number, change: Partial<Rollout>): World {
  return { ...world, rollouts: world.rollouts.map((one, i) => (i === index ? { ...one, ...change } : one)) };
}
export function childOf(world: World, index: number, child: Child): World {
  return changed(world, index, { children: { ...rolloutAt(world, index).children, [keyOf(child.input.server, child.input.token[1])]: child } });
}
export function hostOf(world: World, server: ServerName, change: Partial<Host>): World {
  return { ...world, hosts: { ...world.hosts, [server]: { ...hostAt(world, server), ...change } } };
}
export function mayAct(host: Host, token: Token): boolean { return compareTokens(token, host.token) === 0 && host.open; }
