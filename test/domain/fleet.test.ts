import { announced, claim, emptyFleet, left, planFleet, settle, supersededTold, type FleetState, type Settlement } from '../../src/domain/fleet';
import { endpointAllowed } from '../../src/domain/endpoints';
import type { Digest, FleetName, ModelName, ServerName, Version } from '../../src/domain/names';

const server = (name: string, allowEndpoints: string[] = []) => ({ server: name as ServerName, incarnation: 'i', allowEndpoints });
const model = 'half' as ModelName;
const wish = (run: string, version = '2', endpoint?: string) => ({ model, version: version as Version, workflowId: `rollout/${run}`, runId: run, ...(endpoint === undefined ? {} : { endpoint }) });
const verdict = (run: string, epoch: number, outcome: Settlement['outcome'], version = '2'): Settlement => ({ model, version: version as Version, digest: `sha256:${version}` as Digest, workflowId: `rollout/${run}`, runId: run, epoch, outcome });
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
  test('the newest wins, at a greater epoch, and knows that something is unsettled', () => {
    const second = claimed(claimed(demo(), 'r1').state, 'r2', 1000);
    expect(second.answer).toMatchObject({ epoch: 1001, unsettled: true });
    expect(planFleet(second.state).actions).toEqual([{ do: 'supersede', holder: { workflowId: 'rollout/r1', runId: 'r1' }, by: 'rollout/r2' }]);
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

describe('settling', () => {
  const served = (): FleetState => settle(claimed(demo(), 'r1').state, verdict('r1', 1000, 'served'));
  test('a served version is stable', () => expect(served().models[model]).toEqual({ stable: { version: '2', digest: 'sha256:2' } }));
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
  test('one with members rests, and says on what', () => expect(planFleet(demo())).toEqual({ actions: [], waits: [{ on: 'wish' }] }));
  test('one with a holder says who', () => expect(planFleet(claimed(demo(), 'r1').state).waits).toEqual([{ on: 'rollout', model: 'half', holder: 'rollout/r1' }]));
  test('told once, planned again: nothing', () => {
    const state = claimed(claimed(demo(), 'r1').state, 'r2').state;
    expect(planFleet(supersededTold(state, { workflowId: 'rollout/r1', runId: 'r1' })).actions).toEqual([]);
  });
});

test.each([
  ['http://h:9000', ['http://h:9000/'], true], ['http://H:9000/x', ['http://h:9000'], true], ['https://h', ['https://h:443'], true], ['http://h', ['https://h'], false],
  ['http://h:9001', ['http://h:9000'], false], ['http://good:9000@evil', ['http://good:9000'], false], ['http://good@evil:9000', ['http://good:9000'], false], [undefined, ['aws'], true], [undefined, ['http://h'], false], ['http://any', [], true],
  ['file:///etc', ['file:///etc'], false],
])('endpoint %s with %j allowed: %s', (endpoint, allowed, answer) => expect(endpointAllowed(endpoint, allowed)).toBe(answer));
