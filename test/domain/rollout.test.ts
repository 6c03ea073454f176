import type { Digest, FleetName, ModelName, Pin, ServerName, Version } from '../../src/domain/names';
import type { RolloutRequest } from '../../src/domain/request';
import { planRollout, waveSize, type Action, type Plan } from '../../src/domain/rollout';
import * as happened from '../../src/domain/rollout-state';
import { knownBadOf } from '../../src/domain/verdict';
import type { RolloutState, ServerReport } from '../../src/domain/rollout-facts';

const v = (n: number): Version => String(n) as Version;
const s = (name: string): ServerName => name as ServerName;
const proof = { token: [100, 1] as readonly [number, number], sockets: 0, writers: 0, partial: 'none' as const, aspired: false, readFrom: 'kernel' as const, stoppedMs: 5, atMs: 1 };
const pinned = { pin: 'pin:1' as Pin, digest: 'sha256:b' as Digest, files: 3, bytes: 100 };

function request(more: Partial<RolloutRequest['strategy']> = {}, top: Partial<RolloutRequest> = {}): RolloutRequest {
  return {
    fleet: 'demo' as FleetName, model: 'half' as ModelName, version: v(2), source: { uri: 's3://models/half/2/', region: 'us-east-1', credentials: 'env' },
    strategy: { waves: [{ percent: 100 }], maxUnavailable: 1, mode: 'availability', bakeSeconds: 0, drainSeconds: 0, loadDeadlineSeconds: 60, unloadDeadlineSeconds: 60, ...more },
    onFailure: 'rollback', holdSeconds: 3600, ...top,
  };
}

/** A story told in facts; each `then` is a reducer, the plan is asked at its end. */
class Story {
  constructor(readonly state: RolloutState) {}
  static claimed(names: string[], more: Parameters<typeof request>[0] = {}, top: Partial<RolloutRequest> = {}, unsettled = false): Story {
    return new Story(happened.claimed(happened.begin(request(more, top)), { epoch: 100, servers: names.map(s), unsettled }, 0));
  }
  then(change: (state: RolloutState) => RolloutState): Story { return new Story(change(this.state)); }
  resolved(): Story { return this.then((state) => happened.resolved(happened.resolving(state, s('a')), state.attempt, s('a'), pinned, 0)); }
  started(...names: string[]): Story { return names.reduce((story, name) => story.then((state) => happened.started(state, s(name), 'forward', state.attempt, 0)), this as Story); }
  /** Before its listing is known. */
  ahead(name: string): Story { return this.then((state) => happened.started(state, s(name), 'forward', state.attempt, 0, true)); }
  gate(name: string, atMs = 0): Story { return this.then((state) => happened.atGate(state, report(state, name, { serving: v(2), aspired: [v(1), v(2)], listed: true }), atMs)); }
  served(name: string): Story { return this.then((state) => happened.ended(state, s(name), { kind: 'served', steps: ['downloadVersion'] }, report(state, name, { serving: v(2), aspired: [v(2)], listed: true }), 0)); }
  failed(name: string, code: 'LoadFailed' | 'InvalidSavedModel' | 'StaleAttempt' | 'DrainTimeout', listed: boolean): Story {
    return this.then((state) => happened.ended(state, s(name), { kind: 'failed', failure: { code, message: 'why' } }, report(state, name, { serving: v(1), aspired: [v(1)], listed, proof: proofOf(state, name) }), 1000));
  }
  stopped(name: string, aspired: number[] = [1], listed = false, serving = 1): Story {
    return this.then((state) => happened.ended(state, s(name), { kind: 'stopped' }, report(state, name, { serving: v(serving), aspired: aspired.map(v), listed, proof: proofOf(state, name) }), 0));
  }
  stopping(name: string): Story { return this.then((state) => happened.stopping(state, s(name), 0)); }
  notSeen(name: string): Story { return this.then((state) => happened.ended(state, s(name), { kind: 'notSeen' }, undefined, 0)); }
  abort(): Story { return this.then((state) => happened.wished(state, { kind: 'abort', reason: 'enough' })); }
  plan(nowMs = 0): Plan { return planRollout(this.state, nowMs); }
}

function proofOf(state: RolloutState, name: string): typeof proof {
  return { ...proof, token: happened.tokenOf(state, state.servers[s(name)]?.attempt ?? 0) };
}
function report(state: RolloutState, name: string, more: Partial<ServerReport>): ServerReport {
  return { server: s(name), token: happened.tokenOf(state, state.servers[s(name)]?.attempt ?? 0), before: { version: v(1) }, aspired: [], lingering: [], listed: false, digest: 'sha256:b' as Digest, ...more };
}
const said = (plan: Plan): string[] => plan.actions.map((action) => (action.do === 'finish' ? `finish ${action.verdict.outcome}${action.verdict.code === undefined ? '' : ` ${action.verdict.code}`}` : 'server' in action ? `${action.do} ${action.server}` : action.do));
const verdict = (plan: Plan): Extract<Action, { do: 'finish' }>['verdict'] => {
  const last = plan.actions.find((action) => action.do === 'finish');
  if (last === undefined) throw new Error(`no verdict in ${JSON.stringify(plan)}`);
  return last.verdict;
};

