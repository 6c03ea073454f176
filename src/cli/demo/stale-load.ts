// Step 3: version 3 is fetched from an endpoint that falls silent in the middle of an object; the rollout is sent to the good one; all of it watched from outside.

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelName, ServerName } from '../../domain/names';
import type { ManifestFile } from '../../domain/source';
import type { Proof } from '../../domain/view';
import { MANIFEST_NAME } from '../../source/manifest';
import { ServingClient } from '../../serving/client';
import type { LoggedRequest } from '../../testing/s3/request-log';
import type { AbortFacts, RolloutEnd } from './facts';
import { FLEET, SERVERS, type DemoServer } from './fleet-of-processes';
import { statusOf, whileFollowing } from './follow';
import { signaledAtMs } from './histories';
import type { Load } from './load';
import { contentOf, contentOfDirectory, LARGE_FILE, MODEL, prefixOf, sameContent, STALL_AFTER_BYTES, type DemoModels } from './models';
import { OutsideWatch, partialsOf, type Watched } from './outside-proof';
import { heldBy } from './proc';
import { figuresOf } from './report';
import { addFault, logOf } from './s3-control';
import { listedVersions, statsOf } from './simulators';
import type { Stage } from './stage';
import { until } from './until';

/** A second on a quiet machine. */
const FACT_DEADLINE_MS = 30_000;

export async function abortStaleLoad(stage: Stage, models: DemoModels, load: Load): Promise<void> {
  const { fleet, client, rollouts, say } = stage;
  const { v3 } = models;
  say(`\n3. Version 3 from an endpoint that falls silent after ${STALL_AFTER_BYTES} bytes of ${LARGE_FILE}; then the same rollout from the good one.`);
  await addFault(fleet.staleEndpoint, { key: `${prefixOf(v3.version)}${LARGE_FILE}`, fault: { kind: 'stall', afterBytes: STALL_AFTER_BYTES } });
  const id = await rollouts.start({ fleet: FLEET, model: v3, endpoint: fleet.staleEndpoint, strategy: { maxUnavailable: SERVERS.length, drainSeconds: 2 }, reason: 'half plus two again' });
  await whileFollowing({ client, workflowId: id, version: v3.version }, load, () => updateOnceStuck(stage, models, id));
}

async function updateOnceStuck(stage: Stage, models: DemoModels, id: string): Promise<RolloutEnd> {
  const { fleet, client, rollouts, say, facts } = stage;
  const watched = await everyAgentIsStuck(stage, models);
  say(`   All ${watched.length} agents hold a connection to the stale endpoint and an open file with ${STALL_AFTER_BYTES} bytes in it, and no more will come.`);
  const watch = new OutsideWatch(watched, portOf(fleet.staleEndpoint), MODEL as ModelName, models.v3.version);
  watch.start();
  try {
    const commandAtMs = await rollouts.update(id, { source: { endpoint: fleet.goodEndpoint } });
    const end = await rollouts.result(id);
    facts.v3 = end;
    const found = await lookBack(stage, models, id, watched);
    facts.abort = { commandAtMs, signaledAtMs: await signaledAtMs(client, id, 'update'), outside: await watch.stop(), ...found };
    tell(stage, facts.abort);
    return end;
  } finally {
    await watch.stop();
    for (const { serving } of watched) serving.close();
  }
}

/** The endpoint has sent all it will send to each agent, all of that is on the disk, and each agent holds a socket and a file, as the kernel says. */
async function everyAgentIsStuck({ fleet, signal }: Stage, { v3 }: DemoModels): Promise<readonly Watched[]> {
  return until(async () => {
    const stuck = (await logOf(fleet.staleEndpoint)).filter((line) => line.fault === 'stall' && line.bytesSent >= STALL_AFTER_BYTES);
    if (stuck.length < fleet.servers.size) return undefined;
    const seen = [...fleet.servers.values()].flatMap((server) => {
      const partial = partialsOf(server.root, MODEL as ModelName, v3.version)[0];
      const [held] = partial === undefined ? [] : (heldBy([{ pid: server.agentPid, directory: partial }], portOf(fleet.staleEndpoint)) ?? []);
      if (partial === undefined || bytesOf(join(partial, LARGE_FILE)) < STALL_AFTER_BYTES) return [];
      if (held !== undefined && (held.sockets.length === 0 || held.files.length === 0)) return [];
      return [{ server, partial }];
    });
    return seen.length === fleet.servers.size ? seen.map(({ server, partial }) => watchedBy(server, partial)) : undefined;
  }, { what: 'every agent to be stuck in the middle of an object of the stale endpoint', deadlineMs: FACT_DEADLINE_MS, signal });
}

function bytesOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function watchedBy({ name, agentPid, address, statsUrl }: DemoServer, partial: string): Watched {
  return { server: name, agentPid, partial, serving: new ServingClient(address), listed: async () => listedVersions(await statsOf(statsUrl), MODEL) };
}

/** What both endpoints, the disks and the agents say when all is over. */
async function lookBack({ fleet, client, signal }: Stage, { v3 }: DemoModels, id: string, watched: readonly Watched[]): Promise<Pick<AbortFacts, 'stale' | 'good' | 'agents' | 'rightContent' | 'leftovers'>> {
  const ofLoad = (lines: readonly LoggedRequest[]): readonly LoggedRequest[] => lines.filter(({ operation, key }) => (operation === 'GetObject' || operation === 'ListObjectsV2') && key.startsWith(prefixOf(v3.version)));
  const [stale, good] = [ofLoad(await logOf(fleet.staleEndpoint)), ofLoad(await logOf(fleet.goodEndpoint))];
  // Its manifest.json belongs to the listing, which touches nothing and runs beside the stop.
  const bodies = good.filter(({ operation, key }) => operation === 'GetObject' && !key.endsWith(`/${MANIFEST_NAME}`));
  const { servers } = await until(() => statusOf(client, id), { what: 'the status of a closed rollout', deadlineMs: FACT_DEADLINE_MS, signal });
  const wanted = contentOf(v3);
  return {
    stale: {
      requests: stale.length, connectionsOpen: stale.filter(({ closedAtMs }) => closedAtMs === undefined).length,
      ...latest('lastClosedAtMs', stale.map(({ closedAtMs }) => closedAtMs)), ...latest('lastRequestAtMs', stale.map(({ atMs }) => atMs)),
    },
    good: bodies.length === 0 ? {} : { firstByteAtMs: Math.min(...bodies.map(({ atMs }) => atMs)) },
    agents: Object.fromEntries(SERVERS.flatMap((name): [ServerName, Proof][] => (servers[name]?.proof === undefined ? [] : [[name, servers[name].proof]]))),
    rightContent: [...fleet.servers.values()].filter(({ root }) => holds(join(root, 'models', MODEL, v3.version), wanted)).map(({ name }) => name),
    leftovers: watched.filter(({ partial }) => existsSync(partial)).map(({ partial }) => partial),
  };
}

function holds(directory: string, wanted: readonly ManifestFile[]): boolean {
  return existsSync(directory) && sameContent(contentOfDirectory(directory), wanted);
}

function latest<K extends string>(name: K, times: readonly (number | undefined)[]): { readonly [P in K]?: number } {
  const known = times.filter((atMs) => atMs !== undefined);
  return (known.length === 0 ? {} : { [name]: Math.max(...known) }) as { readonly [P in K]?: number };
}

function tell({ say, facts }: Stage, abort: AbortFacts): void {
  const { stoppedMs, newFirstByteMs } = figuresOf(abort);
  const { outside } = abort;
  say(`   ${facts.v3?.verdict?.message ?? facts.v3?.failureType}`);
  say(outside.readable
    ? `   from outside: sockets and files gone ${stoppedMs} ms after the signal (${outside.looks} looks at /proc); first byte from the good endpoint after ${newFirstByteMs} ms`
    : `   from outside: NOT CHECKED in /proc (there is none here); the stale endpoint saw its last connection close ${stoppedMs} ms after the signal; first byte from the good one after ${newFirstByteMs} ms`);
  for (const [server, proof] of Object.entries<Proof>(abort.agents)) {
    say(`   ${server}'s agent says: sockets ${proof.sockets}, writers ${proof.writers}, partial ${proof.partial}, aspired ${proof.aspired}, stopped in ${proof.stoppedMs} ms (read from the ${proof.readFrom})`);
  }
}

function portOf(endpoint: string): number {
  return Number(new URL(endpoint).port);
}
