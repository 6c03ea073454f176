// Everything that may happen next in a small world, each with a name a person can read.

import * as fleets from '../../src/domain/fleet';
import { compareTokens, type ServerName, type Token, type Version } from '../../src/domain/names';
import type { ModelView } from '../../src/domain/view';
import * as happened from '../../src/domain/rollout-state';
import type { SourceRef } from '../../src/domain/source';
import { advanced, carriedOut, changed, childAt, childOf, closed, digestOf, hostAt, hostOf, mayAct, MODEL, pinOf, requestFor, rolloutAt, started, viewOf, type Child, type Host, type World } from './world';

export interface Event {
  readonly name: string;
  readonly world: World;
}

export function events(world: World): readonly Event[] {
  return [
    ...world.rollouts.flatMap((_, index) => rolloutEvents(world, index)),
    ...(Object.keys(world.hosts) as ServerName[]).flatMap((server) => hostEvents(world, server)),
    ...fleetEvents(world),
    ...resumeEvents(world),
    ...wishEvents(world),
  ];
}

// ---- a rollout: its listing, its fences, and one activity of each of its transitions ----

function rolloutEvents(world: World, index: number): readonly Event[] {
  const { state, verdict, run } = rolloutAt(world, index);
  if (verdict !== undefined) return [];
  const made: Event[] = [];
  const asked = state.resolving;
  if (asked !== undefined) {
    const answer = { pin: pinOf(state.request.version), digest: digestOf(state.request.version), files: 1, bytes: 1 };
    made.push({ name: `${run}: the listing answers`, world: carriedOut(changed(world, index, { state: happened.resolved(state, asked.attempt, asked.server, answer, 0) }), index) });
  }
  for (const server of happened.names(state)) {
    if (happened.serverOf(state, server).activity === 'fencing') made.push({ name: `${run}: ${server} is fenced`, world: fenced(world, index, server) });
    const child = childAt(world, index, server);
    if (child !== undefined) made.push(...childEvents(world, index, server, child));
  }
  return made;
}

function fenced(world: World, index: number, server: ServerName): World {
  const { state } = rolloutAt(world, index);
  const token = happened.tokenOf(state, 0);
  const after = stopped(world, server, token);
  const host = hostAt(after, server);
  const answer = { proof: proofOf(token), aspired: host.aspired, ...(host.promoted === undefined ? {} : { serving: host.promoted }) };
  return carriedOut(changed(after, index, { state: happened.fenced(state, server, answer) }), index);
}

function childEvents(world: World, index: number, server: ServerName, child: Child): readonly Event[] {
  const { run } = rolloutAt(world, index);
  const name = `${run}/${server}@${child.input.token.join('.')}`;
  const abort = (): World => {
    const after = stopped(world, server, child.input.token);
    const view = viewOf(hostAt(after, server));
    const seen = childOf(after, index, server, { ...child, view, before: child.before ?? servedNow(view) });
    if (child.failing === undefined || child.stopping) return closed(seen, index, server, { kind: 'stopped' });
    return closed(child.failing === 'StaleAttempt' ? childOf(after, index, server, child) : seen, index, server, { kind: 'failed', failure: { code: child.failing, message: 'as it went' } });
  };
  const effect = child.at === 'waiting' || child.failing !== undefined ? undefined : performed(world, server, child);
  const made: Event[] = [];
  if (child.stopping || child.failing !== undefined) made.push({ name: `${name}: abortAttempt answers`, world: abort() });
  if (effect === undefined) return made;
  if (child.stopping) {
    // Late work of a token that was not closed yet: it acts on the host, and nobody hears of it.
    if (effect.kind === 'did') made.push({ name: `${name}: ${child.at} acts late`, world: childOf(effect.world, index, server, { ...child, at: 'waiting' }) });
    return made;
  }
  switch (effect.kind) {
    case 'began': made.push({ name: `${name}: ${child.at} lists`, world: effect.world }); break;
    case 'refused': made.push({ name: `${name}: ${child.at} is refused`, world: childOf(world, index, server, { ...child, failing: effect.code }) }); break;
    case 'did': {
      const host = hostAt(effect.world, server);
      const view = viewOf(host);
      made.push({ name: `${name}: ${child.at} ${child.acts ?? ''}`, world: advanced(childOf(effect.world, index, server, { ...child, before: child.before ?? servedNow(view), view }), index, server) });
      if (world.faults > 0) made.push({ name: `${name}: ${child.at} acts, its answer is lost for good`, world: childOf({ ...effect.world, faults: world.faults - 1 }, index, server, { ...child, failing: 'ServerUnreachable' }) });
      break;
    }
  }
  return made;
}

