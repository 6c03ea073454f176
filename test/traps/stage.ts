// What every trap needs: a server for the naive client, a host for the agent, and the planner's loop.

import type { AwaitInput, Attempt } from '../../src/domain/host';
import type { Version } from '../../src/domain/names';
import { nextStep, type Goal } from '../../src/domain/transition';
import type { ModelView } from '../../src/domain/view';
import { ServingClient } from '../../src/serving/client';
import { failure, Fixture } from '../tf-serving/fixture';
import { call, MODEL, v, World } from '../agent/world';
import { aWhile } from '../setup/until';

export const POLL_SECONDS = 0.1;

const open: (Fixture | World | { close(): void })[] = [];

export function naiveHost(): Fixture {
  const at = new Fixture();
  open.push(at);
  return at;
}

export async function agentHost(versions?: Parameters<typeof World.start>[0], options: Parameters<typeof World.start>[1] = {}): Promise<World> {
  const world = await World.start(versions, { pollSeconds: POLL_SECONDS, ...options }, { fileSystemPollWaitSeconds: POLL_SECONDS });
  open.push(world);
  return world;
}

/** Version 1 (y = x/2 + 2) is AVAILABLE, promoted and in the boot file. */
export async function agentHostServing1(...args: Parameters<typeof agentHost>): Promise<World> {
  const world = await agentHost(...args);
  await world.bringUp(await world.attempt('1', [1, 1]));
  return world;
}

export async function closeAll(): Promise<void> {
  for (const each of open.splice(0)) await ('stop' in each ? each.stop() : each.close());
}

export function specific(...versions: readonly (string | number)[]): string {
  return `model_version_policy { specific { ${versions.map((version) => `versions: ${version}`).join(' ')} } }`;
}

/** The planner's loop, as a transition runs it. */
export async function walk(world: World, attempt: Attempt, goal: Partial<Goal> = {}, over: Partial<AwaitInput> & { drainSeconds?: number; unloadDeadlineSeconds?: number } = {}): Promise<ModelView> {
  const wanted: Goal = { mode: 'availability', ...(attempt.version === undefined ? {} : { version: attempt.version }), ...(attempt.pin === undefined ? {} : { pin: attempt.pin }), ...goal };
  let view = await world.the.beginAttempt(attempt, call());
  for (;;) {
    const next = nextStep(wanted, view);
    if (next.kind !== 'step') return view;
    switch (next.step) {
      case 'awaitAvailable': view = await world.the.awaitAvailable({ attempt, version: next.version, loadDeadlineSeconds: 20, ...over }, call()); break;
      case 'drainVersion': view = await world.the.drainVersion({ attempt, version: next.version, drainSeconds: over.drainSeconds ?? 0 }, call()); break;
      case 'unloadVersion': view = await world.the.unloadVersion({ attempt, version: next.version, unloadDeadlineSeconds: over.unloadDeadlineSeconds ?? 20 }, call()); break;
      default: view = await world.the[next.step](attempt, call());
    }
  }
}

/** What a client without a version gets: `version y(2)`, or the code of the failure. */
export function asker(world: World): { ask(version?: string): Promise<string>; close(): void } {
  const client = new ServingClient(`unix:${world.socket}`);
  const it = {
    ask: async (version?: string): Promise<string> => {
      try {
        const answer = await client.predict(MODEL, version === undefined ? undefined : v(version), { name: 'serving_default', def: { inputs: {} } as never }, { x: [2] }, { deadlineMs: 2_000 });
        return `${answer.version} ${JSON.stringify(answer.outputs['y'])}`;
      } catch (error) {
        return (error as { code?: string }).code ?? String(error);
      }
    },
    close: () => client.close(),
  };
  open.push(it);
  return it;
}

/** Asks all the time until told to stop; gives back every different answer, in order. */
export function traffic(world: World): { stop(): Promise<readonly string[]> } {
  const client = asker(world);
  const answers: string[] = [];
  let running = true;
  const done = (async () => {
    while (running) {
      const answer = await client.ask();
      if (answers.at(-1) !== answer) answers.push(answer);
      await new Promise((resolve) => { setTimeout(resolve, 2); });
    }
    return answers;
  })();
  return { stop: () => { running = false; return done; } };
}

export function stateOf(at: { simulator?: World['simulator'] }, version: number | bigint, model = 'half'): string {
  return at.simulator?.core.monitor.state({ name: model, version: BigInt(version) })?.state.toUpperCase() ?? '';
}

/** Waits so long to see that nothing happens: the only reason to let time pass. */
export function polls(count: number, pollSeconds = POLL_SECONDS): Promise<void> {
  return aWhile(count * pollSeconds * 1000 + 150);
}

export const outcome = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'ended well', (error: unknown) => error);
export { failure, call, v, MODEL };
export type { Version };
