// What a fleet does next: whom it tells, what it starts, whom it checks, and why it rests. A value in, a value out.

import { servedSomewhere } from './fleet';
import type { RolloutRef, FleetState, Member, ModelState, OwnRollout, SupersededRef } from './fleet-facts';
import type { Drift } from './host';
import type { ModelName, ServerName, Version } from './names';
import type { Stable } from './rollout-facts';

export type FleetAction =
  | { readonly do: 'supersede'; readonly holder: SupersededRef }
  /** Writes down that these servers are behind; starting the repair follows from that. */
  | { readonly do: 'repair'; readonly model: ModelName; readonly servers: readonly ServerName[] }
  | { readonly do: 'start'; readonly model: ModelName; readonly own: OwnRollout; readonly input: OwnInput }
  | { readonly do: 'giveUp'; readonly model: ModelName; readonly workflowId: string }
  /** Who of these polls, and whether the runs that hold a model are still open. */
  | { readonly do: 'check'; readonly servers: readonly ServerName[]; readonly holders: readonly RolloutRef[] }
  | { readonly do: 'complete' };

/** The request of a rollout that the fleet starts, as anybody would write it. */
export type OwnInput = Readonly<Record<string, unknown>>;

/** Why the fleet rests: data for a person. */
export type FleetWaiting =
  | { readonly on: 'rollout'; readonly model: ModelName; readonly holder: string }
  | { readonly on: 'claim'; readonly model: ModelName; readonly of: string }
  /** Behind, and not repaired yet. */
  | { readonly on: 'repair'; readonly model: ModelName; readonly servers: readonly ServerName[]; readonly untilMs: number }
  | { readonly on: 'silent'; readonly servers: readonly ServerName[] }
  | { readonly on: 'wish' };

export interface FleetPlan {
  readonly actions: readonly FleetAction[];
  readonly waits: readonly FleetWaiting[];
  /** Plan again then, if nothing happens before (workflow time, epoch milliseconds). */
  readonly wakeAtMs?: number;
}

/** A server that is not where it should be. */
export interface Behind {
  readonly server: ServerName;
  readonly model: ModelName;
  /** Absent: the model was retired, and nothing of it shall be served. */
  readonly want?: Stable;
  /** By its agent's last word; absent: nothing of this model. */
  readonly serves?: Version;
  readonly drift?: Drift;
  /** Workflow time of the word. */
  readonly sinceMs: number;
}

/** Silence is looked for this often; everything else comes by itself. */
const CHECK_SECONDS = 600;
/** What an agent said just now may be the echo of a rollout that has just ended: a fact must last this long before bytes move. */
const REPAIR_AFTER_MS = 5_000;
/** A rollout claims within a second of its start; one that has not after this was ended from outside. */
const CLAIM_WITHIN_MS = 420_000;

export function planFleet(state: FleetState, nowMs: number): FleetPlan {
  const plans = [supersessions(state), ...(Object.keys(state.models) as ModelName[]).sort().map((model) => planModel(state, model, nowMs)), planCheck(state, nowMs)];
  const actions = plans.flatMap((plan) => plan.actions);
  const waits = plans.flatMap((plan) => plan.waits);
  if (actions.length === 0 && waits.length === 0 && isForgettable(state)) return { actions: [{ do: 'complete' }], waits: [] };
  const wakes = plans.flatMap((plan) => plan.wakeAtMs ?? []);
  return { actions, waits: waits.length > 0 ? waits : [{ on: 'wish' }], ...(wakes.length === 0 ? {} : { wakeAtMs: Math.min(...wakes) }) };
}

/** Without members and without anything stable there is nothing to remember: a typo makes no immortal fleet. */
function isForgettable(state: FleetState): boolean {
  return Object.keys(state.members).length === 0 && Object.values<ModelState>(state.models).every((model) => model.stable === undefined);
}

function supersessions(state: FleetState): FleetPlan {
  return { actions: state.superseded.map((holder): FleetAction => ({ do: 'supersede', holder })), waits: [] };
}

function planModel(state: FleetState, model: ModelName, nowMs: number): FleetPlan {
  const { holder, own, failedRepairs } = state.models[model] ?? {};
  // What a person asked for goes before everything, and supersedes a repair; a repair waits for every rollout.
  if (own !== undefined && (holder === undefined || own.why !== 'repair')) return planOwn(state, model, own, nowMs);
  if (holder !== undefined) return { actions: [], waits: [{ on: 'rollout', model, holder: holder.workflowId }] };
  const behind = behindOf(state, model).filter(({ server }) => state.members[server]?.silentSinceMs === undefined);
  if (behind.length === 0) return { actions: [], waits: [] };
  const servers = behind.map(({ server }) => server);
  const untilMs = Math.max(failedRepairs?.nextMs ?? 0, Math.min(...behind.map(({ sinceMs }) => sinceMs)) + REPAIR_AFTER_MS);
  if (nowMs < untilMs) return { actions: [], waits: [{ on: 'repair', model, servers, untilMs }], wakeAtMs: untilMs };
  return { actions: [{ do: 'repair', model, servers }], waits: [] };
}

