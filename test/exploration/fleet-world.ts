// A small world for the fleet's planner: two servers that may be right, behind, unknown or silent, rollouts that come and go, and repairs that work, fail, are lost or come too late.
// Time is what the planner waits for: when nothing else is to be done, it has passed.

import * as fleets from '../../src/domain/fleet';
import type { FleetState } from '../../src/domain/fleet-facts';
import { behindOf, planFleet } from '../../src/domain/fleet-plan';
import type { Announcement } from '../../src/domain/host';
import type { Digest, FleetName, ModelName, ServerName, Version } from '../../src/domain/names';

const MODEL = 'half' as ModelName;
const SERVERS = ['a', 'b'] as ServerName[];
const SOURCE = { uri: 's3://models/half/', region: 'r', credentials: 'env' };
const v = (n: number): Version => String(n) as Version;
const digest = (version: Version): Digest => `sha256:${version}` as Digest;

interface Running { readonly run: string; readonly version: Version; readonly epoch: number; readonly repair?: readonly ServerName[] }

export interface FleetWorld {
  readonly nowMs: number;
  readonly fleet: FleetState;
  /** What each server really serves; absent: nothing. */
  readonly serves: Readonly<Record<ServerName, Version | undefined>>;
  /** Told to the fleet already. */
  readonly told: Readonly<Record<ServerName, boolean>>;
  readonly polls: Readonly<Record<ServerName, boolean>>;
  readonly running: readonly Running[];
  /** Started by the fleet, not yet claimed. */
  readonly asked: readonly { readonly workflowId: string; readonly servers: readonly ServerName[] }[];
  readonly trouble: readonly ('drift' | 'silence' | 'rollout' | 'failure' | 'loss')[];
  readonly runs: number;
}

export interface FleetEvent { readonly name: string; readonly world: FleetWorld }

export function beginFleet(trouble: FleetWorld['trouble']): FleetWorld {
  const fleet = { ...SERVERS.reduce((state, server) => fleets.announced(state, word(server, v(1)), 0), fleets.emptyFleet('demo' as FleetName)), checkedMs: 0, models: { [MODEL]: { stable: { version: v(1), digest: digest(v(1)), source: SOURCE } } } };
  return { nowMs: 0, fleet, serves: { a: v(1), b: v(1) } as FleetWorld['serves'], told: { a: true, b: true } as FleetWorld['told'], polls: { a: true, b: true } as FleetWorld['polls'], running: [], asked: [], trouble, runs: 0 };
}

function word(server: ServerName, version: Version | undefined): Announcement {
  return { server, incarnation: 'i', models: version === undefined ? {} : { [MODEL]: { version, digest: digest(version) } } };
}

export function fleetEvents(world: FleetWorld): readonly FleetEvent[] {
  const made = [...announcements(world), ...rolloutEnds(world), ...claims(world), ...troubles(world)];
  const pressing = made.some(({ name }) => !name.startsWith('somebody'));
  return [...made, ...planned(world, pressing)];
}

function announcements(world: FleetWorld): readonly FleetEvent[] {
  return SERVERS.filter((server) => world.told[server] !== true && world.polls[server] === true).map((server) => ({
    name: `${server} announces`, world: { ...world, told: { ...world.told, [server]: true }, fleet: fleets.announced(world.fleet, word(server, world.serves[server]), world.nowMs) },
  }));
}

/** A rollout serves its version on whoever polls, or fails and leaves the world as it is. */
function rolloutEnds(world: FleetWorld): readonly FleetEvent[] {
  return world.running.flatMap((one): FleetEvent[] => {
    const running = world.running.filter(({ epoch }) => epoch !== one.epoch);
    const on = (one.repair ?? SERVERS).filter((server) => world.polls[server] === true);
    const last = { model: MODEL, version: one.version, digest: digest(one.version), workflowId: one.run, runId: one.run, epoch: one.epoch };
    const held = world.fleet.models[MODEL]?.holder?.epoch === one.epoch;
    const serving = Object.fromEntries(on.map((server) => [server, one.version])) as Record<ServerName, Version>;
    const served = { ...world, running, serves: { ...world.serves, ...serving }, told: { ...world.told, ...Object.fromEntries(on.map((server) => [server, false])) } as FleetWorld['told'], fleet: fleets.settle(world.fleet, { ...last, outcome: 'served', source: SOURCE, serving }, world.nowMs) };
    const failed = { ...world, running, trouble: less(world, 'failure'), fleet: fleets.settle(world.fleet, { ...last, outcome: 'failed', code: 'SourceUnreachable' }, world.nowMs) };
    return [
      ...(held && on.length > 0 ? [{ name: `${one.run} serves ${one.version}`, world: served }] : []),
      ...(held && on.length === 0 ? [{ name: `${one.run} sees nobody`, world: { ...failed, trouble: world.trouble } }] : []),
      ...(held && world.trouble.includes('failure') ? [{ name: `somebody breaks the source of ${one.run}`, world: failed }] : []),
      ...(held ? [] : [{ name: `${one.run} is superseded`, world: { ...world, running, fleet: fleets.settle(world.fleet, { ...last, outcome: 'superseded' }, world.nowMs) } }]),
    ];
  });
}