function servedNow(view: ModelView): { readonly version?: Version } {
  return view.promoted === undefined ? {} : { version: view.promoted };
}

type Effect = { readonly kind: 'did'; readonly world: World } | { readonly kind: 'began'; readonly world: World } | { readonly kind: 'refused'; readonly code: 'StaleAttempt' | 'LoadFailed' };

/** What the activity does on its host; nothing while it waits there. */
function performed(world: World, server: ServerName, child: Child): Effect | undefined {
  const host = hostAt(world, server);
  const { input, acts } = child;
  if (child.at === 'beginAttempt') {
    const order = compareTokens(input.token, host.token);
    if (order < 0 || (order === 0 && !host.open)) return { kind: 'refused', code: 'StaleAttempt' };
    const raised = order > 0 ? stopped(world, server, host.token) : world;
    return did(hostOf(raised, server, { token: input.token, open: true, ...pruned(hostAt(raised, server), child) }));
  }
  if (!mayAct(host, input.token)) return { kind: 'refused', code: 'StaleAttempt' };
  if (acts === undefined) throw new Error(`${child.at} acts on no version`);
  switch (child.at) {
    case 'downloadVersion': return did(hostOf(world, server, { partial: { version: acts, phase: 'fetched' } }));
    case 'verifyVersion': return did(hostOf(world, server, { partial: { version: acts, phase: 'verified' } }));
    case 'stageVersion': { const { partial: _gone, ...rest } = host; return did({ ...world, hosts: { ...world.hosts, [server]: { ...rest, staged: union(host.staged, acts) } } }); }
    case 'reloadConfig': if (world.mode === 'resource' && host.aspired.some((one) => one !== acts)) return did(world); return did(hostOf(world, server, { aspired: union(host.aspired, acts), drained: host.drained.filter((one) => one !== acts), states: host.aspired.includes(acts) ? host.states : { ...host.states, [acts]: 'LOADING' }, ...(host.promoted === acts ? {} : { candidate: acts }) }));
    case 'awaitAvailable': {
      const state = host.aspired.includes(acts) ? host.states[acts] : 'END';
      if (state === 'END' || state === undefined) return { kind: 'refused', code: 'LoadFailed' };
      if (state !== 'AVAILABLE') return undefined;
      const { candidate, ...rest } = host;
      return did({ ...world, hosts: { ...world.hosts, [server]: { ...rest, promoted: acts, ...(candidate === undefined || candidate === acts ? {} : { candidate }) } } });
    }
    case 'drainVersion': return did(hostOf(world, server, { drained: union(host.drained, acts) }));
    case 'unloadVersion': {
      if (host.aspired.includes(acts)) return { kind: 'began', world: unlisted(world, server, acts, input.version === undefined) };
      if (host.states[acts] !== undefined && host.states[acts] !== 'END') return undefined;
      return did(hostOf(world, server, pruned(host, child)));
    }
    default: throw new Error(`no such activity: ${child.at}`);
  }
}

function did(world: World): Effect {
  return { kind: 'did', world };
}

function unlisted(world: World, server: ServerName, version: Version, forget: boolean): World {
  const { candidate, promoted, ...rest } = hostAt(world, server);
  const host: Host = {
    ...rest, aspired: rest.aspired.filter((one) => one !== version), drained: rest.drained.filter((one) => one !== version),
    ...(candidate === undefined || candidate === version ? {} : { candidate }), ...(promoted === undefined || (forget && promoted === version) ? {} : { promoted }),
  };
  return { ...world, hosts: { ...world.hosts, [server]: host } };
}

/** Directories that no list, no promotion and nobody's way back needs. */
function pruned(host: Host, { input, before }: Child): Pick<Host, 'staged'> {
  const kept = [...host.aspired, host.promoted, input.version, (before ?? input.before)?.version];
  return { staged: host.staged.filter((one) => kept.includes(one) || (host.states[one] !== undefined && host.states[one] !== 'END')) };
}

/** The token and all below it are closed, and a candidate of theirs leaves the list. */
function stopped(world: World, server: ServerName, token: Token): World {
  const host = hostAt(world, server);
  if (compareTokens(token, host.token) < 0) return world;
  const without = host.candidate === undefined ? world : unlisted(world, server, host.candidate, false);
  return hostOf(without, server, { token, open: false });
}

// ---- servers, fleet, people ----

function hostEvents(world: World, server: ServerName): readonly Event[] {
  const host = hostAt(world, server);
  return (Object.keys(host.states) as Version[]).flatMap((version): Event[] => {
    const becomes = (state: 'AVAILABLE' | 'END'): Event => ({ name: `${server}: ${version} ${state}`, world: hostOf(world, server, { states: { ...host.states, [version]: state } }) });
    const state = host.states[version];
    if (host.aspired.includes(version)) return state === 'LOADING' ? [becomes(host.broken.includes(version) ? 'END' : 'AVAILABLE')] : [];
    return state === 'END' || state === undefined ? [] : [becomes('END')];
  });
}

