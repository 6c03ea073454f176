// An abort while somebody it needs is away: the agent's process, the model server, the workflow engine, those whom a newer rollout fences. Every scenario has a fleet of its own, and all of them run at once, because they mostly wait.
// Proven elsewhere: nothing was listed and the server is away (test/agent/stop).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { startSegue, type SegueProcess } from '../cli/segue-process';
import { World } from '../integration/world';
import { until } from '../setup/until';
import { startEngine, type Engine } from './engine';
import { expectCleanAbort, PhaseStage } from './stage';
import { stateOf } from './watch';

const LONG_MS = 60_000; // For what waits for time-outs of half a minute.
let whole: World;
const stages: PhaseStage[] = [];
const processes: SegueProcess[] = [];
const engines: Engine[] = [];
beforeAll(async () => { whole = await World.start(); });
afterAll(async () => {
  for (const stage of stages) await stage.stop();
  for (const one of processes) await end(one, 'SIGTERM');
  for (const engine of engines) await engine.stop();
  await whole.stop();
});

async function newStage(fleet: string, over = whole): Promise<PhaseStage> {
  const stage = await PhaseStage.start(over, fleet, ['a']);
  stages.push(stage);
  return stage;
}

/** Its agent becomes a process that can be killed. */
async function inProcess(stage: PhaseStage): Promise<SegueProcess> {
  const { world } = stage;
  const server = world.server('a');
  await server.agent.stop();
  const agent = startSegue(['agent', '--fleet', world.fleet, '--server', 'a', '--root', server.root, '--serving', `127.0.0.1:${server.port}`], { TEMPORAL_ADDRESS: world.dev.address });
  processes.push(agent);
  stage.agentPids['a'] = agent.child.pid ?? 0;
  server.agent = { ended: agent.ended.then(() => undefined), stop: () => end(agent, 'SIGTERM') };
  return agent;
}

async function end(agent: SegueProcess, signal: NodeJS.Signals): Promise<void> {
  agent.child.kill(signal);
  await agent.ended;
}

const journalOf = (stage: PhaseStage): { token: readonly number[]; open: boolean; candidate?: { version: string } } =>
  (JSON.parse(readFileSync(join(stage.world.server('a').root, 'journal.json'), 'utf8')) as { models: { half: { token: readonly number[]; open: boolean } } }).models.half;

/** Names of the activities its transition has scheduled and that have not closed. */
async function pending({ world }: PhaseStage, handle: WorkflowHandle): Promise<readonly string[]> {
  const { raw } = await handle.describe();
  const own = raw.pendingActivities ?? [];
  const children = await Promise.all((raw.pendingChildren ?? []).map((child) => world.temporal.client.workflow.getHandle(child.workflowId ?? '').describe()));
  return [...own, ...children.flatMap((child) => child.raw.pendingActivities ?? [])].map((one) => one.activityType?.name ?? '');
}

const loading = async (stage: PhaseStage, version: string): Promise<boolean> => await stateOf(stage.world.server('a').port, version).catch(() => undefined) === 'LOADING';

