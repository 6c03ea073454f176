import { announced, checked, claim, emptyFleet, holdersGone, left, modelOf, ownLost, ownStarted, reasonNotRetirable, reasonNotRollback, repairing, retireAsked, rollbackAsked, settle as settleAt, supersededTold, verbRefused, verbTaken } from '../../src/domain/fleet';
import type { FleetState, Settlement } from '../../src/domain/fleet-facts';
import { behindOf, planFleet as planAt } from '../../src/domain/fleet-plan';
import { driftLines, fleetDetails } from '../../src/domain/fleet-status';
import type { Announcement, Drift, ModelFact } from '../../src/domain/host';
import { endpointAllowed } from '../../src/domain/endpoints';
import type { Digest, FleetName, ModelName, ServerName, Version } from '../../src/domain/names';

const server = (name: string, allowEndpoints: string[] = []) => ({ server: name as ServerName, incarnation: 'i', allowEndpoints });
const model = 'half' as ModelName;
const wish = (run: string, version = '2', endpoint?: string) => ({ model, version: version as Version, workflowId: `rollout/${run}`, runId: run, ...(endpoint === undefined ? {} : { endpoint }) });
const verdict = (run: string, epoch: number, outcome: Settlement['outcome'], version = '2'): Settlement => ({ model, version: version as Version, digest: `sha256:${version}` as Digest, workflowId: `rollout/${run}`, runId: run, epoch, outcome });
const settle = (state: FleetState, last: Settlement, nowMs = 1): FleetState => settleAt(state, last, nowMs);
const planFleet = (state: FleetState, nowMs = 1) => planAt(state, nowMs);
const demo = (): FleetState => announced(announced(emptyFleet('demo' as FleetName), server('b'), 1), server('a'), 1);

function claimed(state: FleetState, run: string, nowMs = 1000, version = '2') {
  const result = claim(state, wish(run, version), nowMs);
  if ('refused' in result) throw result.refused;
  return result;
}

describe('claiming', () => {
  test('the first claim gets an epoch and the members by name', () => expect(claimed(demo(), 'r1').answer).toEqual({ epoch: 1000, servers: ['a', 'b'], unsettled: false }));
  test('the same run asking again gets the same answer', () => {
    const first = claimed(demo(), 'r1');
    expect(claimed(first.state, 'r1', 9999)).toEqual({ state: first.state, answer: first.answer });
  });
  test('a rollout that was reset is another run, and gets another epoch: its old one is closed on the hosts', () => {
    const again = claim(claimed(demo(), 'r1').state, { ...wish('r1'), runId: 'after the reset' }, 1000);
    expect(again).toMatchObject({ answer: { epoch: 1001, unsettled: true } });
  });
  test('the newest wins, at a greater epoch, and knows that something is unsettled', () => {
    const second = claimed(claimed(demo(), 'r1').state, 'r2', 1000);
    expect(second.answer).toMatchObject({ epoch: 1001, unsettled: true });
    expect(planFleet(second.state).actions).toEqual([{ do: 'supersede', holder: { workflowId: 'rollout/r1', runId: 'r1', epoch: 1000, by: 'rollout/r2' } }]);
  });
  test('a fleet that lost its state is ahead of the epochs it gave before', () => expect(claimed(demo(), 'r1', 5_000_000).answer.epoch).toBe(5_000_000));
  test('a clock that went back gives no lower epoch', () => expect(claimed(settle(claimed(demo(), 'r1', 5000).state, verdict('r1', 5000, 'served')), 'r2', 10).answer.epoch).toBe(5001));
  test('a fleet without members is a mistake in the request', () => expect(claim(emptyFleet('dmeo' as FleetName), wish('r1'), 1)).toMatchObject({ refused: { code: 'InvalidInput', detail: { path: 'fleet' } } }));
  test('an endpoint one member does not allow is refused for all', () => {
    const state = announced(demo(), server('c', ['http://good:9000']), 1);
    expect(claim(state, wish('r1', '2', 'http://evil:9000'), 1)).toMatchObject({ refused: { code: 'EndpointNotAllowed', detail: { path: 'source.endpoint' } } });
    expect(claim(state, wish('r1', '2', 'http://good:9000/'), 1)).toMatchObject({ answer: { allowEndpoints: { c: ['http://good:9000'] } } });
  });
  test('a silent member is still a member; one that left is not', () => expect(claimed(left(demo(), 'a' as ServerName), 'r1').answer.servers).toEqual(['b']));
});

