// Both sides of every prediction: what the clients sent, and what the model servers counted.

import type { ServerName } from '../../domain/names';
import { SERVERS } from './fleet-of-processes';
import { transitionFigures } from './histories';
import type { TransitionFigures } from './history-figures';
import { latencyOf } from './latency';
import type { Load } from './load';
import { statsOf } from './simulators';
import type { Stage } from './stage';

export interface Counts {
  readonly perSecondDuringV2: number;
  /** By server, before the first prediction of the clients. */
  readonly counted: ReadonlyMap<ServerName, number>;
  readonly beforeKill: { readonly server: ServerName; readonly received: number };
}

export async function countLoad(stage: Stage, load: Load, { perSecondDuringV2, counted, beforeKill }: Counts): Promise<void> {
  const { client, facts } = stage;
  const after = await countsOf(stage);
  const none: Readonly<Record<ServerName, TransitionFigures>> = {};
  const figures = await Promise.all([facts.v2, facts.v3, facts.broken?.end].map((end) => (end === undefined ? Promise.resolve(none) : transitionFigures(client, end.workflowId))));
  const latency = latencyOf(load.latenciesMs);
  facts.load = {
    ...load.view(), perSecondDuringV2, ...(latency === undefined ? {} : { latency }),
    countedByServers: Object.fromEntries(SERVERS.map((name) => [name, (after.get(name) ?? 0) + (name === beforeKill.server ? beforeKill.received : 0) - (counted.get(name) ?? 0)])),
    probesByAgents: Object.fromEntries(SERVERS.map((name) => [name, figures.reduce((sum, one) => sum + (one[name]?.probes ?? 0), 0)])),
  };
}

export async function countsOf({ fleet }: Stage): Promise<ReadonlyMap<ServerName, number>> {
  return new Map(await Promise.all([...fleet.servers].map(async ([name, { statsUrl }]) => [name, (await statsOf(statsUrl)).predictions.received] as const)));
}