function fleetEvents(world: World): readonly Event[] {
  const told = world.fleet.superseded.map((one): Event => {
    const index = world.rollouts.findIndex((rollout) => rollout.run === one.runId);
    const after = { ...world, fleet: fleets.supersededTold(world.fleet, one) };
    const { verdict, state } = rolloutAt(world, index);
    return { name: `${one.runId} is told of ${one.by}`, world: verdict === undefined ? carriedOut(changed(after, index, { state: happened.wished(state, { kind: 'supersede', by: one.by }) }), index) : after };
  });
  const settled = world.rollouts.flatMap((rollout, index): Event[] => {
    if (rollout.verdict === undefined || rollout.settled) return [];
    const last = { model: MODEL, version: rollout.state.request.version, workflowId: rollout.run, runId: rollout.run, epoch: rollout.state.claim?.epoch ?? 0, outcome: rollout.verdict.outcome, ...(rollout.state.digest === undefined ? {} : { digest: rollout.state.digest }) };
    return [{ name: `${rollout.run}: ${rollout.verdict.outcome}`, world: changed({ ...world, fleet: fleets.settle(world.fleet, last, 0) }, index, { settled: true }) }];
  });
  return [...told, ...settled];
}

/** Nobody pauses for ever; until then nothing new begins. */
function resumeEvents(world: World): readonly Event[] {
  return world.rollouts.flatMap(({ run, state, verdict }, index): Event[] => (
    state.pause === undefined || verdict !== undefined ? [] : [{ name: `${run} is resumed`, world: carriedOut(changed(world, index, { state: happened.resumed(state) }), index) }]));
}

function wishEvents(world: World): readonly Event[] {
  return [...new Set(world.wishes)].flatMap((wish): Event[] => {
    const left = world.wishes.toSpliced(world.wishes.indexOf(wish), 1);
    const index = world.rollouts.length - 1;
    const { state, verdict } = rolloutAt(world, index);
    const granted = { ...world, wishes: left };
    const asked = (change: happened.RolloutState): World => carriedOut(changed(granted, index, { state: change }), index);
    switch (wish) {
      case 'abort': return verdict === undefined ? [{ name: 'somebody aborts', world: asked(happened.wished(state, { kind: 'abort' })) }] : [];
      case 'rollback': return verdict === undefined ? [{ name: 'somebody rolls back', world: asked(happened.wished(state, { kind: 'rollback' })) }] : [];
      case 'pause': return verdict === undefined && happened.reasonNotPausable(state) === undefined ? [{ name: 'somebody pauses', world: asked(happened.paused(state, { sinceMs: 0 })) }] : [];
      case 'update': return verdict === undefined && happened.reasonNotUpdatable(state) === undefined ? [{ name: 'somebody updates the source', world: asked(happened.updated(state, { ...state.request, source: { ...requestFor(2, { mode: world.mode, waves: [], bake: false }).source, endpoint: 'http://other' } as SourceRef })) }] : [];
      case 'newer': return [{ name: 'somebody wants 3', world: started(granted, { ...state.request, ...pick(requestFor(3, { mode: world.mode, waves: [], bake: false })) }) }];
      case 'restart': return (Object.keys(world.hosts) as ServerName[]).map((server) => ({ name: `${server} restarts`, world: restarted(granted, server) }));
      case 'lost': return [];
    }
  });
}

function pick(request: ReturnType<typeof requestFor>): Pick<typeof request, 'version' | 'source'> {
  return { version: request.version, ...(request.source === undefined ? {} : { source: request.source }) };
}

/** It boots what was promoted; a candidate is gone, and its attempt will be told. */
function restarted(world: World, server: ServerName): World {
  const { candidate: _lost, ...host } = hostAt(world, server);
  const booted = host.promoted === undefined ? [] : [host.promoted];
  return { ...world, hosts: { ...world.hosts, [server]: { ...host, aspired: booted, drained: [], states: Object.fromEntries(booted.map((one) => [one, 'AVAILABLE' as const])) } } };
}

function proofOf(token: Token): Parameters<typeof happened.fenced>[2] & object extends { proof: infer P } ? P : never {
  return { token, sockets: 0, writers: 0, partial: 'none', aspired: false, readFrom: 'kernel', stoppedMs: 0, atMs: 0 } as never;
}

function union(versions: readonly Version[], one: Version): readonly Version[] {
  return versions.includes(one) ? versions : [...versions, one];
}