describe('claims that overtake each other', () => {
  const at = (run: string, startedMs: number, more: object = {}) => ({ ...wish(run), startedMs, ...more });
  const first = (): FleetState => { const taken = claim(demo(), at('newer', 200), 1000); if ('refused' in taken) throw taken.refused; return taken.state; };
  test('whoever was started before the newest comes too late, and hears by whom', () => expect(claim(first(), at('older', 100), 1001)).toMatchObject({ refused: { code: 'StaleAttempt', detail: { by: 'rollout/newer' } } }));
  test('also when the newest has ended already', () => expect(claim(settle(first(), verdict('newer', 1000, 'served')), at('older', 100), 1001)).toMatchObject({ refused: { code: 'StaleAttempt' } }));
  test('started in the same millisecond: the last to claim wins', () => expect(claim(first(), at('twin', 200), 1001)).toMatchObject({ answer: { unsettled: true } }));
  test('a reset is a new wish, started when it was reset', () => expect(claim(first(), at('older', 300, { runId: 'reset' }), 1001)).toMatchObject({ answer: { unsettled: true } }));
  test('a claim asked twice gets its answer, whoever is newest', () => expect(claim(first(), at('newer', 200), 1001)).toMatchObject({ answer: { epoch: 1000 } }));
  test('a repair makes nobody come too late', () => {
    const taken = claim(first(), at('older', 100, { repair: ['a' as ServerName] }), 1001);
    expect(taken).toMatchObject({ refused: { message: expect.stringContaining('holds the model') as string } });
    const repaired = claim(demo(), at('repair', 900, { repair: ['a' as ServerName] }), 1000);
    if ('refused' in repaired) throw repaired.refused;
    expect(claim(repaired.state, at('person', 800), 1001)).toMatchObject({ answer: { unsettled: true } });
  });
});

describe('a holder that ended without a word', () => {
  const held = (): FleetState => claimed(settle(claimed(demo(), 'r1').state, verdict('r1', 1000, 'served')), 'r2', 2000, '3').state;
  test('is asked for with every check', () => expect(planFleet({ ...held(), checkedMs: 0 }, 600_001).actions).toEqual([{ do: 'check', servers: ['a', 'b'], holders: [{ workflowId: 'rollout/r2', runId: 'r2' }] }]));
  test('terminated: the model is free, and whoever claims next fences first', () => {
    const free = holdersGone(held(), [{ runId: 'r2' }, { runId: 'of another model' }], 3000);
    expect(modelOf(free, model)).toMatchObject({ stable: { version: '2' }, unsettled: true });
    expect(modelOf(free, model).holder).toBeUndefined();
    const next = claimed(free, 'r3', 4000, '3');
    expect(next.answer.unsettled).toBe(true);
    expect(claimed(settle(next.state, verdict('r3', 4000, 'served', '3')), 'r4', 5000, '4').answer.unsettled).toBe(false);
  });
  test('completed, its last word lost: what it served is stable, and nobody takes it back', () => expect(modelOf(holdersGone(held(), [{ runId: 'r2', outcome: 'served' }], 3000), model)).toMatchObject({ stable: { version: '3' }, retained: { version: '2' }, unsettled: true }));
  test('still open: it stays', () => expect(holdersGone(held(), [], 3000)).toEqual(held()));
});