const scenarios = {
  'the agent is killed in a download and comes back while the abort waits for it: its proof is the new process\'s': async () => {
    const stage = await newStage('agent-back');
    const first = await inProcess(stage);
    const before = stage.lists();
    const version = await stage.next();
    stage.store.fault({ fault: { kind: 'stall', afterBytes: 4 } });
    const handle = await stage.world.start({ model: 'half', version, ...stage.from(`half/${version}/`) });
    await until(() => stage.store.log().some((line) => line.fault === 'stall'), LONG_MS);
    await end(first, 'SIGKILL');
    await handle.signal('abort', {});
    await until(async () => (await pending(stage, handle)).includes('abortAttempt'));
    await inProcess(stage);
    const verdict = await expectCleanAbort(stage, handle, before, { end: 'stopped' });
    expect(verdict.notSeen).toEqual([]);
  },

  'the agent is killed while its candidate loads and is away until after the verdict, which says so; when it is back, nothing serves the candidate': async () => {
    const stage = await newStage('agent-late');
    const first = await inProcess(stage);
    const before = stage.lists();
    const version = await stage.next();
    const { port, faults } = stage.world.server('a');
    faults.delay({ what: 'load', model: 'half', version: BigInt(version), ms: 1500 });
    const handle = await stage.world.start({ model: 'half', version, ...stage.from(`half/${version}/`) });
    await until(() => loading(stage, version), LONG_MS);
    await end(first, 'SIGKILL');
    await handle.signal('abort', {});
    const { verdict, type } = await stage.world.end(handle);
    expect({ type, verdict }).toMatchObject({ type: 'Aborted', verdict: { outcome: 'aborted', notSeen: ['a'] } });
    await inProcess(stage);
    await until(async () => stage.lists()['a'] === before['a'] && await stateOf(port, version) === 'END', LONG_MS);
    expect(stage.watch('a').without('1')).toEqual([]);
  },

  'the model server is gone while its candidate loads: the abort waits for it, and has its proof when the server is back': async () => {
    const stage = await newStage('server-back');
    const before = stage.lists();
    const version = await stage.next();
    const server = stage.world.server('a');
    server.faults.delay({ what: 'load', model: 'half', version: BigInt(version), ms: LONG_MS });
    const handle = await stage.world.start({ model: 'half', version, ...stage.from(`half/${version}/`) });
    await until(() => loading(stage, version), LONG_MS);
    await server.simulator.stop();
    await handle.signal('abort', {});
    await until(() => !journalOf(stage).open && journalOf(stage).candidate === undefined);
    expect((await stage.status(handle)).verdict).toBeUndefined();
    await stage.world.restartServer('a');
    await expectCleanAbort(stage, handle, before, { end: 'stopped' });
  },

  'a newer rollout is aborted while it waits for the fence of a server that is away: it ends aborted, and the older superseded, both with proof': async () => {
    const stage = await newStage('fencing');
    const before = stage.lists();
    const [older, newer] = [await stage.next(), await stage.next()];
    const server = stage.world.server('a');
    server.faults.delay({ what: 'load', model: 'half', version: BigInt(older), ms: LONG_MS });
    const first = await stage.world.start({ model: 'half', version: older, ...stage.from(`half/${older}/`) });
    await until(() => loading(stage, older), LONG_MS);
    await server.simulator.stop();
    const second = await stage.world.start({ model: 'half', version: newer, ...stage.from(`half/${newer}/`) });
    await until(async () => (await stage.status(second)).servers['a' as never]?.waiting?.on === 'fence' && (await pending(stage, second)).includes('abortAttempt'));
    await second.signal('abort', {});
    await stage.world.restartServer('a');
    expect(await stage.world.end(first)).toMatchObject({ type: 'Superseded', verdict: { servers: { a: { proof: { sockets: 0, writers: 0, aspired: false } } } } });
    await expectCleanAbort(stage, second, before, { end: 'untouched' });
  },

  'the engine is restarted in the middle of a download that is then aborted; and again after an abort that nobody has acted on yet': async () => {
    const engine = await startEngine();
    engines.push(engine);
    const stage = await newStage('engine', engine.world);
    const before = stage.lists();
    const downloading = await stage.next();
    stage.store.fault({ key: `half/${downloading}/*`, fault: { kind: 'stall', afterBytes: 4 } });
    const first = await stage.world.start({ model: 'half', version: downloading, ...stage.from(`half/${downloading}/`) });
    await until(() => stage.store.log().some((line) => line.fault === 'stall'), LONG_MS);
    await engine.restart();
    await first.signal('abort', {});
    await expectCleanAbort(stage, first, before, { end: 'stopped' });
    const next = await stage.next();
    // However long the engine takes to come back, the candidate has not taken over meanwhile.
    const release = stage.world.server('a').faults.hold({ model: 'half', version: BigInt(next) });
    const second = await stage.world.start({ model: 'half', version: next, ...stage.from(`half/${next}/`) });
    await until(() => loading(stage, next), LONG_MS);
    await second.signal('abort', {});
    await engine.restart();
    // It may be on its way back already, whose attempt is open, and waits for the end of this load.
    await until(() => journalOf(stage).candidate === undefined, LONG_MS);
    release();
    await expectCleanAbort(stage, second, before, { end: 'wentBack' });
  },
} satisfies Readonly<Record<string, () => Promise<void>>>;

const results: Record<string, Promise<void>> = {};
beforeAll(() => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    results[name] = scenario();
    results[name].catch(() => undefined); // Told by its own test.
  }
});

test.each(Object.keys(scenarios))('%s', (name) => results[name], 180_000);