function planOwn(state: FleetState, model: ModelName, own: OwnRollout, nowMs: number): FleetPlan {
  if (own.startedMs === undefined) {
    const input = inputOf(state, model, own);
    return { actions: [input === undefined ? { do: 'giveUp', model, workflowId: own.workflowId } : { do: 'start', model, own, input }], waits: [] };
  }
  const untilMs = own.startedMs + CLAIM_WITHIN_MS;
  if (nowMs >= untilMs) return { actions: [{ do: 'giveUp', model, workflowId: own.workflowId }], waits: [] };
  return { actions: [], waits: [{ on: 'claim', model, of: own.workflowId }], wakeAtMs: untilMs };
}

function inputOf(state: FleetState, model: ModelName, { why, servers, by, reason }: OwnRollout): OwnInput | undefined {
  const { fleet, models } = state;
  const { stable, retained } = models[model] ?? {};
  const version = stable?.version ?? servedSomewhere(state, model);
  const retirement = (more: OwnInput): OwnInput | undefined => (version === undefined ? undefined : { fleet, model, version, retire: true, ...more });
  const who = { requestedBy: by ?? `fleet ${fleet}`, ...(reason === undefined ? {} : { reason }) };
  const of = (version: Stable): OwnInput => ({ fleet, model, version: version.version, ...(version.digest === undefined ? {} : { digest: version.digest }) });
  switch (why) {
    case 'repair': if (stable === undefined) return retirement({ repair: { servers }, reason: `repair of ${servers?.join(', ') ?? ''}`.slice(0, 500), requestedBy: `fleet ${fleet}` });
      return stable.source === undefined ? undefined : {
      ...of(stable), source: stable.source, repair: { servers }, allowKnownBad: true, reason: `repair of ${servers?.join(', ') ?? ''}`.slice(0, 500), requestedBy: `fleet ${fleet}`, onFailure: 'rollback',
      ...(stable.probe === undefined ? {} : { probe: stable.probe }),
    };
    case 'rollback': return retained === undefined ? undefined : { ...of(retained), ...(retained.source === undefined ? {} : { source: retained.source, ...(retained.digest === undefined ? {} : { preferDisk: true }) }), allowDowngrade: true, ...who, ...(retained.probe === undefined ? {} : { probe: retained.probe }) };
    case 'retire': return retirement(who);
  }
}

/** Members whose agent's last word differs from what is stable. Who has said nothing of models yet, or does not know its own list, is not spoken of: nothing follows from silence. */
export function behindOf({ members, models }: FleetState, model: ModelName): readonly Behind[] {
  const { stable: want, retired } = models[model] ?? {};
  // Without a word about the model nothing is wanted: a fleet that lost its memory unloads nothing.
  if (want === undefined ? retired === undefined : want.source === undefined) return [];
  return Object.values<Member>(members).filter(({ seeded, models: facts }) => seeded !== false && facts !== undefined).flatMap(({ server, models: facts = {}, announcedMs }): Behind[] => {
    const { version, digest, drift } = facts[model] ?? {};
    const other = version !== want?.version || (digest !== undefined && want?.digest !== undefined && digest !== want.digest);
    if (!other && drift?.repair !== 'fleet') return [];
    return [{ server, model, ...(want === undefined ? {} : { want }), sinceMs: announcedMs, ...(version === undefined ? {} : { serves: version }), ...(drift === undefined ? {} : { drift }) }];
  }).sort((a, b) => (a.server < b.server ? -1 : 1));
}

function planCheck({ members, models, checkedMs, checkSeconds = CHECK_SECONDS }: FleetState, nowMs: number): FleetPlan {
  const servers = (Object.keys(members) as ServerName[]).sort();
  if (servers.length === 0) return { actions: [], waits: [] };
  const silent = servers.filter((name) => members[name]?.silentSinceMs !== undefined);
  const first = Math.min(...Object.values<Member>(members).map(({ sinceMs }) => sinceMs));
  const dueMs = (checkedMs ?? first) + checkSeconds * 1000;
  if (nowMs >= dueMs) return { actions: [{ do: 'check', servers, holders: holdersOf(models) }], waits: [] };
  return { actions: [], waits: silent.length === 0 ? [] : [{ on: 'silent', servers: silent }], wakeAtMs: dueMs };
}

function holdersOf(models: FleetState['models']): readonly RolloutRef[] {
  return Object.values<ModelState>(models).flatMap(({ holder }) => (holder === undefined ? [] : [{ workflowId: holder.workflowId, runId: holder.runId }]));
}