describe('settling', () => {
  const served = (): FleetState => settle(claimed(demo(), 'r1').state, verdict('r1', 1000, 'served'));
  test('a served version is stable', () => expect(served().models[model]).toEqual({ stable: { version: '2', digest: 'sha256:2' } }));
  test('a rollout that was reset settles its claim from another run', () => expect(modelOf(settle(claimed(demo(), 'r1').state, { ...verdict('r1', 1000, 'served'), runId: 'after the reset' }), model)).toMatchObject({ stable: { version: '2' } }));
  test('what was served already keeps the source it came from: nobody compared the other one', () => {
    const at = (uri: string): Pick<Settlement, 'source'> => ({ source: { uri, region: 'r', credentials: 'env' } });
    const first = settle(claimed(demo(), 'r1').state, { ...verdict('r1', 1000, 'served'), ...at('s3://models/good/') });
    expect(modelOf(settle(claimed(first, 'r2', 2000).state, { ...verdict('r2', 2000, 'alreadyServed'), ...at('s3://models/overwritten/') }), model)).toMatchObject({ stable: { source: { uri: 's3://models/good/' } } });
  });
  test('the one before is retained', () => expect(settle(claimed(served(), 'r2', 2000, '3').state, verdict('r2', 2000, 'served', '3')).models[model]).toEqual({ stable: { version: '3', digest: 'sha256:3' }, retained: { version: '2', digest: 'sha256:2' } }));
  test('an aborted rollout leaves what is stable', () => expect(settle(claimed(served(), 'r2', 2000, '3').state, verdict('r2', 2000, 'aborted', '3')).models[model]).toEqual({ stable: { version: '2', digest: 'sha256:2' } }));
  test('the last word of a superseded rollout changes nothing but that it was told', () => {
    const state = claimed(claimed(served(), 'r2', 2000, '3').state, 'r3', 3000, '4').state;
    const after = settle(state, verdict('r2', 2000, 'served', '3'));
    expect(after.models).toEqual(state.models);
    expect(after.superseded).toEqual([]);
  });
  test('a fleet that lost its state learns a verdict and its epoch', () => expect(settle(emptyFleet('demo' as FleetName), verdict('r9', 7000, 'served'))).toMatchObject({ epoch: 7000, models: { half: { stable: { version: '2' } } } }));
  test('after a settled rollout nothing is unsettled', () => expect(claimed(served(), 'r2', 2000).answer).toMatchObject({ unsettled: false, stable: { version: '2' } }));
});

describe('resting', () => {
  test('a fleet without members and anything stable is forgotten', () => expect(planFleet(emptyFleet('x' as FleetName)).actions).toEqual([{ do: 'complete' }]));
  test('one with members rests, and says on what', () => expect(planFleet(demo())).toEqual({ actions: [], waits: [{ on: 'wish' }], wakeAtMs: 600_001 }));
  test('one with a holder says who', () => expect(planFleet(claimed(demo(), 'r1').state).waits).toEqual([{ on: 'rollout', model: 'half', holder: 'rollout/r1' }]));
  test('told once, planned again: nothing', () => {
    const state = claimed(claimed(demo(), 'r1').state, 'r2').state;
    expect(planFleet(supersededTold(state, { epoch: 1000 })).actions).toEqual([]);
  });
});

// ---- reconciling ----

const source = { uri: 's3://models/half/2/', region: 'us-east-1', credentials: 'env' };
const bad = { digest: 'sha256:2' as Digest, version: '2' as Version, why: 'LoadFailed', atMs: 5 };
const says = (name: string, fact?: Partial<ModelFact> & { version?: Version }, more: Partial<Announcement> = {}): Announcement => ({ server: name as ServerName, incarnation: 'i', models: fact === undefined ? {} : { [model]: fact }, ...more });
const at2: ModelFact = { version: '2' as Version, digest: 'sha256:2' as Digest };
const gone: Drift = { what: 'filesGone', sinceMs: 7, detail: 'half/2 is not there; somebody removed it', repair: 'fleet' };
/** Version 2 is stable from its source, and both agents say so. */
const stable2 = (...announcements: Announcement[]): FleetState => [says('a', at2), says('b', at2), ...announcements]
  .reduce((state, one) => announced(state, one, 2000), settle(claimed(demo(), 'r1').state, { ...verdict('r1', 1000, 'served'), source }, 1500));
const LATER = 60_000;