describe('beginning', () => {
  test('a rollout first claims its model', () => expect(said(planRollout(happened.begin(request()), 0))).toEqual(['claim']));
  test('an abort before the claim touches nobody', () => expect(said(planRollout(happened.wished(happened.begin(request()), { kind: 'abort' }), 0))).toEqual(['finish aborted']));
  test('what an earlier rollout left unsettled is fenced on every server at once', () => expect(said(Story.claimed(['b', 'a'], {}, {}, true).plan())).toEqual(['fence a', 'fence b']));
  test('nothing is resolved before the last fence answered', () => {
    const story = Story.claimed(['a', 'b'], {}, {}, true).then((state) => happened.fencing(happened.fencing(state, s('a'), 0), s('b'), 0)).then((state) => happened.fenced(state, s('a'), { proof, aspired: [] }));
    expect(said(story.plan())).toEqual([]);
    expect(story.plan().waits[s('a')]).toEqual({ on: 'fence' });
  });
  test('a server that did not answer its fence is not asked for the listing', () => {
    const story = Story.claimed(['a', 'b', 'c'], {}, {}, true).then((state) => ['a', 'b', 'c'].reduce((now, name) => happened.fenced(now, s(name), name === 'a' ? 'notSeen' : { proof, aspired: [] }), state));
    expect(said(story.plan())).toEqual(['resolve b']);
  });
  test('one agent lists the bucket', () => expect(said(Story.claimed(['a', 'b']).plan())).toEqual(['resolve a']));
  test('a listing that failed ends the rollout with its code, nothing touched', () => {
    const story = Story.claimed(['a']).then((state) => happened.resolved(happened.resolving(state, s('a')), 1, s('a'), { code: 'SourceMissing', message: 'nothing there' }, 0));
    expect(said(story.plan())).toEqual(['finish failed SourceMissing']);
  });
  test('an endpoint the agent refuses is a rejection', () => {
    const story = Story.claimed(['a']).then((state) => happened.resolved(happened.resolving(state, s('a')), 1, s('a'), { code: 'EndpointNotAllowed', message: 'no' }, 0));
    expect(said(story.plan())).toEqual(['finish rejected EndpointNotAllowed']);
  });
});

describe('waves', () => {
  test('maxUnavailable servers move at once, the others say behind whom they wait', () => {
    const plan = Story.claimed(['a', 'b', 'c']).resolved().plan();
    expect(said(plan)).toEqual(['start a']);
    expect(plan.waits[s('b')]).toEqual({ on: 'turn', behind: ['a'] });
  });
  test('a second one begins when the first is served', () => expect(said(Story.claimed(['a', 'b', 'c']).resolved().started('a').served('a').plan())).toEqual(['start b']));
  test('two may move when two may be unavailable', () => expect(said(Story.claimed(['a', 'b', 'c'], { maxUnavailable: 2 }).resolved().plan())).toEqual(['start a', 'start b']));
  test('a later wave waits for the earlier one', () => {
    const plan = Story.claimed(['a', 'b', 'c'], { waves: [{ count: 1 }, { percent: 100 }], maxUnavailable: 3 }).resolved().started('a').plan();
    expect(said(plan)).toEqual([]);
    expect(plan.waits[s('b')]).toEqual({ on: 'wave', wave: 1 });
  });
  test('a wave is cumulative: the second holds the first', () => expect(said(Story.claimed(['a', 'b', 'c'], { waves: [{ count: 1 }, { percent: 100 }], maxUnavailable: 3 }).resolved().started('a').served('a').plan())).toEqual(['start b', 'start c']));
  test.each([[{ percent: 1 }, 3, 1], [{ percent: 34 }, 3, 2], [{ percent: 100 }, 3, 3], [{ count: 7 }, 3, 3], [{ count: 2 }, 3, 2]])('%j of %d servers is %d', (wave, servers, size) => expect(waveSize(wave, servers)).toBe(size));
  test('every server served is the end', () => expect(verdict(Story.claimed(['a']).resolved().started('a').served('a').plan())).toMatchObject({ outcome: 'served', servers: { a: { end: 'served', version: '2' } }, notSeen: [] }));
  test('nothing done on any server is "already served"', () => {
    const story = Story.claimed(['a']).resolved().started('a').then((state) => happened.ended(state, s('a'), { kind: 'served', steps: [] }, report(state, 'a', { serving: v(2), aspired: [v(2)] }), 0));
    expect(verdict(story.plan()).outcome).toBe('alreadyServed');
  });
});

describe('baking', () => {
  const baking = (): Story => Story.claimed(['a', 'b'], { bakeSeconds: 5, maxUnavailable: 2 }).resolved().started('a', 'b').gate('a', 1000).gate('b', 3000);
  test('servers are asked to keep the version before', () => expect(Story.claimed(['a'], { bakeSeconds: 5 }).resolved().plan().actions[0]).toMatchObject({ do: 'start', goal: { bake: true } }));
  test('without a bake nothing is kept', () => expect(Story.claimed(['a']).resolved().plan().actions[0]).toMatchObject({ do: 'start', goal: { bake: false } }));
  test('a server at its gate waits for its peers', () => {
    const plan = Story.claimed(['a', 'b'], { bakeSeconds: 5 }).resolved().started('a').gate('a').plan();
    expect(said(plan)).toEqual(['start b']);
    expect(plan.waits[s('a')]).toEqual({ on: 'peers', servers: ['b'] });
  });
  test('the bake counts from the last one at the gate', () => {
    expect(baking().plan(7999)).toMatchObject({ phase: 'baking', actions: [], wakeAtMs: 8000, waits: { a: { on: 'bake', untilMs: 8000 } } });
    expect(said(baking().plan(8000))).toEqual(['release a', 'release b']);
  });
  test('a released server is not released twice', () => expect(said(baking().then((state) => happened.releasing(happened.releasing(state, s('a')), s('b'))).plan(9000))).toEqual([]));
});

