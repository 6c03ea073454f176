// Everything that may happen next in a small world, each with a name a person can read.

import * as fleets from '../../src/domain/fleet';
import { compareTokens, type ServerName, type Token, type Version } from '../../src/domain/names';
import { endAfterAbort, isServing } from '../../src/domain/transition';
import { servedBefore, type Proof } from '../../src/domain/view';
import { names, serverOf, type RolloutState, type TransitionEnd } from '../../src/domain/rollout-facts';
import * as happened from '../../src/domain/rollout-state';
import type { SourceRef } from '../../src/domain/source';
import { advanced, carriedOut, changed, childOf, closed, digestOf, hostAt, hostOf, mayAct, pinOf, placeOf, requestFor, rolloutAt, serverAt, started, viewOf, type Child, type Host, type World } from './world';

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
  for (const server of names(state)) {
    if (serverOf(state, server).activity === 'fencing') made.push({ name: `${run}: ${server} is fenced`, world: fenced(world, index, server) });
    for (const child of Object.values(rolloutAt(world, index).children)) if (child.input.server === server) made.push(...childEvents(world, index, server, child));
  }
  return made;
}

function fenced(world: World, index: number, server: ServerName): World {
  const { state } = rolloutAt(world, index);
  const token = happened.tokenOf(state, 0);
  const place = placeOf(server, state.request.model);
  const after = stopped(world, place, token);
  const host = hostAt(after, place);
  const answer = { proof: proofOf(token), aspired: host.aspired, ...(host.promoted === undefined ? {} : { serving: host.promoted }) };
  return carriedOut(changed(after, index, { state: happened.fenced(state, server, answer) }), index);
}

function childEvents(world: World, index: number, server: ServerName, child: Child): readonly Event[] {
  const { run } = rolloutAt(world, index);
  const name = `${run}/${server}@${child.input.token.join('.')}`;
  const place = placeOf(server, child.input.model);
  const [, attempt] = child.input.token;
  const failed: TransitionEnd | undefined = child.failing === undefined ? undefined : { kind: 'failed', failure: { code: child.failing, message: 'as it went', detail: { holds: hostAt(world, place).token } } };
  const abort = (): World => {
    const after = stopped(world, place, child.input.token);
    const view = viewOf(hostAt(after, place));
    const seen = childOf(after, index, { ...child, view, before: child.before ?? servedBefore(view, child.input.token), proof: proofOf(child.input.token) });
    return closed(seen, index, server, attempt, endAfterAbort(child.input.token, failed, true));
  };
  /** Whether it reached its host or not: nobody heard of it, and the view is the last one before. */
  const unheard = (reached: World): World => closed({ ...reached, faults: world.faults - 1 }, index, server, attempt, endAfterAbort(child.input.token, failed, false));
  const effect = child.at === 'waiting' || child.failing !== undefined ? undefined : performed(world, place, child);
  const made: Event[] = [];
  if (child.stopping || child.failing !== undefined) {
    made.push({ name: `${name}: abortAttempt answers`, world: abort() });
    if (world.faults > 0) {
      made.push({ name: `${name}: abortAttempt acts, its answer is lost for good`, world: unheard(stopped(world, place, child.input.token)) });
      made.push({ name: `${name}: abortAttempt never arrives`, world: unheard(world) });
    }
  }
  if (effect === undefined) return made;
  if (child.stopping) {
    // The rollout asks the host too, without waiting for the answer.
    if (mayAct(hostAt(world, place), child.input.token)) made.push({ name: `${name}: the rollout's own abort closes its token`, world: stopped(world, place, child.input.token) });
    // Late work of a token that was not closed yet: it acts on the host, and nobody hears of it.
    if (effect.kind === 'did') made.push({ name: `${name}: ${child.at} acts late`, world: childOf(effect.world, index, { ...child, at: 'waiting' }) });
    if (effect.kind === 'began' && begins(child)) made.push({ name: `${name}: ${child.at} begins late`, world: effect.world });
    return made;
  }
  switch (effect.kind) {
    case 'began':
      if (begins(child) && world.faults > 0) made.push({ name: `${name}: ${child.at} begins, and fails`, world: childOf({ ...effect.world, faults: world.faults - 1 }, index, { ...child, failing: 'ServerUnreachable' }) });
      made.push({ name: `${name}: ${child.at} ${begins(child) ? 'begins' : 'lists'}`, world: effect.world });
      break;
    case 'refused': made.push({ name: `${name}: ${child.at} is refused`, world: childOf(world, index, { ...child, failing: effect.code }) }); break;
    case 'did': {
      const host = hostAt(effect.world, place);
      const view = viewOf(host);
      made.push({ name: `${name}: ${child.at} ${child.acts ?? ''}`, world: advanced(childOf(effect.world, index, { ...child, before: child.before ?? servedBefore(view, child.input.token), view }), index, server, attempt) });
      if (world.faults > 0) made.push({ name: `${name}: ${child.at} acts, its answer is lost for good`, world: childOf({ ...effect.world, faults: world.faults - 1 }, index, { ...child, failing: 'ServerUnreachable' }) });
      break;
    }
  }
  return made;
}