describe('reconciling', () => {
  test('who serves what is stable is left alone', () => expect(planFleet(stable2(), LATER).actions).toEqual([]));
  test.each([
    ['a server that joined', says('c'), 'c'],
    ['one that serves another version', says('a', { version: '1' as Version }), 'a'],
    ['one that serves other content under the number', says('a', { ...at2, digest: 'sha256:x' as Digest }), 'a'],
    ['one whose files are gone', says('a', { ...at2, drift: gone }), 'a'],
  ])('%s is behind, and it alone is repaired', (_what, word, name) => {
    const state = stable2(word);
    expect(planFleet(state, 2001)).toMatchObject({ actions: [], waits: [{ on: 'repair', model, servers: [name] }] });
    expect(planFleet(state, LATER).actions).toEqual([{ do: 'repair', model, servers: [name] }]);
    const begun = repairing(state, model, [name as ServerName], LATER);
    expect(planFleet(begun, LATER).actions).toMatchObject([{ do: 'start', input: { fleet: 'demo', model, version: '2', digest: 'sha256:2', source, repair: { servers: [name] } } }]);
    expect(planFleet(ownStarted(begun, model, modelOf(begun, model).own?.workflowId ?? '', LATER), LATER)).toMatchObject({ actions: [], waits: [{ on: 'claim' }] });
  });
  test('what an agent puts right by itself starts nothing', () => expect(planFleet(stable2(says('a', { ...at2, drift: { ...gone, what: 'foreignList', repair: 'agent' } })), LATER).actions).toEqual([]));
  test.each([
    ['an agent that has not said what it serves', { server: 'c' as ServerName, incarnation: 'i' }],
    ['an agent that does not know its own list', says('c', undefined, { seeded: false })],
  ])('%s is unknown, and nothing follows from that', (_what, word) => expect(planFleet(stable2(word), LATER).actions).toEqual([]));
  test('a silent server is named, and not repaired until it speaks', () => {
    const silent = checked(stable2(says('c')), ['a', 'b', 'c'] as ServerName[], ['c' as ServerName], LATER);
    expect(planFleet(silent, LATER)).toMatchObject({ actions: [], waits: [{ on: 'silent', servers: ['c'] }] });
    expect(driftLines(silent)).toContainEqual(expect.stringContaining('c: its agent does not poll'));
    expect(planFleet(announced(silent, says('c'), LATER), 2 * LATER).actions).toEqual([{ do: 'repair', model, servers: ['c'] }]);
  });
  test('never during a rollout of that model, and a repair under way is superseded by one', () => {
    expect(planFleet(claimed(stable2(says('c')), 'r2', 3000, '3').state, LATER).actions).toEqual([]);
    const begun = repairing(stable2(says('c')), model, ['c' as ServerName], LATER);
    const taken = claim(begun, { ...wish('repair'), repair: ['c' as ServerName] }, LATER);
    if ('refused' in taken) throw taken.refused;
    expect(taken.answer.servers).toEqual(['c']);
    expect(planFleet(claimed(taken.state, 'r2', LATER, '3').state, LATER).actions).toMatchObject([{ do: 'supersede', holder: { runId: 'repair' } }]);
  });
  test('a repair that comes too late is refused: the model is held', () => expect(claim(claimed(stable2(), 'r2', 3000, '3').state, { ...wish('repair'), repair: ['a' as ServerName] }, LATER)).toMatchObject({ refused: { code: 'StaleAttempt' } }));
  test('a repair does not move what is stable, and is over for the fleet at once', () => {
    const taken = claim(repairing(stable2(says('c')), model, ['c' as ServerName], LATER), { ...wish('repair'), repair: ['c' as ServerName] }, LATER);
    if ('refused' in taken) throw taken.refused;
    const after = settle(taken.state, { ...verdict('repair', taken.answer.epoch, 'served'), serving: { ['c' as ServerName]: '2' as Version } }, LATER);
    expect(modelOf(after, model).stable).toEqual(modelOf(stable2(), model).stable);
    expect(behindOf(after, model)).toEqual([]);
  });
  test('a repair of what was stable when it began says nothing of what is stable now', () => {
    const taken = claim(stable2(), { ...wish('repair'), repair: ['a' as ServerName] }, LATER);
    if ('refused' in taken) throw taken.refused;
    expect(modelOf(settle(taken.state, { ...verdict('repair', taken.answer.epoch, 'served', '1') }, LATER), model).stable?.version).toBe('2');
  });
  test('a repair that fails is tried again, later each time, at most every ten minutes', () => {
    let state = stable2(says('c'));
    const waits: number[] = [];
    for (let nowMs = LATER; waits.length < 8;) {
      const taken = claim(repairing(state, model, ['c' as ServerName], nowMs), { ...wish(`repair${waits.length}`), repair: ['c' as ServerName] }, nowMs);
      if ('refused' in taken) throw taken.refused;
      state = settle(taken.state, { ...verdict(`repair${waits.length}`, taken.answer.epoch, 'failed'), code: 'SourceUnreachable' }, nowMs);
      const next = planFleet(state, nowMs);
      expect(next.actions.filter((action) => action.do === 'repair')).toEqual([]);
      const untilMs = modelOf(state, model).failedRepairs?.nextMs ?? 0;
      expect(planFleet(state, untilMs).actions.filter((action) => action.do === 'repair')).toHaveLength(1);
      waits.push(untilMs - nowMs);
      nowMs = untilMs;
    }
    expect(waits).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000, 600_000]);
  });
  test('a rollout of its own that never claims is given up, and begins again', () => {
    const begun = repairing(stable2(says('c')), model, ['c' as ServerName], LATER);
    const { workflowId = '' } = modelOf(begun, model).own ?? {};
    const late = LATER + 500_000;
    expect(planFleet(ownStarted(begun, model, workflowId, LATER), late).actions).toContainEqual({ do: 'giveUp', model, workflowId });
    expect(modelOf(ownLost(begun, model, workflowId, 'why', late), model).own).toBeUndefined();
  });
  test('every ten minutes, and no sooner, somebody looks who still polls', () => {
    expect(planFleet(demo(), 600_000).actions).toEqual([]);
    expect(planFleet(demo(), 600_001).actions).toEqual([{ do: 'check', servers: ['a', 'b'], holders: [] }]);
    const after = checked(demo(), ['a', 'b'] as ServerName[], [], 600_001);
    expect(planFleet(after, 600_002)).toMatchObject({ actions: [], wakeAtMs: 1_200_001 });
  });
  test('what drifted is said with what, since when and who could have done it', () => {
    const state = stable2(says('a', { ...at2, drift: gone }));
    expect(driftLines(state)).toEqual([expect.stringMatching(/^a: half: filesGone: half\/2 is not there; somebody removed it, since 1970.*; the fleet repairs it$/)]);
    expect(fleetDetails(state, planFleet(state, 2001))).toContain('**Drifted**');
  });
});

