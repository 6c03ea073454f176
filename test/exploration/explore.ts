// Every state a small world can reach, each held against the invariants; the shortest path to a violation when there is one.

import { isGone, servesOnly, violationOf } from '../../src/domain/invariants';
import type { ServerName } from '../../src/domain/names';
import { events, type Event } from './events';
import { begin, hostAt, placeOf, viewOf, type Rollout, type Shape, type World } from './world';

export interface Explored {
  readonly states: number;
  readonly transitions: number;
  /** The longest of the shortest ways to a state in which nothing more happens. */
  readonly depth: number;
  readonly endings: Readonly<Record<string, number>>;
  readonly violation?: { readonly what: string; readonly path: readonly string[] };
  /** Stopped at the limit, so not everything was seen. */
  readonly cut: boolean;
}

interface Seen { readonly from: string | undefined; readonly event: string; readonly depth: number }

/** `possible`: what may happen next; another one shows that a broken world is found out. */
export function explore(shape: Shape, limit = Infinity, possible: (world: World) => readonly Event[] = events): Explored {
  const first = begin(shape);
  const served = shape.first !== true;
  const seen = new Map<string, Seen>();
  const endings: Record<string, number> = {};
  let frontier: [string, World][] = [[JSON.stringify(first), first]];
  seen.set(JSON.stringify(first), { from: undefined, event: 'begin', depth: 0 });
  let transitions = 0;
  let depth = 0;
  const into = new Map<string, string[]>();
  const atRest: string[] = [];
  const pathTo = (key: string): string[] => { const one = seen.get(key); return one === undefined ? [] : [...(one.from === undefined ? [] : pathTo(one.from)), one.event]; };
  while (frontier.length > 0) {
    const next: [string, World][] = [];
    for (const [key, world] of frontier) {
      const what = wrong(world, served);
      if (what !== undefined) return { states: seen.size, transitions, depth, endings, cut: false, violation: { what, path: pathTo(key) } };
      const mayHappen = possible(world);
      const pressing = mayHappen.filter(({ name }) => !name.startsWith('somebody') && !name.endsWith('restarts'));
      if (pressing.length === 0) {
        const stuck = reasonNotSettled(world);
        if (stuck !== undefined) return { states: seen.size, transitions, depth, endings, cut: false, violation: { what: stuck, path: pathTo(key) } };
        atRest.push(key);
        const ending = world.rollouts.map((rollout) => rollout.verdict?.outcome).join(' then ');
        endings[ending] = (endings[ending] ?? 0) + 1;
      }
      for (const event of mayHappen) {
        transitions += 1;
        const after = JSON.stringify(event.world);
        const from = into.get(after);
        if (from === undefined) into.set(after, [key]);
        else from.push(key);
        if (seen.has(after)) continue;
        const at = (seen.get(key)?.depth ?? 0) + 1;
        depth = Math.max(depth, at);
        seen.set(after, { from: key, event: event.name, depth: at });
        next.push([after, event.world]);
        if (seen.size >= limit) return { states: seen.size, transitions, depth, endings, cut: true };
      }
    }
    frontier = next;
  }
  const restless = firstRestless(seen, into, atRest);
  const violation = restless === undefined ? {} : { violation: { what: 'Convergence: from here it never comes to rest', path: pathTo(restless) } };
  return { states: seen.size, transitions, depth, endings, cut: false, ...violation };
}

/** The first state from which no state of rest can be reached. */
function firstRestless(seen: ReadonlyMap<string, Seen>, into: ReadonlyMap<string, readonly string[]>, atRest: readonly string[]): string | undefined {
  const calm = new Set(atRest);
  const open = [...atRest];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    for (const from of into.get(key) ?? []) {
      if (calm.has(from)) continue;
      calm.add(from);
      open.push(from);
    }
  }
  return [...seen.keys()].find((key) => !calm.has(key));
}

function wrong(world: World, served: boolean): string | undefined {
  for (const server of Object.keys(world.hosts) as ServerName[]) {
    const what = violationOf(world.mode, served, viewOf(hostAt(world, server)));
    if (what !== undefined) return `${server}: ${what}`;
  }
  return wrongVerdict(world);
}

/** A verdict just given, not yet told, by a rollout that nobody superseded: the world is as it says. */
function wrongVerdict(world: World): string | undefined {
  const models = new Set(world.rollouts.map(({ state }) => state.request.model));
  return [...models].map((model) => wrongVerdictOf(world.rollouts.findLast(({ state }) => state.request.model === model))(world)).find((what) => what !== undefined);
}

const wrongVerdictOf = (last: Rollout | undefined) => (world: World): string | undefined => {
  if (last?.verdict === undefined || last.settled) return undefined;
  const { outcome, servers } = last.verdict;
  for (const [server, { end }] of Object.entries(servers) as [ServerName, { end: string }][]) {
    const { version, model } = last.state.request;
    const host = hostAt(world, placeOf(server, model));
    const view = viewOf(host);
    // By the host's word, and not by what the rollout made of it.
    const before = host.before?.epoch === last.state.claim?.epoch ? host.before : last.state.servers[server]?.before;
    const what = end === 'served' && (outcome === 'served' || outcome === 'alreadyServed') ? servesOnly(version, view)
      : end !== 'notSeen' && (outcome === 'aborted' || outcome === 'rolledBack' || outcome === 'failed') && before !== undefined && before.version !== version ? isGone(version, view) : undefined;
    if (what !== undefined) return `${server}: ${what} (${outcome})`;
  }
  return undefined;
};

/** Nothing more happens by itself: then every rollout has ended and the fleet knows it. */
function reasonNotSettled(world: World): string | undefined {
  const open = world.rollouts.find((rollout) => rollout.verdict === undefined);
  if (open !== undefined) return `Intent: ${open.run} neither ended nor goes on`;
  const holder = Object.values<{ holder?: { workflowId: string } }>(world.fleet.models).find((one) => one.holder !== undefined)?.holder;
  return holder === undefined ? undefined : `Convergence: ${holder.workflowId} still holds the model`;
}
