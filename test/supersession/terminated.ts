// Rollouts of one model, ended from outside at moments a seed decides: terminated, reset and cancelled as anybody can in Temporal's UI; in between the fleet is lost and answers are lost.
// Nobody is told. What must be true in the end: none hangs, a fresh rollout serves, nothing of a lower epoch acted after a higher one, and some version was AVAILABLE all along.

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { Verdict } from '../../src/domain/verdict';
import { stateOf, Watch } from '../abort-phases/watch';
import { until } from '../setup/until';
import { violationsOf } from './effects';
import { readEnds, runningNow, whyRunning } from './histories';
import { TerminatedWorld } from './world';

export interface TerminatedOptions {
  readonly rollouts: number;
  readonly seed: number;
  /** Also to tasks after the first, which DESIGN §12 does not promise: a transition that has closed by then is not told again to the new run. */
  readonly resetAnywhere?: boolean;
  readonly cli: string;
  readonly bundle: string;
  readonly report?: (line: string) => void;
}

export interface Terminated {
  readonly rollouts: number;
  readonly seed: number;
  /** What was done from outside, by name. */
  readonly did: Readonly<Record<string, number>>;
  readonly ends: Readonly<Record<string, number>>;
  readonly stuck: readonly string[];
  readonly violations: readonly string[];
  readonly effects: number;
  /** Looks at GetModelStatus, and those that found nothing AVAILABLE. */
  readonly looks: number;
  readonly unavailable: number;
  readonly seconds: number;
}

/** A rollout takes about two seconds here; the moment it is ended falls anywhere in it, and sometimes after. */
const MOMENT_MS = 1_800;
/** Whoever waits for an agent that was killed waits for its heartbeat time-out and for nobody to take the next task. */
// A transition whose end was never told is looked for after two minutes, then after four.
const SETTLED_MS = 400_000;
/** Of the rollouts, how far apart: a fleet that is lost, a control worker and an agent that are killed. */
const CALAMITIES_EVERY = 10;

export async function runTerminated({ rollouts, seed, resetAnywhere = false, cli, bundle, report = () => undefined }: TerminatedOptions): Promise<Terminated> {
  const began = performance.now();
  const chance = random(seed);
  const did: Record<string, number> = {};
  const done = (what: string): void => { did[what] = (did[what] ?? 0) + 1; };
  const world = await TerminatedWorld.start(cli, bundle);
  const { client } = world.connected;
  let watch: Watch | undefined;
  try {
    const first = await world.rollout();
    await first.handle.result();
    watch = new Watch(world.simulator.port);
    const started: WorkflowHandle[] = [];
    const calamities = calamitiesOf(world, done);
    for (let at = 1; at <= rollouts; at += 1) {
      const { handle } = await world.rollout();
      started.push(handle);
      // One is asked of a fleet that is not there, or new; more would only be refused, until the agent has announced itself.
      if (at % CALAMITIES_EVERY === CALAMITIES_EVERY / 2 + 1) await world.untilAnnounced();
      await delay(chance() * MOMENT_MS);
      // Mostly the newest; sometimes one that was superseded, or has ended, a while ago.
      const target = started[Math.max(0, started.length - 1 - Math.floor(chance() * chance() * 4))] ?? handle;
      const what = WAYS[Math.floor(chance() * WAYS.length)] ?? 'nothing';
      await endFromOutside(world, target, what, resetAnywhere ? chance : () => 0).then((ended) => done(ended ? what : `${what}: over already`));
      if (at % CALAMITIES_EVERY === CALAMITIES_EVERY / 2) await calamities[Math.floor(at / CALAMITIES_EVERY) % calamities.length]?.();
      if (at % 10 === 0) report(`${at}/${rollouts} ${JSON.stringify(did)}`);
    }
    await world.untilAnnounced();
    let stuck = await runningNow(client);
    await until(async () => { stuck = await runningNow(client); return stuck.length === 0; }, SETTLED_MS).catch(() => undefined);
    for (const one of stuck) report(await whyRunning(client, one));
    const violations: string[] = [];
    const last = await world.rollout({ probe: { inputs: { x: [2] }, expect: { y: [4] } } });
    const verdict = await last.handle.result().then((value) => value as Verdict, (error: unknown) => error);
    if ((verdict as Partial<Verdict>).outcome !== 'served') violations.push(`a fresh rollout ended as ${JSON.stringify(verdict)}`);
    if (await stateOf(world.simulator.port, last.version) !== 'AVAILABLE') violations.push(`version ${last.version} is not AVAILABLE although its rollout served`);
    const { ends, bugs, epochs } = await readEnds(client);
    violations.push(...bugs);
    const { effects } = world;
    violations.push(...violationsOf(effects, (version) => epochs.get(version) ?? new Set()));
    await watch.stop();
    return { rollouts, seed, did, ends, stuck, violations, effects: effects.length, looks: watch.looks, unavailable: watch.seen.filter((look) => look === '').length, seconds: Math.round((performance.now() - began) / 1000) };
  } finally {
    await watch?.stop();
    await world.stop();
  }
}

const WAYS = ['terminate', 'terminate', 'terminate', 'reset', 'reset', 'reset', 'cancel', 'cancel', 'terminate with its transitions', 'lose the fleet', 'lose the fleet', 'nothing'] as const;

/** False: it was over already. */
async function endFromOutside(world: TerminatedWorld, handle: WorkflowHandle, what: typeof WAYS[number], chance: () => number): Promise<boolean> {
  const { client } = world.connected;
  try {
    switch (what) {
      case 'lose the fleet': await world.loseFleet(); break;
      case 'terminate': await handle.terminate('from outside'); break;
      case 'cancel': await handle.cancel(); break;
      case 'reset': await reset(client, handle, chance); break;
      case 'terminate with its transitions': {
        const { raw } = await handle.describe();
        await handle.terminate('from outside');
        for (const child of raw.pendingChildren ?? []) await client.workflow.getHandle(child.workflowId ?? '').terminate('from outside').catch(() => undefined);
        break;
      }
      case 'nothing': break;
    }
    return true;
  } catch (error) {
    if (/already completed|not found/i.test(String(error))) return false;
    throw error;
  }
}

/** As the UI does it: to one of the workflow tasks that were completed. One that is over begins again. */
async function reset(client: TerminatedWorld['connected']['client'], handle: WorkflowHandle, chance: () => number): Promise<void> {
  const { runId } = await handle.describe();
  const events = (await client.workflow.getHandle(handle.workflowId, runId).fetchHistory()).events ?? [];
  const tasks = events.filter((event) => event.workflowTaskCompletedEventAttributes !== undefined && event.workflowTaskCompletedEventAttributes !== null);
  const to = tasks[Math.floor(chance() * tasks.length)];
  if (to?.eventId === undefined || to.eventId === null) return;
  await client.workflowService.resetWorkflowExecution({ namespace: client.options.namespace, workflowExecution: { workflowId: handle.workflowId, runId }, reason: 'from outside', workflowTaskFinishEventId: to.eventId, requestId: randomUUID() });
}

/** In turn, so that a short run has each of them too. */
function calamitiesOf(world: TerminatedWorld, done: (what: string) => void): readonly (() => Promise<void>)[] {
  return [
    async () => { await world.killControl(); done('control worker killed'); await world.startControl(); },
    // Its agent, which would announce itself within half a minute, is another process, and does at once.
    async () => { await world.fleet.terminate('lost'); await world.killAgent(); done('fleet lost, agent killed'); await world.startAgent(); },
    async () => { await world.killAgent(); done('agent killed'); await world.startAgent(); },
  ];
}

/** Mulberry32: the same seed, the same moments. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