describe('what people ask of a fleet', () => {
  const at3 = (): FleetState => settle(claimed(stable2(), 'r2', 3000, '3').state, { ...verdict('r2', 3000, 'served', '3'), source });
  test('a rollback goes to the version before, from the disks, and its content is known to be bad from then on', () => {
    const asked = rollbackAsked(at3(), { model, by: 'ops' }, LATER);
    expect(planFleet(asked, LATER).actions).toMatchObject([{ do: 'start', input: { version: '2', digest: 'sha256:2', allowDowngrade: true, requestedBy: 'ops' } }]);
    expect(planFleet(asked, LATER).actions[0]).toMatchObject({ input: { source, preferDisk: true } });
    expect(modelOf(asked, model).knownBad).toMatchObject([{ digest: 'sha256:3', version: '3' }]);
  });
  test('after a rollback the version is stable again with the source it came from, so that a new server can have it', () => {
    const { own } = modelOf(rollbackAsked(at3(), { model }, LATER), model);
    const taken = claim(rollbackAsked(at3(), { model }, LATER), { ...wish('back'), workflowId: own?.workflowId ?? '', allowDowngrade: true, fetches: false }, LATER);
    if ('refused' in taken) throw taken.refused;
    expect(modelOf(taken.state, model).own).toBeUndefined();
    expect(modelOf(settle(taken.state, { ...verdict('back', taken.answer.epoch, 'served'), workflowId: own?.workflowId ?? '' }), model)).toMatchObject({ stable: { version: '2', source }, retained: { version: '3' } });
  });
  test.each([
    ['nothing stable', demo(), undefined, /nothing of half is stable/], ['nothing before', stable2(), undefined, /no version before 2/], ['another version', at3(), '2', /2 is not what is stable \(3\)/],
    ['a rollout of it under way', claimed(at3(), 'r9', LATER, '4').state, undefined, /rollout\/r9 holds half now/],
  ])('a rollback with %s is refused', (_what, state, version, message) => expect(reasonNotRollback(state, model, version as Version | undefined)?.message).toMatch(message));
  test('a second rollback would go back to what was rolled back, and is refused', () => {
    const { own } = modelOf(rollbackAsked(at3(), { model, by: 'ops' }, LATER), model);
    const taken = claim(rollbackAsked(at3(), { model, by: 'ops' }, LATER), { ...wish('back'), workflowId: own?.workflowId ?? '', allowDowngrade: true, fetches: false }, LATER);
    if ('refused' in taken) throw taken.refused;
    const back = settle(taken.state, { ...verdict('back', taken.answer.epoch, 'served'), workflowId: own?.workflowId ?? '' });
    expect(reasonNotRollback(back, model)).toMatchObject({ code: 'KnownBadVersion', message: expect.stringMatching(/before 2 is 3, which was rolled back itself: rolled back by ops/) as string });
  });
  test('a retirement serves nothing, and forgets what was stable, so that nothing brings it back', () => {
    const asked = retireAsked(stable2(), { model }, LATER);
    expect(planFleet(asked, LATER).actions).toMatchObject([{ do: 'start', input: { version: '2', retire: true } }]);
    const taken = claim(asked, { ...wish('retire'), workflowId: modelOf(asked, model).own?.workflowId ?? '', fetches: false }, LATER);
    if ('refused' in taken) throw taken.refused;
    const after = settle(taken.state, { ...verdict('retire', taken.answer.epoch, 'retired') });
    expect(modelOf(after, model).stable).toBeUndefined();
    expect(behindOf(after, model)).toEqual([]);
    // Who was silent then, and comes back serving it, is brought to nothing; a fleet that only lost its memory unloads nothing.
    const back = announced(after, says('c', at2), LATER);
    expect(driftLines(back)).toEqual([expect.stringMatching(/^c: half: serves 2, the model is retired, since .*; the fleet repairs it$/)]);
    expect(planFleet(back, LATER + 5000).actions).toMatchObject([{ do: 'repair', servers: ['c'] }]);
    const repair = repairing(back, model, ['c' as ServerName], LATER + 5000);
    expect(planFleet(repair, LATER + 5000).actions).toMatchObject([{ do: 'start', input: { retire: true, version: '2', repair: { servers: ['c'] } } }]);
    expect(reasonNotRetirable(back, model)).toBeUndefined();
    expect(behindOf(announced(emptyFleet('demo' as FleetName), says('c', at2), 1), model)).toEqual([]);
    const served = claim(back, wish('r7', '3'), LATER + 6000);
    if ('refused' in served) throw served.refused;
    expect(modelOf(settle(served.state, verdict('r7', served.answer.epoch, 'served', '3')), model).retired).toBeUndefined();
  });
  test('a verb refused as a signal is shown until one is taken', () => {
    const shown = verbRefused(at3(), 'rollback', 'no version before 1', 0);
    expect(fleetDetails(shown, planFleet(shown, 0))).toContain('**Refused** rollback, at 1970');
    expect(verbTaken(shown)).toEqual(at3());
  });
  test('what a rollback would go back to is told with the claim, so that its directories stay', () => expect(claimed(at3(), 'r9', LATER, '4').answer).toMatchObject({ retained: '2' }));
  test('an unknown model is not retired', () => expect(reasonNotRetirable(demo(), 'hafl' as ModelName)?.message).toMatch(/knows no model hafl/));
  test('a version older than the stable one needs to be meant', () => {
    expect(claim(at3(), wish('r3', '2'), LATER)).toMatchObject({ refused: { code: 'InvalidInput', detail: { path: 'version' } } });
    expect(claim(at3(), { ...wish('r3', '2'), allowDowngrade: true }, LATER)).toMatchObject({ answer: { stable: { version: '3' } } });
    expect(claim(at3(), wish('r3', '3'), LATER)).toHaveProperty('answer');
  });
  test('content known to be bad is told with every claim, the newest twenty', () => {
    let state = demo();
    for (let n = 0; n < 25; n += 1) {
      const taken = claimed(state, `r${n}`, 1000 + n);
      state = settle(taken.state, { ...verdict(`r${n}`, taken.answer.epoch, 'rolledBack'), knownBad: { ...bad, digest: `sha256:${n}` as Digest } });
    }
    expect(claimed(state, 'r99', 9000).answer.knownBad?.map(({ digest }) => digest)).toEqual(Array.from({ length: 20 }, (_, n) => `sha256:${n + 5}`));
  });
});

test.each([
  ['http://h:9000', ['http://h:9000/'], true], ['http://H:9000/x', ['http://h:9000'], true], ['https://h', ['https://h:443'], true], ['http://h', ['https://h'], false],
  ['http://h:9001', ['http://h:9000'], false], ['http://good:9000@evil', ['http://good:9000'], false], ['http://good@evil:9000', ['http://good:9000'], false], [undefined, ['aws'], true], [undefined, ['http://h'], false], ['http://any', [], true],
  ['file:///etc', ['file:///etc'], false],
])('endpoint %s with %j allowed: %s', (endpoint, allowed, answer) => expect(endpointAllowed(endpoint, allowed)).toBe(answer));