describe('not seen', () => {
  test('one silent agent is a fact in the verdict, not a failure', () => {
    const story = Story.claimed(['a', 'b']).resolved().started('a').notSeen('a').started('b').served('b');
    expect(verdict(story.plan())).toMatchObject({ outcome: 'served', notSeen: ['a'], servers: { a: { end: 'notSeen' } } });
  });
  test('more silent agents than may be unavailable end it', () => expect(said(Story.claimed(['a', 'b', 'c']).resolved().started('a').notSeen('a').started('b').notSeen('b').plan())).toEqual(['finish failed ServerUnreachable']));
  test('a fleet of which nobody answers is a failure', () => expect(said(Story.claimed(['a']).resolved().started('a').notSeen('a').plan())).toEqual(['finish failed ServerUnreachable']));
  test('in resource mode a silent agent may be the unavailable one: nobody else goes', () => expect(said(Story.claimed(['a', 'b', 'c'], { mode: 'resource' }).resolved().started('a').notSeen('a').plan())).toEqual(['finish failed ServerUnreachable']));
});

describe('failing', () => {
  test('before any list changed it ends failed with its code, the others stopped first', () => {
    const story = Story.claimed(['a', 'b'], { maxUnavailable: 2 }).resolved().started('a', 'b').failed('a', 'InvalidSavedModel', false);
    expect(said(story.plan())).toEqual(['stop b']);
    expect(story.stopping('b').plan()).toMatchObject({ phase: 'stopping', actions: [] });
    expect(said(story.stopping('b').stopped('b').plan())).toEqual(['finish failed InvalidSavedModel']);
  });
  test('a version that did not load rolls back; nobody holds it, so there is nothing to do', () => expect(said(Story.claimed(['a']).resolved().started('a').failed('a', 'LoadFailed', true).plan())).toEqual(['finish rolledBack LoadFailed']));
  test('servers already on the new version go back, with a greater attempt, to what they served', () => {
    const plan = Story.claimed(['a', 'b']).resolved().started('a').served('a').started('b').failed('b', 'LoadFailed', true).plan();
    expect(plan.phase).toBe('rollingBack');
    expect(plan.actions).toEqual([{ do: 'start', server: 'a', attempt: 2, goal: { direction: 'back', bake: false, version: '1' } }]);
  });
  test('the rollback ends when they are back', () => {
    const story = Story.claimed(['a', 'b']).resolved().started('a').served('a').started('b').failed('b', 'LoadFailed', true)
      .then((state) => happened.started(state, s('a'), 'back', 2, 0))
      .then((state) => happened.ended(state, s('a'), { kind: 'served', steps: ['reloadConfig'] }, { ...report(state, 'a', { serving: v(1), aspired: [v(1)], listed: true }), token: [100, 2] }, 0));
    expect(verdict(story.plan())).toMatchObject({ outcome: 'rolledBack', code: 'LoadFailed', servers: { a: { end: 'wentBack', version: '1' }, b: { end: 'failed' } } });
  });
  test('a server that never said what it served before is left as it is', () => {
    const story = Story.claimed(['a', 'b']).resolved().started('a')
      .then((state) => happened.progressed(state, { server: s('a'), token: [100, 1], step: 'awaitAvailable', sinceMs: 0, version: v(2) }))
      .notSeen('a').started('b').failed('b', 'LoadFailed', true);
    expect(said(story.plan())).toEqual(['finish rolledBack LoadFailed']);
  });
  test('an attempt stopped before it saw the server says nothing of what was served before', () => {
    const story = Story.claimed(['a']).resolved().started('a').stopping('a')
      .then((state) => { const { before: _unseen, ...early } = report(state, 'a', {}); return happened.ended(state, s('a'), { kind: 'stopped' }, early, 0); });
    expect(story.state.servers[s('a')]).not.toHaveProperty('before');
  });
  test('going back from a first version serves nothing again', () => {
    const story = Story.claimed(['a', 'b']).resolved().started('a')
      .then((state) => { return happened.ended(state, s('a'), { kind: 'served', steps: ['reloadConfig'] }, report(state, 'a', { before: {}, serving: v(2), aspired: [v(2)], listed: true }), 0); })
      .started('b').failed('b', 'LoadFailed', true);
    expect(story.plan().actions).toEqual([{ do: 'start', server: 'a', attempt: 2, goal: { direction: 'back', bake: false } }]);
  });
  test('on hold it waits for a person, and then fails with the first code', () => {
    const story = Story.claimed(['a'], {}, { onFailure: 'hold', holdSeconds: 10 }).resolved().started('a').failed('a', 'LoadFailed', true);
    expect(story.plan(2000)).toMatchObject({ phase: 'holding', actions: [], wakeAtMs: 11_000, waits: { a: { on: 'operator', failure: 'LoadFailed', untilMs: 11_000 } } });
    expect(said(story.plan(11_000))).toEqual(['finish failed LoadFailed']);
  });
  test('a version that is off the list but has not ended is seen to its END before the verdict', () => {
    const story = Story.claimed(['a']).resolved().started('a')
      .then((state) => happened.ended(state, s('a'), { kind: 'failed', failure: { code: 'ProbeMismatch', message: 'wrong' } }, report(state, 'a', { serving: v(1), aspired: [v(1)], lingering: [v(2)], listed: true }), 0));
    expect(story.plan().actions).toEqual([{ do: 'start', server: 'a', attempt: 2, goal: { direction: 'back', bake: false, version: '1' } }]);
  });
  test('a stale attempt is a supersession that was not told yet', () => expect(said(Story.claimed(['a']).resolved().started('a').failed('a', 'StaleAttempt', true).plan())).toEqual(['finish superseded StaleAttempt']));
  test('other content under the stable number is refused when the listing says so, before a server is asked', () => {
    const stable = { version: v(2), digest: 'sha256:stable' as Digest };
    const story = new Story(happened.claimed(happened.begin(request()), { epoch: 100, servers: [s('a')], unsettled: false, stable }, 0)).resolved();
    expect(said(story.plan())).toEqual(['finish failed VersionReused']);
  });
  test('other content under a number that is served is refused', () => {
    const story = Story.claimed(['a', 'b'], { maxUnavailable: 2 }).resolved().started('a', 'b').served('a')
      .then((state) => happened.ended(state, s('b'), { kind: 'served', steps: [] }, report(state, 'b', { digest: 'sha256:other' as Digest }), 0));
    expect(story.state.failure).toMatchObject({ code: 'VersionReused', server: 'b' });
  });
});