function claims(world: FleetWorld): readonly FleetEvent[] {
  return world.asked.flatMap((one): FleetEvent[] => {
    const asked = world.asked.filter(({ workflowId }) => workflowId !== one.workflowId);
    const run = `${one.workflowId}`;
    const answer = fleets.claim(world.fleet, { model: MODEL, version: world.fleet.models[MODEL]?.stable?.version ?? v(1), workflowId: one.workflowId, runId: run, repair: one.servers }, world.nowMs);
    const claimed = 'refused' in answer ? { ...world, asked } : { ...world, asked, fleet: answer.state, running: [...world.running, { run, version: world.fleet.models[MODEL]?.stable?.version ?? v(1), epoch: answer.answer.epoch, repair: one.servers }] };
    return [{ name: `${run} ${'refused' in answer ? 'comes too late' : 'claims'}`, world: claimed }, ...(world.trouble.includes('loss') ? [{ name: `somebody terminates ${run}`, world: { ...world, asked, trouble: less(world, 'loss') } }] : [])];
  });
}

function troubles(world: FleetWorld): readonly FleetEvent[] {
  return [...new Set(world.trouble)].flatMap((one): FleetEvent[] => {
    const left = { ...world, trouble: less(world, one) };
    switch (one) {
      case 'drift': return SERVERS.map((server) => ({ name: `somebody wipes ${server}`, world: { ...left, serves: { ...world.serves, [server]: undefined }, told: { ...world.told, [server]: false } } }));
      case 'silence': return SERVERS.filter((server) => world.polls[server] === true).map((server) => ({ name: `somebody unplugs ${server}`, world: { ...left, polls: { ...world.polls, [server]: false } } }));
      case 'rollout': {
        const run = `r${world.runs + 1}`;
        const version = v(world.runs + 2);
        const answer = fleets.claim(world.fleet, { model: MODEL, version, workflowId: run, runId: run }, world.nowMs);
        return 'refused' in answer ? [] : [{ name: `somebody wants ${version}`, world: { ...left, runs: world.runs + 1, fleet: answer.state, running: [...world.running, { run, version, epoch: answer.answer.epoch }] } }];
      }
      case 'failure': case 'loss': return [];
    }
  });
}

/** Whoever was unplugged comes back in the end, and says so. */
function planned(world: FleetWorld, pressing: boolean): readonly FleetEvent[] {
  const { actions, wakeAtMs } = planFleet(world.fleet, world.nowMs);
  const first = actions[0];
  if (first !== undefined) return [{ name: `the fleet: ${first.do}`, world: carriedOut(world, first) }];
  if (pressing) return [];
  const back = SERVERS.filter((server) => world.polls[server] !== true).map((server) => ({ name: `${server} is back`, world: { ...world, polls: { ...world.polls, [server]: true }, told: { ...world.told, [server]: false } } }));
  // Time that passes although nothing is wrong leads nowhere new.
  const passes = wakeAtMs !== undefined && (behindOf(world.fleet, MODEL).some(({ server }) => world.fleet.members[server]?.silentSinceMs === undefined) || world.fleet.models[MODEL]?.own !== undefined) ? [{ name: 'time passes', world: { ...world, nowMs: wakeAtMs } }] : [];
  return [...back, ...passes];
}

function carriedOut(world: FleetWorld, action: ReturnType<typeof planFleet>['actions'][number]): FleetWorld {
  const { fleet, nowMs } = world;
  switch (action.do) {
    case 'supersede': return { ...world, fleet: fleets.supersededTold(fleet, action.holder) };
    case 'repair': return { ...world, fleet: fleets.repairing(fleet, action.model, action.servers, nowMs) };
    case 'start': return { ...world, fleet: fleets.ownStarted(fleet, action.model, action.own.workflowId, nowMs), asked: [...world.asked, { workflowId: action.own.workflowId, servers: action.own.servers ?? [] }] };
    case 'giveUp': return { ...world, fleet: fleets.ownLost(fleet, action.model, action.workflowId, 'lost', nowMs) };
    case 'check': return { ...world, fleet: fleets.checked(fleet, action.servers, action.servers.filter((server) => world.polls[server] !== true), nowMs) };
    case 'complete': throw new Error('a fleet with members does not end');
  }
}

function less(world: FleetWorld, one: FleetWorld['trouble'][number]): FleetWorld['trouble'] {
  return world.trouble.toSpliced(world.trouble.indexOf(one), 1);
}

/** What must hold of what the fleet is about to do, and of where it rests. */
export function wrongFleet(world: FleetWorld, atRest: boolean): string | undefined {
  for (const action of planFleet(world.fleet, world.nowMs).actions) {
    if (action.do !== 'repair' && !(action.do === 'start' && action.own.why === 'repair')) continue;
    if (world.fleet.models[MODEL]?.holder !== undefined) return 'a repair begins while a rollout holds the model';
    const servers = action.do === 'repair' ? action.servers : action.own.servers ?? [];
    const stable = world.fleet.models[MODEL]?.stable?.version;
    for (const server of servers) {
      const member = world.fleet.members[server];
      if (action.do === 'repair' && member?.models?.[MODEL]?.version === stable) return `a repair names ${server}, which is right`;
      if (action.do === 'repair' && member?.silentSinceMs !== undefined) return `a repair names ${server}, which is silent`;
    }
  }
  if (!atRest) return undefined;
  const stable = world.fleet.models[MODEL]?.stable?.version;
  const behind = SERVERS.filter((server) => world.serves[server] !== stable);
  return behind.length > 0 ? `at rest, and ${behind.join(', ')} does not serve ${stable ?? 'nothing'}` : world.fleet.models[MODEL]?.holder === undefined ? undefined : 'at rest, and a rollout holds the model';
}
