import { changes, lines } from '../../src/cli/fleet/show';
import type { FleetState, Member, ModelState } from '../../src/domain/fleet-facts';

const NOW = 1_700_000_100_000;
const AT = '2023-11-14 22:15:00';
const SOURCE = { uri: 's3://models/half/1/', region: 'us-east-1', credentials: 'env' };
const DIGEST = `sha256:${'ab'.repeat(32)}`;

test('everything of a fleet in one look: who serves what, what is stable, who holds it, what is known to be bad', () => {
  const state = fleet({
    'edge-b': { zone: 'eu', models: { half: { version: '2' }, gone: {} } },
    'edge-a': {},
    'edge-c': { models: {}, silentSinceMs: NOW, seeded: false },
  }, {
    half: { stable: { version: '2' }, retained: { version: '1' }, holder: { workflowId: 'rollout/demo/half/3/ci-1' }, knownBad: [{ version: '3', digest: DIGEST, why: 'rolled back by ann', atMs: NOW }] },
    ranker: { own: { workflowId: 'retire/demo/ranker/1', why: 'retire', startedMs: NOW }, failedRepairs: { count: 2, nextMs: NOW, last: 'SourceMissing' } },
  });
  expect(lines(state, NOW)).toEqual([
    'fleet demo: 3 servers, 2 models; times are UTC',
    ' edge-a: has not said what it serves',
    ' edge-b (eu): serves half/2',
    ` edge-c: serves nothing, silent since ${AT}, unseeded`,
    ' half: stable 2, before 1, held by rollout/demo/half/3/ci-1',
    `  known bad: half/3 (sha256:abababababab…) since ${AT}: rolled back by ann`,
    ' ranker: stable nothing, before nothing, retire begins: retire/demo/ranker/1',
    `  2 repairs of ranker failed, the last with SourceMissing; the next not before ${AT}`,
    ' drifted:',
    `  edge-c: its agent does not poll, since ${AT}; nothing is known of it, and nothing is done`,
    '  edge-c: its agent lost its journal and does not know what the server lists; nothing is reloaded until it does (segue adopt)',
    ' waits for rollout/demo/half/3/ci-1, which holds half',
    ' waits for retire/demo/ranker/1 to claim ranker',
    ' waits for the agents of edge-c, which are silent',
  ]);
});

test('a fleet at rest says so', () => {
  expect(lines(fleet({ a: { models: { half: { version: '1' } } } }, { half: { stable: { version: '1', source: SOURCE } } }), NOW).slice(-1)).toEqual([' nothing drifted']);
});

describe('what changed', () => {
  const serving = fleet({ a: { models: { half: { version: '1' } } } }, { half: { stable: { version: '1', source: SOURCE } } });

  test('nothing is said of a look that shows the same, also when an agent only announced itself again', () => {
    expect(changes(serving, serving, NOW)).toEqual([]);
    expect(changes(serving, fleet({ a: { models: { half: { version: '1' } }, announcedMs: NOW + 5 } }, serving.models), NOW)).toEqual([]);
  });

  test('the first look says everything once', () => {
    expect(changes(undefined, serving, NOW)).toEqual(['a: serves half/1', 'half: stable 1, before nothing']);
  });

  test('a server that fell behind is a fact of the server, of the drift, and of the repair to come; its end is told too', () => {
    const behind = fleet({ a: { models: {} } }, serving.models);
    const drift = `a: half: serves nothing, stable is 1, since ${AT}; the fleet repairs it`;
    expect(changes(serving, behind, NOW)).toEqual(['a: serves nothing', `drifted: ${drift}`, 'waits for the repair of half on a, at 2023-11-14 22:15:05']);
    expect(changes(behind, serving, NOW)).toEqual(['a: serves half/1', `no longer so: ${drift}`]);
  });

  test('servers join and leave', () => {
    const joined = fleet({ a: { models: { half: { version: '1' } } }, b: { zone: 'eu' } }, serving.models);
    expect(changes(serving, joined, NOW)).toEqual(['b (eu): has not said what it serves']);
    expect(changes(joined, serving, NOW)).toEqual(['b: left the fleet']);
  });

  test('content that became known as bad is told once', () => {
    const bad = fleet(serving.members, { half: { ...serving.models['half' as keyof FleetState['models']], knownBad: [{ version: '2', digest: DIGEST, why: 'LoadFailed', atMs: NOW }] } });
    expect(changes(serving, bad, NOW)).toEqual([`known bad: half/2 (sha256:abababababab…) since ${AT}: LoadFailed`]);
    expect(changes(bad, bad, NOW)).toEqual([]);
  });
});

function fleet(members: Readonly<Record<string, object>>, models: Readonly<Record<string, object>>): FleetState {
  const all = Object.entries(members).map(([server, one]) => [server, { server, incarnation: 'i', sinceMs: NOW, announcedMs: NOW, ...one } as unknown as Member]);
  return { fleet: 'demo', epoch: 7, members: Object.fromEntries(all), models: models as Readonly<Record<string, ModelState>>, superseded: [] } as unknown as FleetState;
}