describe('aborting', () => {
  test('everything in flight is stopped before anything else', () => {
    const story = Story.claimed(['a', 'b'], { maxUnavailable: 2 }).resolved().started('a', 'b').abort();
    expect(said(story.plan())).toEqual(['stop a', 'stop b']);
    expect(story.plan().waits[s('a')]).toEqual({ on: 'stop', servers: ['a', 'b'] });
  });
  test('a listing under way is stopped', () => expect(said(Story.claimed(['a']).then((state) => happened.resolving(state, s('a'))).abort().plan())).toEqual(['stopResolve']));
  test('stopped before it was listed: aborted, with the proof', () => expect(verdict(Story.claimed(['a']).resolved().started('a').abort().stopping('a').stopped('a').plan())).toMatchObject({ outcome: 'aborted', message: 'aborted: enough', servers: { a: { end: 'stopped', version: '1', proof: { sockets: 0 } } } }));
  test('how a stopped transition closed does not matter', () => expect(said(Story.claimed(['a']).resolved().started('a').abort().stopping('a').failed('a', 'DrainTimeout', false).plan())).toEqual(['finish aborted']));
  test('during a bake the old version is served again', () => {
    const story = Story.claimed(['a'], { bakeSeconds: 60 }).resolved().started('a').gate('a').abort().stopping('a').stopped('a', [1, 2], true, 2);
    expect(story.plan().actions).toEqual([{ do: 'start', server: 'a', attempt: 2, goal: { direction: 'back', bake: false, version: '1' } }]);
  });
  test('twice is once', () => expect(Story.claimed(['a']).abort().abort().state).toEqual(Story.claimed(['a']).abort().state));
  test('a child cancelled by hand is the wish to abort', () => expect(Story.claimed(['a']).resolved().started('a').stopped('a').state.wish.kind).toBe('abort'));
});

describe('superseded', () => {
  test('stops everything, goes back nowhere', () => {
    const story = Story.claimed(['a', 'b'], { maxUnavailable: 2 }).resolved().started('a', 'b').served('a').then((state) => happened.wished(state, { kind: 'supersede', by: 'rollout/x' }));
    expect(said(story.plan())).toEqual(['stop b']);
    expect(verdict(story.stopping('b').stopped('b').plan())).toMatchObject({ outcome: 'superseded', message: 'superseded by rollout/x' });
  });
  test('a server on its way back is stopped too: the newer rollout takes the world as it is', () => {
    const story = Story.claimed(['a', 'b']).resolved().started('a').served('a').started('b').failed('b', 'LoadFailed', true).then((state) => happened.started(state, s('a'), 'back', 2, 0)).then((state) => happened.wished(state, { kind: 'supersede', by: 'x' }));
    expect(said(story.plan())).toEqual(['stop a']);
  });
});