type Effect = { readonly kind: 'did'; readonly world: World } | { readonly kind: 'began'; readonly world: World } | { readonly kind: 'refused'; readonly code: 'StaleAttempt' | 'LoadFailed' };

/** The first call of its attempt; a download that is one begins and then fetches, and may be stopped in between. */
function begins({ at, view }: Child): boolean {
  return at === 'beginAttempt' || (at === 'downloadVersion' && view === undefined);
}

/** What the activity does on its host; nothing while it waits there. */
function performed(world: World, place: ServerName, child: Child): Effect | undefined {
  const host = hostAt(world, place);
  const { input, acts } = child;
  if (begins(child)) {
    const order = compareTokens(input.token, host.token);
    if (order < 0 || (order === 0 && !host.open)) return { kind: 'refused', code: 'StaleAttempt' };
    const raised = order > 0 ? stopped(world, place, host.token) : world;
    const begun = hostOf(raised, place, { token: input.token, open: true, ...epochOf(hostAt(raised, place), input.token), ...pruned(hostAt(raised, place), child, host.before?.epoch === input.token[0] ? host.before.version : host.promoted) });
    if (child.at === 'beginAttempt') return did(begun);
    if (order > 0) return { kind: 'began', world: begun };
  }
  if (!mayAct(host, input.token)) return { kind: 'refused', code: 'StaleAttempt' };
  if (acts === undefined) throw new Error(`${child.at} acts on no version`);
  if (begins(child) && isServing(acts, viewOf(host)) && host.staged.includes(acts)) return did(world);
  switch (child.at) {
    case 'downloadVersion': return did(hostOf(world, place, { partial: { version: acts, phase: 'fetched', ...(input.pin === undefined && input.overtakes === true ? { own: true } : {}) } }));
    case 'verifyVersion':
      if (host.partial?.own === true) throw new Error(`${place}: ${acts} is verified as it was listed by its host alone`);
      return did(hostOf(world, place, { partial: { version: acts, phase: 'verified' } }));
    case 'stageVersion': { const { partial: _gone, ...rest } = host; return did({ ...world, hosts: { ...world.hosts, [place]: { ...rest, staged: union(host.staged, acts) } } }); }
    case 'reloadConfig': if (world.mode === 'resource' && host.aspired.some((one) => one !== acts)) return did(world); return did(hostOf(world, place, { aspired: union(host.aspired, acts), drained: host.drained.filter((one) => one !== acts), states: host.aspired.includes(acts) ? host.states : { ...host.states, [acts]: 'LOADING' }, ...(host.promoted === acts ? {} : { candidate: acts }) }));
    case 'awaitAvailable': {
      const state = host.aspired.includes(acts) ? host.states[acts] : 'END';
      if (state === 'END' || state === undefined) return { kind: 'refused', code: 'LoadFailed' };
      if (state !== 'AVAILABLE') return undefined;
      const { candidate, ...rest } = host;
      return did({ ...world, hosts: { ...world.hosts, [place]: { ...rest, promoted: acts, ...(candidate === undefined || candidate === acts ? {} : { candidate }) } } });
    }
    case 'drainVersion': return did(hostOf(world, place, { drained: union(host.drained, acts) }));
    case 'unloadVersion': {
      if (host.aspired.includes(acts)) return { kind: 'began', world: unlisted(world, place, acts, input.version === undefined) };
      if (host.states[acts] !== undefined && host.states[acts] !== 'END') return undefined;
      return did(hostOf(world, place, pruned(host, child)));
    }
    default: throw new Error(`no such activity: ${child.at}`);
  }
}

function did(world: World): Effect {
  return { kind: 'did', world };
}

function unlisted(world: World, place: ServerName, version: Version, forget: boolean): World {
  const { candidate, promoted, ...rest } = hostAt(world, place);
  const host: Host = {
    ...rest, aspired: rest.aspired.filter((one) => one !== version), drained: rest.drained.filter((one) => one !== version),
    ...(candidate === undefined || candidate === version ? {} : { candidate }), ...(promoted === undefined || (forget && promoted === version) ? {} : { promoted }),
  };
  return { ...world, hosts: { ...world.hosts, [place]: host } };
}

/** Directories that no list, no promotion and nobody's way back needs. */
function pruned(host: Host, { input, before }: Child, known?: Version): Pick<Host, 'staged'> {
  const kept = [...host.aspired, host.promoted, known, input.version, (before ?? input.before)?.version];
  return { staged: host.staged.filter((one) => kept.includes(one) || (host.states[one] !== undefined && host.states[one] !== 'END')) };
}

/** The token and all below it are closed, and a candidate of theirs leaves the list. */
function stopped(world: World, place: ServerName, token: Token): World {
  const host = hostAt(world, place);
  if (compareTokens(token, host.token) < 0) return world;
  const without = host.candidate === undefined ? world : unlisted(world, place, host.candidate, false);
  return hostOf(without, place, { token, open: false, ...epochOf(host, token) });
}

