// The main job as one story, from an empty fleet to a killed server; each step fills in what it found out. It judges nothing: see verdicts.ts.

import type { FleetState } from '../../domain/fleet-facts';
import { fleetWorkflowId, type ModelName } from '../../domain/names';
import { brokenModel } from './broken-model';
import { countLoad, countsOf } from './counts';
import { FLEET, SERVERS } from './fleet-of-processes';
import { whileFollowing } from './follow';
import { transitionFigures } from './histories';
import { killedServer } from './killed-server';
import { Load } from './load';
import { demoModels, MODEL, upload, type DemoModels } from './models';
import { statsOf } from './simulators';
import { abortStaleLoad } from './stale-load';
import type { Stage } from './stage';
import { until } from './until';

/** Of each of six clients: 240 in all, a fifth more than promised, so that a machine that stutters keeps the promise. */
const PER_SECOND = 40;
/** A fact of the demo comes within seconds; a machine that needs longer than this is not one on which it shows anything. */
const FACT_DEADLINE_MS = 60_000;
/** Before there is a worker nobody answers: asked again until there is. */
const QUERY_DEADLINE_MS = 1_000;
const DRAIN_SECONDS = 2;

export async function runScenario(stage: Stage): Promise<void> {
  const models = demoModels(stage.samples);
  await everyoneIsThere(stage);
  await bucketsAreFilled(stage, models);
  await firstVersion(stage, models);
  const counted = await countsOf(stage);
  const load = startLoad(stage, models);
  try {
    const perSecondDuringV2 = await nextVersionUnderLoad(stage, models, load);
    await abortStaleLoad(stage, models, load);
    await brokenModel(stage, models, load);
    const beforeKill = await killedServer(stage, models, load);
    await load.stop();
    await countLoad(stage, load, { perSecondDuringV2, counted, beforeKill });
  } finally {
    await load.stop();
  }
}

async function everyoneIsThere({ fleet, client, say, signal }: Stage): Promise<void> {
  await until(async () => (await Promise.all([...fleet.servers.values()].map(({ statsUrl }) => statsOf(statsUrl)))).length, { what: 'the model servers to listen', deadlineMs: FACT_DEADLINE_MS, signal });
  await until(async () => {
    const { members } = await client.withDeadline(Date.now() + QUERY_DEADLINE_MS, () => client.workflow.getHandle(fleetWorkflowId(FLEET)).query<FleetState>('status'));
    return SERVERS.every((name) => members[name] !== undefined) ? members : undefined;
  }, { what: `the agents of ${SERVERS.join(', ')} to announce themselves`, deadlineMs: FACT_DEADLINE_MS, signal });
  say(`fleet ${FLEET}: ${SERVERS.map((name) => `${name} (model server ${fleet.servers.get(name)?.address})`).join(', ')}`);
}

async function bucketsAreFilled({ fleet }: Stage, models: DemoModels): Promise<void> {
  await upload(fleet.goodEndpoint, [models.v1, models.v2, models.v3, models.brokenV4]);
  await upload(fleet.staleEndpoint, [models.staleV3]);
}

async function firstVersion({ fleet, rollouts, say, facts }: Stage, { v1 }: DemoModels): Promise<void> {
  say('\n1. The first version: half_plus_two onto three servers that serve nothing yet.');
  const id = await rollouts.start({ fleet: FLEET, model: v1, endpoint: fleet.goodEndpoint, strategy: { maxUnavailable: SERVERS.length }, reason: 'first version' });
  facts.v1 = await rollouts.result(id);
  say(`   ${facts.v1.verdict?.message ?? facts.v1.failureType}`);
}

function startLoad({ fleet, say }: Stage, { v1, v2, v3 }: DemoModels): Load {
  const servers = new Map([...fleet.servers].map(([name, { address }]) => [name, address] as const));
  const constants = Object.fromEntries([v1, v2, v3].map(({ version, constant }) => [version, constant]));
  const load = new Load({ model: MODEL as ModelName, servers, perSecond: PER_SECOND, version: v1.version, constants });
  load.start();
  say(`\n   From here on ${servers.size * 2} clients send ${servers.size * 2 * PER_SECOND} predictions a second: one on each server takes what it gets, one names the version. Deadline 1 s, no retry.`);
  return load;
}

/** Returns how many predictions were sent a second while it lasted. */
async function nextVersionUnderLoad({ fleet, client, rollouts, say, facts }: Stage, { v2 }: DemoModels, load: Load): Promise<number> {
  say('\n2. The next version under load: half_plus_three, one server first, then the rest.');
  const before = { sent: load.sent, atMs: performance.now() };
  const id = await rollouts.start({ fleet: FLEET, model: v2, endpoint: fleet.goodEndpoint, strategy: { waves: ['1', '100%'], maxUnavailable: 1, drainSeconds: DRAIN_SECONDS }, reason: 'half plus three' });
  facts.v2 = await whileFollowing({ client, workflowId: id, version: v2.version }, load, () => rollouts.result(id));
  const perSecond = (load.sent - before.sent) / ((performance.now() - before.atMs) / 1000);
  facts.transitions = await transitionFigures(client, id);
  say(`   ${facts.v2.verdict?.message ?? facts.v2.failureType}; ${Math.round(perSecond)} predictions a second meanwhile, ${load.view().failed} failed so far`);
  return perSecond;
}
