// Step 4: a version whose files are whole and agree with their manifest, and which is no SavedModel a server can serve.

import type { ServerName } from '../../domain/names';
import { FLEET, SERVERS } from './fleet-of-processes';
import type { Load } from './load';
import type { DemoModels } from './models';
import { statsOf } from './simulators';
import type { Stage } from './stage';
import { until } from './until';
import { MIN_ANSWERS } from './verdicts';

export async function brokenModel(stage: Stage, { brokenV4, v3 }: DemoModels, load: Load): Promise<void> {
  const { fleet, rollouts, say, signal, facts } = stage;
  say('\n4. A broken model: version 4 has no variables/variables.index. Every file agrees with its manifest.');
  const before = await listsOf(stage);
  const id = await rollouts.start({ fleet: FLEET, model: brokenV4, endpoint: fleet.goodEndpoint, strategy: { maxUnavailable: 1 }, reason: 'a broken export' });
  const end = await rollouts.result(id);
  say(`   exit code ${end.exitCode}: ${end.verdict?.message ?? end.failureType ?? 'no failure'}`);
  const answered = new Map(SERVERS.map((name) => [name, load.answered(name, v3.version)]));
  const since = (name: ServerName): number => load.answered(name, v3.version) - (answered.get(name) ?? 0);
  await until(() => (SERVERS.every((name) => since(name) >= MIN_ANSWERS) ? true : undefined), { what: 'right answers of version 3 after the broken one', deadlineMs: 5_000, signal }).catch(() => undefined);
  const after = await listsOf(stage);
  facts.broken = {
    end, listsBefore: before.lists, listsAfter: after.lists, reloadsBefore: before.reloads, reloadsAfter: after.reloads,
    answeredAfter: Object.fromEntries(SERVERS.map((name) => [name, since(name)])),
  };
}

interface Lists {
  readonly lists: Readonly<Record<ServerName, string>>;
  readonly reloads: Readonly<Record<ServerName, number>>;
}

async function listsOf({ fleet }: Stage): Promise<Lists> {
  const all = await Promise.all([...fleet.servers].map(async ([name, { statsUrl }]) => [name, await statsOf(statsUrl)] as const));
  return {
    lists: Object.fromEntries(all.map(([name, { config }]) => [name, JSON.stringify(config)])),
    reloads: Object.fromEntries(all.map(([name, { reloads }]) => [name, reloads])),
  };
}
