// After the storm: waits until nothing is under way and every server serves what is stable and nothing else, or says what is not so.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { heldBy } from '../../src/cli/demo/proc';
import type { FleetState, Member, ModelState } from '../../src/domain/fleet-facts';
import { behindOf } from '../../src/domain/fleet-plan';
import type { ModelName } from '../../src/domain/names';
import { bootVersions, diskVersions, entryOf, memoryVersions, stagingNames, statesOf } from './look';
import { patiently } from './patient';
import { MODELS, SERVERS, type Model } from './plan';
import { FLEET, type Host, type Stack } from './stack';

/** Ten seconds of heartbeat, fifteen for a task nobody takes, five before a repair, thirty after one that failed; twice. */
export const SETTLE_MS = 120_000;
const LOOK_EVERY_MS = 150;
/** What is stable, what was before, and what the last attempt left for the next to remove (DESIGN §11 "Bounded"). */
const MAX_VERSIONS_ON_DISK = 3;

export interface Settled {
  /** Empty: it settled. */
  readonly open: readonly string[];
  readonly stable: Readonly<Record<Model, string | undefined>>;
}

/** @param started rollouts that were started: what Temporal lists lags behind what it knows. */
export async function settle(stack: Stack, started: readonly string[], withinMs: number): Promise<Settled> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const settled = await lookAt(stack, started);
    if (settled.open.length === 0 || Date.now() > deadline) return settled;
    await delay(LOOK_EVERY_MS);
  }
}

async function lookAt(stack: Stack, started: readonly string[]): Promise<Settled> {
  const { client } = stack.temporal;
  const running = await openRollouts(client, started);
  if (running.length > 0) return { open: running.map((id) => `Intent: ${id} still runs`), stable: { half: undefined, third: undefined } };
  const fleet = await patiently(client, () => client.workflow.getHandle(`fleet/${FLEET}`).query<FleetState>('status'));
  const stable = Object.fromEntries(MODELS.map((model) => [model, fleet.models[model as string as ModelName]?.stable?.version])) as Record<Model, string | undefined>;
  const open = [...fleetIsBusy(fleet)];
  for (const host of stack.hosts) {
    for (const model of MODELS) open.push(...await hostIsElsewhere(host, model, stable[model]));
    open.push(...stillHeld(stack, host));
  }
  return { open, stable };
}

async function openRollouts(client: Client, started: readonly string[]): Promise<readonly string[]> {
  const known = await Promise.all(started.map(async (id) => {
    try {
      return (await patiently(client, () => client.workflow.getHandle(id).describe())).status.name === 'RUNNING' ? [id] : [];
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return []; // nobody could start it: said by whoever tried
      throw error;
    }
  }));
  const listed = await patiently(client, async () => {
    const ids: string[] = [];
    for await (const { workflowId } of client.workflow.list({ query: "ExecutionStatus = 'Running' AND WorkflowType IN ('rollout', 'transition')" })) ids.push(workflowId);
    return ids;
  });
  return [...new Set([...known.flat(), ...listed])];
}

function fleetIsBusy(fleet: FleetState): readonly string[] {
  return [
    ...SERVERS.flatMap((name) => { const member = (fleet.members as Record<string, Member>)[name]; return member?.models === undefined ? [`Convergence: the fleet has not heard of ${name}`] : []; }),
    ...fleet.superseded.map(({ workflowId }) => `Intent: ${workflowId} has not been told that it is superseded`),
    ...Object.entries<ModelState>(fleet.models).flatMap(([model, { holder, own }]) => [
      ...(holder === undefined ? [] : [`Intent: ${holder.workflowId} still holds ${model}`]),
      ...(own === undefined ? [] : [`Intent: the fleet is about to start ${own.workflowId}`]),
      ...behindOf(fleet, model as ModelName).map(({ server, serves, drift }) => `Convergence: the fleet knows ${server} behind with ${model}: serves ${serves ?? 'nothing'}${drift === undefined ? '' : `, ${drift.what}`}`),
    ]),
  ];
}

/** DESIGN §11 "Convergence": file ≡ mem ≡ desired; one version AVAILABLE, all others at END or never heard of. */
async function hostIsElsewhere(host: Host, model: Model, stable: string | undefined): Promise<readonly string[]> {
  const want = stable === undefined ? '' : stable;
  const [states, memory] = await Promise.all([statesOf(host, model), memoryVersions(host, model)]);
  if (states === undefined || memory === undefined) return [`Convergence: ${host.name} does not answer`];
  const at = `Convergence: ${host.name} ${model}, stable is ${stable ?? 'nothing'}`;
  const found: string[] = [];
  const expect = (what: string, are: readonly string[]): void => { if (are.join() !== want) found.push(`${at}: ${what} ${are.join(', ') || 'nothing'}`); };
  expect('in memory', memory);
  expect('AVAILABLE', Object.keys(states).filter((version) => states[version] === 'AVAILABLE'));
  expect('in the boot file', bootVersions(host, model));
  expect('in the journal', entryOf(host, model)?.aspired ?? []);
  const between = Object.entries(states).filter(([, state]) => state !== 'AVAILABLE' && state !== 'END');
  if (between.length > 0) found.push(`${at}: ${between.map(([version, state]) => `${version} is ${state}`).join(', ')}`);
  const disk = diskVersions(host, model);
  if (stable !== undefined && !disk.includes(stable)) found.push(`${at}: on the disk ${disk.join(', ') || 'nothing'}`);
  if (disk.length > MAX_VERSIONS_ON_DISK) found.push(`Bounded: ${host.name} ${model}: ${disk.length} versions on the disk: ${disk.join(', ')}`);
  return [...found, ...ownerless(host, model)];
}

/** What lies in staging is what the journal says lies there, and its record. */
function ownerless(host: Host, model: Model): readonly string[] {
  const partial = entryOf(host, model)?.partial;
  const own = partial === undefined ? undefined : `${partial.version}-${partial.pin.replace(/^pin:/, '').slice(0, 12)}`;
  return stagingNames(host, model).filter((name) => name !== own && name !== `${own}.json`).map((name) => `Clean abort: ${host.name}: staging/${model}/${name} belongs to nobody`);
}

/** What the kernel says of the agent: no file below staging is open, no connection to a bucket. Nothing where there is no /proc. */
function stillHeld(stack: Stack, { name, root }: Host): readonly string[] {
  const observed = [{ pid: stack.part(`${name}-agent`).pid, directory: join(root, 'staging') }];
  const held = [stack.good.port, stack.stale.port].flatMap((port) => heldBy(observed, port) ?? []);
  const sockets = held.flatMap((one) => one.sockets);
  return [
    ...(sockets.length === 0 ? [] : [`Clean abort: ${name}: its agent has ${sockets.length} connections to a bucket`]),
    ...[...new Set(held.flatMap(({ files }) => files))].map((file) => `Clean abort: ${name}: its agent holds ${file} open`),
  ];
}