describe('updating', () => {
  const elsewhere = request({}, { source: { uri: 's3://models/half/2/', endpoint: 'http://good', region: 'us-east-1', credentials: 'env' } });
  const updating = (names = ['a'], more: Parameters<typeof request>[0] = {}): Story => Story.claimed(names, more).resolved().started('a').then((state) => happened.updated(state, { ...elsewhere, strategy: request(more).strategy }));
  test('a new source stops the old transitions and is listed meanwhile; the next attempt begins beside the stop', () => {
    const story = Story.claimed(['a', 'b']).resolved().started('a').then((state) => happened.updated(state, elsewhere));
    expect(said(story.plan())).toEqual(['stop a', 'resolve a']);
    const listed = story.stopping('a').resolved();
    expect(listed.plan()).toMatchObject({ actions: [{ do: 'start', server: 'a', attempt: 2, goal: { overtakes: true } }], waits: { b: { on: 'stop' } } });
    expect(listed.stopped('a').plan().actions).toMatchObject([{ do: 'start', server: 'a', attempt: 2 }]);
    const stopped = story.stopping('a').stopped('a');
    expect(said(stopped.plan())).toEqual(['resolve a']);
    expect(stopped.resolved().plan().actions).toMatchObject([{ do: 'start', server: 'a', attempt: 2 }]);
  });
  test('nor is the listing waited for: who began before it is told it once it is there, and nobody else', () => {
    const listing = updating(['a', 'b'], { maxUnavailable: 2 }).then((state) => happened.resolving(state, s('a'))).stopping('a');
    expect(listing.plan().actions).toMatchObject([{ do: 'start', server: 'a', attempt: 2, goal: { overtakes: true } }]);
    const begun = listing.ahead('a');
    expect(begun.plan()).toMatchObject({ phase: 'resolving', actions: [] });
    const listed = begun.resolved();
    expect(listed.plan().actions).toEqual([{ do: 'pin', server: 'a', pinned: { pin: pinned.pin, bytes: pinned.bytes, digest: 'sha256:b' } }]);
    expect(said(listed.then((state) => happened.pinned(state, s('a'))).plan())).toEqual(['start b']);
    expect(listed.then((state) => happened.pinned(state, s('a'))).state.servers[s('a')]).not.toHaveProperty('unpinned');
  });
  test('who is stopped before it was told the listing is not told it', () => {
    const stopped = updating().stopping('a').ahead('a').resolved().abort().stopping('a');
    expect(said(stopped.plan())).toEqual([]);
    const again = updating().stopping('a').ahead('a').then((state) => happened.updated(state, { ...elsewhere, reason: 'again', source: request().source! })).resolved();
    expect(said(again.plan())).toEqual(['stop a']);
    expect(said(again.stopping('a').stopped('a').then((state) => happened.ended(state, s('a'), { kind: 'stopped' }, undefined, 0, 1)).plan())).toEqual(['start a']);
  });
  test('a pause does not hold back the listing that a server on its way waits for', () => {
    const story = updating().stopping('a').ahead('a').then((state) => happened.paused(state, { sinceMs: 0 }));
    expect(said(story.plan())).toEqual(['resolve a']);
    const two = updating(['a', 'b'], { maxUnavailable: 2 }).then((state) => happened.started(state, s('b'), 'forward', 1, 0)).stopping('a').stopping('b').ahead('a').then((state) => happened.paused(state, { sinceMs: 0 }));
    expect(said(two.plan())).toEqual(['resolve a']);
  });
  test('what is not fetched by a listing looks first', () => {
    const disk = updating().then((state) => ({ ...state, request: { ...state.request, preferDisk: true as const } })).stopping('a');
    expect(disk.plan().actions).toMatchObject([{ do: 'start', server: 'a' }]);
    expect(disk.plan().actions).not.toMatchObject([{ goal: { overtakes: true } }]);
  });
  test('what is not stopping yet is not overtaken, nor is more than one attempt of a server', () => {
    expect(said(updating().resolved().plan())).toEqual(['stop a']);
    const twice = updating().stopping('a').resolved().started('a').then((state) => happened.updated(state, { ...elsewhere, reason: 'again', source: request().source! })).stopping('a').resolved();
    expect(twice.plan()).toMatchObject({ actions: [], waits: { a: { on: 'stop', servers: ['a'] } } });
    const first = twice.then((state) => happened.ended(state, s('a'), { kind: 'stopped' }, undefined, 0, 1));
    expect(first.plan().actions).toMatchObject([{ do: 'start', server: 'a', attempt: 3 }]);
  });
  test('no more servers are on their way than may be', () => {
    const three = Story.claimed(['a', 'b', 'c'], { maxUnavailable: 2 }).resolved().started('a', 'b').then((state) => happened.updated(state, elsewhere)).stopping('a').stopping('b').resolved();
    expect(said(three.plan())).toEqual(['start a']);
    expect(said(three.started('a').plan())).toEqual([]);
    expect(said(three.then((state) => ({ ...state, request: { ...state.request, strategy: { ...state.request.strategy, maxUnavailable: 2 } } })).plan())).toEqual(['start a', 'start b']);
  });
  test('nor does a server begin that is not of the wave', () => {
    const waved = Story.claimed(['a', 'b'], { maxUnavailable: 2 }).resolved().started('a', 'b').then((state) => happened.updated(state, { ...elsewhere, strategy: request({ waves: [{ count: 1 }, { percent: 100 }], maxUnavailable: 2 }).strategy })).stopping('a').stopping('b').resolved();
    expect(said(waved.plan())).toEqual(['start a']);
  });
  test('of what was overtaken, what it did and its proof count; what the server is like, its successor tells', () => {
    const story = updating().stopping('a').resolved().started('a');
    const old = { server: s('a'), token: [100, 1] as const, before: { version: v(1) }, serving: v(9), aspired: [v(9)], lingering: [], listed: true, digest: 'sha256:other' as Digest, proof };
    const after = story.then((state) => happened.ended(state, s('a'), { kind: 'failed', failure: { code: 'StaleAttempt', message: 'm' } }, old, 0, 1));
    expect(after.state.servers[s('a')]).toMatchObject({ activity: 'transition', attempt: 2, listed: true, before: { version: '1' }, proof, aspired: [] });
    expect(after.state.servers[s('a')]).not.toHaveProperty('overtaken');
    expect([after.state.failure, after.state.digest, after.state.wish.kind]).toEqual([undefined, 'sha256:b', 'serve']);
    const newer = { ...proof, token: [100, 2] as const };
    const late = story.stopping('a').then((state) => happened.ended(state, s('a'), { kind: 'stopped' }, report(state, 'a', { proof: newer }), 0)).then((state) => happened.ended(state, s('a'), { kind: 'stopped' }, old, 0, 1));
    expect(late.state.servers[s('a')]?.proof).toEqual(newer);
  });
  test('it ends only when what was overtaken has ended too', () => {
    const over = (story: Story): Story => story.then((state) => happened.ended(state, s('a'), { kind: 'stopped' }, undefined, 0, 1));
    const served = updating().stopping('a').resolved().started('a').served('a');
    expect(served.plan()).toMatchObject({ phase: 'rolling', actions: [], waits: { a: { on: 'stop', servers: ['a'] } } });
    expect(verdict(over(served).plan()).outcome).toBe('served');
    const aborted = updating().stopping('a').resolved().started('a').abort().stopping('a').stopped('a');
    expect(said(aborted.plan())).toEqual([]);
    expect(verdict(over(aborted).plan()).outcome).toBe('aborted');
    const untold = served.then((state) => happened.attemptTaken(state, s('a'), 0, 1));
    expect(verdict(untold.plan())).toMatchObject({ outcome: 'served', notSeen: [] });
  });
  test('while paused, a new source stops the old transitions and is listed after the pause', () => {
    const story = Story.claimed(['a']).resolved().started('a').then((state) => happened.updated(happened.paused(state, { sinceMs: 0 }), elsewhere));
    expect(said(story.plan())).toEqual(['stop a']);
    expect(said(story.stopping('a').stopped('a').plan())).toEqual([]);
  });
  test('a listing from the old source is stopped, and its late answer says nothing', () => {
    const story = Story.claimed(['a']).then((state) => happened.resolving(state, s('a'))).then((state) => happened.updated(state, elsewhere));
    expect(said(story.plan())).toEqual(['stopResolve']);
    const late = story.then(happened.stoppingResolve).then((state) => happened.resolved(state, 1, s('a'), pinned, 0));
    expect(late.state.resolved).toBeUndefined();
    expect(said(late.plan())).toEqual(['resolve a']);
  });
  test('servers already served are not touched again', () => expect(said(Story.claimed(['a', 'b']).resolved().started('a').served('a').then((state) => happened.updated(state, elsewhere)).resolved().plan())).toEqual(['start b']));
  test('what only came from the old source binds nobody', () => expect(Story.claimed(['a']).resolved().then((state) => happened.updated(state, elsewhere)).state.digest).toBeUndefined());
  test('what some server serves is this version for ever', () => expect(Story.claimed(['a', 'b']).resolved().started('a').served('a').then((state) => happened.updated(state, elsewhere)).state.digest).toBe('sha256:b'));
  test('other options alone stop nobody', () => expect(Story.claimed(['a']).resolved().started('a').then((state) => happened.updated(state, request({ bakeSeconds: 9 }))).plan().actions).toEqual([]));
  test('on hold, an update tries again', () => {
    const story = Story.claimed(['a'], {}, { onFailure: 'hold' }).resolved().started('a').failed('a', 'LoadFailed', true).then((state) => happened.updated(state, elsewhere));
    expect(said(story.plan())).toEqual(['resolve a']);
  });
  test.each([
    ['after an abort', Story.claimed(['a']).abort()],
    ['while going back', Story.claimed(['a']).resolved().started('a').failed('a', 'LoadFailed', true)],
  ])('is refused %s', (_when, story) => expect(happened.reasonNotUpdatable(story.state)).toMatchObject({ code: 'InvalidInput', message: expect.stringContaining('start a new one') as string }));
  test('an endpoint that some agent does not take is refused, and the load under way is left alone', () => {
    const picky = Story.claimed(['a', 'b']).then((state) => ({ ...state, claim: { ...state.claim, epoch: 100, servers: [s('a'), s('b')], unsettled: false, allowEndpoints: { [s('b')]: ['http://good'] } } }));
    expect(happened.reasonNotUpdatable(picky.state, elsewhere)).toBeUndefined();
    expect(happened.reasonNotUpdatable(picky.state, { ...elsewhere, source: { uri: 's3://models/half/2/', region: 'us-east-1', credentials: 'env', endpoint: 'http://bad' } })).toMatchObject({ code: 'EndpointNotAllowed', message: expect.stringContaining('b allows: http://good') as string });
  });
  test('an endpoint refused after servers changed their lists is no rejection: nothing was touched would be untrue, and they go back', () => {
    const story = Story.claimed(['a', 'b']).resolved().started('a').served('a').then((state) => happened.updated(state, elsewhere))
      .then((state) => happened.resolved(happened.resolving(state, s('a')), state.attempt, s('a'), { code: 'EndpointNotAllowed', message: 'no' }, 0));
    expect(said(story.plan())).toEqual(['start a']);
    expect(story.plan().actions).toMatchObject([{ goal: { direction: 'back', version: '1' } }]);
  });
  test('on hold for agents that were silent, an update asks them again', () => {
    const held = Story.claimed(['a', 'b', 'c'], {}, { onFailure: 'hold' }).resolved().started('a').served('a').started('b').notSeen('b').started('c').notSeen('c');
    expect(held.plan()).toMatchObject({ phase: 'holding', actions: [] });
    const again = held.then((state) => happened.updated(state, { ...state.request, reason: 'they are back' }));
    expect(said(again.plan())).toEqual(['resolve a']);
    expect(said(again.resolved().plan())).toEqual(['start b']);
  });
  test('a word about a rollout that goes well, with a silent agent within its bounds, begins nothing anew', () => {
    const story = Story.claimed(['a', 'b']).resolved().started('a').notSeen('a').started('b').then((state) => happened.updated(state, { ...state.request, reason: 'as agreed' }));
    expect(story.state.attempt).toBe(1);
    expect(story.plan().actions).toEqual([]);
  });
});

