// Facts of a run in which everything was as promised: the ground on which each verdict is made to fall.

import type { Facts, RolloutEnd } from '../../src/cli/demo/facts';
import type { ServerName } from '../../src/domain/names';

const SERVERS = ['edge-a', 'edge-b', 'edge-c'].map((name) => name as ServerName);

export function good(): Facts {
  return {
    servers: SERVERS,
    v1: served('1'), v2: served('2'), v3: served('3'),
    load: {
      sent: 900, failed: 0, byVersion: each(['1', '2', '3'], { sent: 300, failed: 0 }), byReason: {}, examples: [],
      byClient: each(SERVERS.flatMap((name) => [`${name} unversioned`, `${name} versioned`]), each(['1', '2', '3'], { sent: 50, failed: 0 })),
      byServer: each(SERVERS, 300), countedByServers: each(SERVERS, 304), probesByAgents: each(SERVERS, 4),
      latency: { p50Ms: 2, p99Ms: 9, maxMs: 40 }, perSecondDuringV2: 300,
    },
    abort: {
      commandAtMs: 900, signaledAtMs: 1_000,
      outside: { readable: true, looks: 20, heldAtFirst: true, goneAtMs: 1_100, notListedAtMs: 1_980, listedAtMs: 2_000 },
      stale: { requests: 9, connectionsOpen: 0, lastClosedAtMs: 1_090, lastRequestAtMs: 800 },
      good: { firstByteAtMs: 1_200 },
      agents: each(SERVERS, { token: [1, 1], sockets: 0, writers: 0, partial: 'kept', aspired: false, readFrom: 'kernel', stoppedMs: 20, atMs: 1_100 }),
      rightContent: SERVERS, leftovers: [],
    },
    broken: {
      end: { workflowId: 'rollout/demo/half/4/demo', exitCode: 1, failureType: 'InvalidSavedModel', seconds: 1 },
      listsBefore: each(SERVERS, '[3]'), listsAfter: each(SERVERS, '[3]'), reloadsBefore: each(SERVERS, 7), reloadsAfter: each(SERVERS, 7), answeredAfter: each(SERVERS, 30),
    },
    restart: { server: SERVERS[0] as ServerName, clientsLeftAtMs: 1, killedAtMs: 2, answeredAtMs: 900, clientsBackAtMs: 901, bootFileVersions: ['3'], answeredAfter: 30, rolloutsInAll: 4, rolloutsStarted: 4 },
    transitions: each(SERVERS, { events: 53, activities: 8, stepMs: { downloadVersion: 60 }, probes: 1 }),
    leftRunning: [],
  };
}

function served(version: string): RolloutEnd {
  const servers = each(SERVERS, { end: 'served', version, probed: 'predict' });
  return { workflowId: `rollout/demo/half/${version}/demo`, exitCode: 0, seconds: 9, verdict: { outcome: 'served', message: 'served', servers, notSeen: [] } as never };
}

function each<T>(names: readonly string[], value: T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, value]));
}