/** A new epoch is a new rollout: what is promoted when it comes is what was before it. */
function epochOf(host: Host, [epoch]: Token): Pick<Host, 'before'> {
  return epoch === host.before?.epoch ? {} : { before: { epoch, ...(host.promoted === undefined ? {} : { version: host.promoted }) } };
}

// ---- servers, fleet, people ----

function hostEvents(world: World, place: ServerName): readonly Event[] {
  const host = hostAt(world, place);
  return (Object.keys(host.states) as Version[]).flatMap((version): Event[] => {
    const becomes = (state: 'AVAILABLE' | 'END'): Event => ({ name: `${place}: ${version} ${state}`, world: hostOf(world, place, { states: { ...host.states, [version]: state } }) });
    const state = host.states[version];
    if (host.aspired.includes(version)) return state === 'LOADING' && !isFrozen(world, place) ? [becomes(host.broken.includes(version) ? 'END' : 'AVAILABLE')] : [];
    return state === 'END' || state === undefined ? [] : [becomes('END')];
  });
}

/** A version of another model that is unlisted and not yet at END holds up every transition of its server (DESIGN §6). */
function isFrozen(world: World, place: ServerName): boolean {
  return (Object.entries<Host>(world.hosts) as [ServerName, Host][]).some(([other, host]) => other !== place && serverAt(other) === serverAt(place)
    && (Object.keys(host.states) as Version[]).some((version) => !host.aspired.includes(version) && host.states[version] !== 'END'));
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
    const last = { model: rollout.state.request.model, version: rollout.state.request.version, workflowId: rollout.run, runId: rollout.run, epoch: rollout.state.claim?.epoch ?? 0, outcome: rollout.verdict.outcome, ...(rollout.state.digest === undefined ? {} : { digest: rollout.state.digest }) };
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
    const granted = { ...world, wishes: world.wishes.toSpliced(world.wishes.indexOf(wish), 1) };
    if (wish === 'restart') return [...new Set((Object.keys(world.hosts) as ServerName[]).map(serverAt))].map((server) => ({ name: `${server} restarts`, world: restarted(granted, server) }));
    return newestOfEach(world).flatMap((index) => wishOf(granted, index, wish));
  });
}

/** The newest rollout of each model. */
function newestOfEach({ rollouts }: World): readonly number[] {
  return rollouts.flatMap(({ state }, index) => (rollouts.findLastIndex((one) => one.state.request.model === state.request.model) === index ? [index] : []));
}

function wishOf(world: World, index: number, wish: Exclude<World['wishes'][number], 'restart'>): readonly Event[] {
  const { state, verdict, run } = rolloutAt(world, index);
  const asked = (name: string, change: RolloutState): readonly Event[] => [{ name: `somebody ${name} ${run}`, world: carriedOut(changed(world, index, { state: change }), index) }];
  if (wish === 'newer') return [{ name: `somebody wants 3 of ${state.request.model}`, world: started(world, { ...state.request, ...pick(requestFor(3, { mode: world.mode, waves: [], bake: false })) }) }];
  if (verdict !== undefined) return [];
  switch (wish) {
    case 'abort': return asked('aborts', happened.wished(state, { kind: 'abort' }));
    case 'rollback': return asked('rolls back', happened.wished(state, { kind: 'rollback' }));
    case 'pause': return happened.reasonNotPausable(state) === undefined ? asked('pauses', happened.paused(state, { sinceMs: 0 })) : [];
    case 'update': return happened.reasonNotUpdatable(state) === undefined ? asked('updates the source of', happened.updated(state, { ...state.request, source: { ...requestFor(2, { mode: world.mode, waves: [], bake: false }).source, endpoint: 'http://other' } as SourceRef })) : [];
  }
}

function pick(request: ReturnType<typeof requestFor>): Pick<typeof request, 'version' | 'source'> {
  return { version: request.version, ...(request.source === undefined ? {} : { source: request.source }) };
}

/** It boots what was promoted; candidates are gone, and their attempts will be told. */
function restarted(world: World, server: ServerName): World {
  const booted = (Object.entries<Host>(world.hosts) as [ServerName, Host][]).map(([place, host]): [ServerName, Host] => {
    if (serverAt(place) !== server) return [place, host];
    const { candidate: _lost, ...rest } = host;
    const aspired = rest.promoted === undefined ? [] : [rest.promoted];
    return [place, { ...rest, aspired, drained: [], states: Object.fromEntries(aspired.map((one) => [one, 'AVAILABLE' as const])) }];
  });
  return { ...world, hosts: Object.fromEntries(booted) };
}

function proofOf(token: Token): Proof {
  return { token, sockets: 0, writers: 0, partial: 'none', aspired: false, readFrom: 'kernel', stoppedMs: 0, atMs: 0 };
}

function union(versions: readonly Version[], one: Version): readonly Version[] {
  return versions.includes(one) ? versions : [...versions, one];
}