test('a step told late, for an older attempt, is not shown', () => {
  const story = Story.claimed(['a']).resolved().started('a');
  expect(story.then((state) => happened.progressed(state, { server: s('a'), token: [100, 0], step: 'unloadVersion', sinceMs: 1 })).state).toEqual(story.state);
});

describe('pause and resume', () => {
  const pause = (story: Story): Story => story.then((state) => happened.paused(state, { sinceMs: 9, by: 'ops' }));
  test('what is on its way goes on, nothing else begins, and it says on what it waits', () => {
    const story = pause(Story.claimed(['a', 'b']).resolved().started('a'));
    expect(story.plan()).toMatchObject({ phase: 'paused', actions: [], waits: { b: { on: 'resume', sinceMs: 9, by: 'ops' } } });
    expect(said(story.served('a').plan())).toEqual([]);
    expect(said(story.served('a').then(happened.resumed).plan())).toEqual(['start b']);
  });
  test('a gate stays shut although the bake is over', () => {
    const story = pause(Story.claimed(['a'], { bakeSeconds: 10 }).resolved().started('a').gate('a'));
    expect(said(story.plan(60_000))).toEqual([]);
    expect(said(story.then(happened.resumed).plan(60_000))).toEqual(['release a']);
  });
  test('before the source is listed, nothing is listed', () => expect(pause(Story.claimed(['a'])).plan()).toMatchObject({ phase: 'paused', actions: [] }));
  test('what was left to do when it paused is nothing: it ends', () => expect(said(pause(Story.claimed(['a']).resolved().started('a').served('a')).plan())).toEqual(['finish served']));
  test('an abort, a failure and a supersession do not wait for a resume', () => {
    const story = pause(Story.claimed(['a', 'b']).resolved().started('a'));
    expect(said(story.abort().plan())).toEqual(['stop a']);
    expect(said(story.failed('a', 'LoadFailed', false).plan())).toEqual(['finish failed LoadFailed']);
    expect(said(story.then((state) => happened.wished(state, { kind: 'supersede', by: 'x' })).plan())).toEqual(['stop a']);
  });
  test('a new source while paused stops the stale load at once; the new one begins after the resume', () => {
    const story = pause(Story.claimed(['a']).resolved().started('a')).then((state) => happened.updated(state, request({}, { source: { uri: 's3://models/half/2/', endpoint: 'http://good', region: 'us-east-1', credentials: 'env' } })));
    expect(said(story.plan())).toEqual(['stop a']);
    const stopped = story.stopping('a').stopped('a');
    expect(stopped.plan()).toMatchObject({ phase: 'paused', actions: [] });
    expect(said(stopped.then(happened.resumed).plan())).toEqual(['resolve a']);
  });
  test('an end is not paused', () => expect(happened.reasonNotPausable(Story.claimed(['a']).abort().state)).toMatch(/ending/));
});

describe('rollback as a wish', () => {
  const rollback = (story: Story): Story => story.then((state) => happened.wished(state, { kind: 'rollback', by: 'ops', reason: 'bad answers' }));
  test('stops what is on its way, takes back what has the candidate, and ends as rolled back', () => {
    const story = rollback(Story.claimed(['a', 'b']).resolved().started('a').served('a').started('b'));
    expect(said(story.plan())).toEqual(['stop b']);
    expect(said(story.stopping('b').stopped('b').plan())).toEqual(['start a']);
  });
  test('says who and why, and its content is known to be bad', () => {
    const { state, plan } = { state: rollback(Story.claimed(['a']).resolved()).state, plan: rollback(Story.claimed(['a']).resolved()).plan() };
    const last = plan.actions[0];
    if (last?.do !== 'finish') throw new Error('it is over');
    expect(last.verdict).toMatchObject({ outcome: 'rolledBack', message: 'rolled back by ops: bad answers' });
    expect(knownBadOf(state, last.verdict, 7)).toEqual({ digest: 'sha256:b', version: '2', why: 'rolled back by ops: bad answers', atMs: 7 });
  });
  test.each([['LoadFailed', true], ['DrainTimeout', false]] as const)('after %s the content is known to be bad: %s', (code, bad) => {
    const { state } = Story.claimed(['a']).resolved().started('a').failed('a', code, true);
    expect(knownBadOf(state, { outcome: 'rolledBack', code, message: 'm', servers: {}, notSeen: [] }, 7) !== undefined).toBe(bad);
  });
  test('a rollout that was superseded says nothing of the content, whatever had failed', () => expect(knownBadOf(Story.claimed(['a']).resolved().state, { outcome: 'superseded', code: 'LoadFailed', message: 'm', servers: {}, notSeen: [] }, 7)).toBeUndefined());
  test('an abort says nothing of the content', () => expect(knownBadOf(Story.claimed(['a']).resolved().abort().state, { outcome: 'aborted', message: 'm', servers: {}, notSeen: [] }, 7)).toBeUndefined());
});

describe('content known to be bad', () => {
  const known = [{ digest: 'sha256:b' as Digest, version: v(7), why: 'LoadFailed: no', atMs: 0 }];
  const claimed = (top: Partial<RolloutRequest> = {}, stable?: Digest): RolloutState => happened.claimed(happened.begin(request({}, top)), { epoch: 100, servers: [s('a')], unsettled: false, knownBad: known, ...(stable === undefined ? {} : { stable: { version: v(2), digest: stable } }) }, 0);
  test('is refused when the listing tells that it is this, before anything is fetched', () => {
    const { state } = new Story(claimed()).resolved();
    expect(state.failure).toMatchObject({ code: 'KnownBadVersion', message: expect.stringMatching(/rolled back as version 7 at 1970.*LoadFailed: no.*--allow-known-bad/) as string });
    expect(said(new Story(state).plan())).toEqual(['finish rejected KnownBadVersion']);
  });
  test('is refused at the claim where the request says its digest', () => expect(claimed({ digest: 'sha256:b' as Digest }).failure).toMatchObject({ code: 'KnownBadVersion' }));
  test('under a number that is stable it is refused by its listing, which may say that it is other content', () => {
    const stable = claimed({}, 'sha256:b' as Digest);
    const listed = (digest?: string) => happened.resolved(happened.resolving(stable, s('a')), 1, s('a'), { pin: 'pin:1' as Pin, files: 3, bytes: 100, ...(digest === undefined ? {} : { digest: digest as Digest }) }, 0).failure;
    expect(stable.failure).toBeUndefined();
    expect(listed()).toMatchObject({ code: 'KnownBadVersion' });
    expect(listed('sha256:b')).toMatchObject({ code: 'KnownBadVersion' });
    expect(listed('sha256:c')).toMatchObject({ code: 'VersionReused' });
  });
  test('is no reason to go on serving it: a retirement is not refused', () => expect(claimed({ retire: true }, 'sha256:b' as Digest).failure).toBeUndefined());
  test('is served where somebody means it', () => expect(said(new Story(claimed({ allowKnownBad: true })).resolved().plan())).toEqual(['start a']));
});

describe('a retirement', () => {
  const retiring = (): Story => Story.claimed(['a', 'b'], {}, { retire: true });
  test('lists no source, and brings every server to nothing', () => expect(retiring().plan().actions).toMatchObject([{ do: 'start', server: 'a', goal: { direction: 'forward', bake: false } }]));
  test('aborted half-way, what was retired comes back', () => {
    const story = retiring().started('a').then((state) => happened.ended(state, s('a'), { kind: 'served', steps: ['drainVersion', 'unloadVersion'] }, { server: s('a'), token: [100, 1], before: { version: v(2) }, aspired: [], lingering: [], listed: true }, 0));
    expect(story.state.servers[s('a')]).not.toHaveProperty('serving');
    expect(story.abort().plan().actions).toMatchObject([{ do: 'start', server: 'a', goal: { direction: 'back', version: '2' } }]);
  });
  test('done, it is a success of its own', () => {
    const done = ['a', 'b'].reduce((story, name) => story.started(name).then((state) => happened.ended(state, s(name), { kind: 'served', steps: [] }, undefined, 0)), retiring());
    expect(done.plan().actions).toMatchObject([{ do: 'finish', verdict: { outcome: 'retired' } }]);
  });
});

describe('what mutants taught', () => {
  test('a server that served this very version before keeps it, however the rollout ends', () => {
    const story = Story.claimed(['a']).resolved().started('a').then((state) => happened.ended(state, s('a'), { kind: 'served', steps: ['reloadConfig'] }, report(state, 'a', { before: { version: v(2) }, serving: v(2), aspired: [v(2)], listed: true }), 0));
    expect(said(story.abort().plan())).toEqual(['finish aborted']);
  });
  test('a server that is not seen counts against maxUnavailable', () => {
    const story = Story.claimed(['a', 'b', 'c', 'd'], { maxUnavailable: 2 }).resolved().started('a').notSeen('a');
    expect(said(story.plan())).toEqual(['start b']);
  });
  test('the gate of an attempt that is over opens nothing', () => {
    const story = Story.claimed(['a'], { bakeSeconds: 1 }).resolved().started('a');
    const old = { ...report(story.state, 'a', { serving: v(2) }), token: [99, 1] as const };
    expect(happened.atGate(story.state, old, 5)).toBe(story.state);
  });
  test('what fails while it is being stopped was stopped, where its host proved it', () => {
    const story = Story.claimed(['a']).resolved().started('a').abort().stopping('a').then((state) => happened.ended(state, s('a'), { kind: 'failed', failure: { code: 'LoadFailed', message: 'm' } }, report(state, 'a', { serving: v(1), aspired: [v(1)], proof }), 0));
    expect(story.state.failure).toBeUndefined();
    expect(story.state.servers[s('a')]?.end).toEqual({ kind: 'stopped' });
  });
  test('an attempt that a run before the reset began is left to it, and the next one is greater', () => {
    const story = Story.claimed(['a']).resolved().started('a').then((state) => happened.attemptTaken(state, s('a'), 0));
    expect(story.plan().actions).toMatchObject([{ do: 'start', server: 'a', attempt: 2 }]);
    const back = Story.claimed(['a']).resolved().started('a').gate('a').abort().stopping('a').stopped('a', [1, 2], true).then((state) => happened.attemptTaken(happened.started(state, s('a'), 'back', 2, 0), s('a'), 0));
    expect(back.plan().actions).toMatchObject([{ do: 'start', server: 'a', attempt: 3, goal: { direction: 'back' } }]);
  });
  test('an attempt whose end nobody heard is told as not seen where nothing begins after it, never as untouched', () => {
    const story = Story.claimed(['a']).resolved().started('a').abort().stopping('a').then((state) => happened.attemptTaken(state, s('a'), 0));
    expect(story.plan().actions).toMatchObject([{ do: 'finish', verdict: { outcome: 'aborted', notSeen: ['a'], servers: { a: { end: 'notSeen' } } } }]);
  });
  test('a way back that failed is tried again, although the abort before it had no answer', () => {
    const story = Story.claimed(['a']).resolved().started('a').gate('a').abort().stopping('a').notSeen('a').then((state) => happened.started(state, s('a'), 'back', 2, 0))
      .then((state) => happened.ended(state, s('a'), { kind: 'failed', failure: { code: 'LoadFailed', message: 'restarted' } }, report(state, 'a', { serving: v(2), aspired: [v(2)] }), 0));
    expect(story.plan().actions).toMatchObject([{ do: 'start', server: 'a', attempt: 3, goal: { direction: 'back', version: '1' } }]);
  });
  test('what may have been listed, and had no answer since, is looked at before anybody says it went back', () => {
    const story = Story.claimed(['a']).resolved().started('a').then((state) => happened.ended(state, s('a'), { kind: 'failed', failure: { code: 'ServerUnreachable', message: 'm' } }, report(state, 'a', { serving: v(1), aspired: [v(1)], listed: true }), 0));
    expect(story.plan().actions).toMatchObject([{ do: 'start', server: 'a', goal: { direction: 'back', version: '1' } }]);
    expect(story.then((state) => happened.started(state, s('a'), 'back', 2, 0)).notSeen('a').plan().actions).toMatchObject([{ do: 'finish', verdict: { outcome: 'rolledBack', notSeen: ['a'] } }]);
  });
  test('where not even its abort was answered, it is told as not seen: nobody proved that it stopped', () => {
    const story = Story.claimed(['a']).resolved().started('a').abort().stopping('a').then((state) => happened.ended(state, s('a'), { kind: 'failed', failure: { code: 'LoadFailed', message: 'm' } }, report(state, 'a', { serving: v(1), aspired: [v(1)] }), 0));
    expect(story.state.failure).toBeUndefined();
    expect(story.state.servers[s('a')]?.end).toEqual({ kind: 'notSeen' });
  });
  test('superseded while it goes back, it stops where it is: the newer one takes the world as it is', () => {
    const story = Story.claimed(['a']).resolved().started('a').served('a').abort();
    expect(said(story.plan())).toEqual(['start a']);
    const superseded = story.then((state) => happened.wished(state, { kind: 'supersede', by: 'newer' }));
    expect(said(superseded.plan())).toEqual(['finish superseded']);
    expect(said(superseded.abort().plan())).toEqual(['finish superseded']);
  });
  test('what was served before is what the first attempt saw', () => {
    const story = Story.claimed(['a']).resolved().started('a').failed('a', 'InvalidSavedModel', false);
    const again = happened.ended(story.state, s('a'), { kind: 'stopped' }, report(story.state, 'a', { before: { version: v(2) } }), 0);
    expect(again.servers[s('a')]?.before).toEqual({ version: v(1) });
  });
});
