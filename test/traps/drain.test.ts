// Traps of drains and restarts (TF Serving reference §11.8, .17, .18; §15 E6): the naive client is hurt, the agent is not.

import { ServingClient } from '../../src/serving/client';
import { escalation } from '../../src/agent/held-drain';
import { until } from '../setup/until';
import { HALF_PLUS_THREE } from '../tf-serving/fixture';
import type { World } from '../agent/world';
import { agentHostServing1, asker, call, closeAll, failure, MODEL, naiveHost, outcome, POLL_SECONDS, polls, specific, stateOf, v, walk } from './stage';

afterEach(closeAll);

/** A request of model `long` that lasts; the client is closed with the world. */
async function hold(world: World, ms: number): Promise<void> {
  world.simulator?.faults.delay({ what: 'predict', version: 1n, ms });
  const client = new ServingClient(`unix:${world.socket}`);
  void client.predict(MODEL, v('1'), { name: 'serving_default', def: { inputs: {} } as never }, { x: [2] }, { deadlineMs: ms }).catch(() => undefined).finally(() => client.close());
  await until(() => (world.simulator?.core.manager.basic.handlesHeld ?? 0) > 0);
}

describe('17, E6: a request of any model holds a drain, and a drain holds the server', () => {
  test('naive: while a request lasts, the version stays UNLOADING and another model is not even begun', async () => {
    const at = naiveHost();
    for (const model of ['half', 'other', 'third']) at.stage(model, '1');
    at.stage('third', '2');
    await at.start({ modelConfig: at.list({ half: specific(1), other: specific(1), third: specific(1) }), fileSystemPollWaitSeconds: POLL_SECONDS });
    at.simulator.faults.delay({ what: 'predict', model: 'other', ms: 3_000 });
    void failure(at.predict('other', [2], undefined, { deadlineMs: 3_000 }));
    await until(() => at.simulator.core.manager.basic.handlesHeld > 0);
    await at.reload(at.list({ other: specific(1), third: specific(1) }));
    await until(() => stateOf(at, 1) === 'UNLOADING');
    await at.reload(at.list({ other: specific(1), third: specific(1, 2) }));
    await polls(5);
    expect([stateOf(at, 1), stateOf(at, 2, 'third')]).toEqual(['UNLOADING', '']);
  });

  test('agent: the drain is bounded and named; the versions that serve go on', async () => {
    const world = await agentHostServing1();
    const attempt = await world.attempt('2', [2, 1]);
    await world.bringUp(attempt);
    await hold(world, 4_000);
    await world.the.drainVersion({ attempt, version: v('1'), drainSeconds: 0 }, call());
    const told = new Set<string>();
    const step = outcome(world.the.unloadVersion({ attempt, version: v('1'), unloadDeadlineSeconds: 1 }, call(undefined, (details) => told.add(String(details['waiting'])))));
    expect(await step).toMatchObject({ code: 'DrainTimeout', message: expect.stringContaining('waiting on handles') as string });
    expect([...told]).toContain('handles');
    expect(await asker(world).ask()).toBe('2 [4]');
  });

  test('agent: by policy it is said aloud after a time', async () => {
    const log: string[] = [];
    const world = await agentHostServing1(undefined, { heldDrain: { afterSeconds: 0.2, then: 'alert' }, log: (line) => { log.push(line); } });
    const attempt = await world.attempt('2', [2, 1]);
    await world.bringUp(attempt);
    await hold(world, 1_000);
    await world.the.drainVersion({ attempt, version: v('1'), drainSeconds: 0 }, call());
    expect(await world.the.unloadVersion({ attempt, version: v('1'), unloadDeadlineSeconds: 10 }, call())).toMatchObject({ aspired: ['2'] });
    expect(stateOf(world, 1)).toBe('END');
    expect(log.filter((line) => line.includes('waits on handles'))).toHaveLength(1);
  });

  test('agent: by policy, and where somebody supervises it, the server is restarted; what was promoted serves at once', async () => {
    let world: World | undefined;
    let restarts = 0;
    world = await agentHostServing1(undefined, { heldDrain: { afterSeconds: 0.2, then: 'restart' }, restartServer: async () => { restarts += 1; await world?.simulator?.stop(); await world?.startServer({ fileSystemPollWaitSeconds: POLL_SECONDS }); } });
    const attempt = await world.attempt('2', [2, 1]);
    await world.bringUp(attempt);
    await hold(world, 20_000);
    await world.the.drainVersion({ attempt, version: v('1'), drainSeconds: 0 }, call());
    await world.the.unloadVersion({ attempt, version: v('1'), unloadDeadlineSeconds: 10 }, call());
    expect([restarts, world.listed(), await asker(world).ask()]).toEqual([1, { half: ['2'] }, '2 [4]']);
  });

  test.each([
    ['in time, nothing', { afterSeconds: 30, then: 'restart' as const }, 29_999, true, 'wait'],
    ['late, the server', { afterSeconds: 30, then: 'restart' as const }, 30_000, true, 'restart'],
    ['late, and nobody can start it again: an alert', { afterSeconds: 30, then: 'restart' as const }, 30_000, false, 'alert'],
    ['late, an alert', { afterSeconds: 1, then: 'alert' as const }, 1_000, true, 'alert'],
    ['late, but told to wait', { afterSeconds: 1, then: 'wait' as const }, 60_000, true, 'wait'],
  ])('policy: %s', (_why, policy, heldMs, supervised, measure) => expect(escalation(policy, heldMs, supervised)).toBe(measure));
});

describe('18: LOADING may mean that it serves already', () => {
  test('naive: a client that gives up on a long LOADING takes away a version that answers', async () => {
    const at = naiveHost();
    at.stage('half', '1');
    at.stage('half', '2', HALF_PLUS_THREE);
    await at.start({ modelConfig: at.list({ half: specific(1) }), fileSystemPollWaitSeconds: POLL_SECONDS });
    at.simulator.faults.delay({ what: 'predict', version: 1n, ms: 1_200 });
    void failure(at.predict('half', [2], 1n, { deadlineMs: 1_200 }));
    await until(() => at.simulator.core.manager.basic.handlesHeld > 0);
    await at.reload(at.list({ half: specific(1, 2) }));
    await until(() => stateOf(at, 2) === 'LOADING');
    await until(async () => await failure(at.predict('half', [2], 2n)) === 'OK');
    expect(stateOf(at, 2)).toBe('LOADING');
    await at.reload(at.list({ half: specific(1) })); // "It does not come up."
    await until(async () => (await failure(at.predict('half', [2], 2n))).includes('NOT_FOUND'));
  });

  test('agent: it waits, says what for, and the version is promoted when the request has ended', async () => {
    const log: string[] = [];
    const world = await agentHostServing1(undefined, { log: (line) => { log.push(line); } });
    await hold(world, 2_000);
    expect(await walk(world, await world.attempt('2', [2, 1], { retain: [v('1')] }), { keep: v('1') })).toMatchObject({ promoted: '2' });
    expect(log.some((line) => line.startsWith('heldHandle') && line.includes('answers GetModelMetadata'))).toBe(true);
  });
});

describe('8: a restart in every phase', () => {
  const phases: readonly (readonly [string, string, (world: World) => Promise<void>])[] = [
    ['2 is staged', '1', async (world) => { await world.stage(await world.attempt('2', [2, 1])); }],
    ['2 is listed and loading', '1', async (world) => {
      world.simulator?.faults.delay({ what: 'load', version: 2n, ms: 20_000 });
      const attempt = await world.attempt('2', [2, 1]);
      await world.stage(attempt);
      await world.the.reloadConfig(attempt, call());
      await until(() => stateOf(world, 2) === 'LOADING');
    }],
    ['2 is AVAILABLE, not yet awaited', '1', async (world) => {
      const attempt = await world.attempt('2', [2, 1]);
      await world.stage(attempt);
      await world.the.reloadConfig(attempt, call());
      await until(() => stateOf(world, 2) === 'AVAILABLE');
    }],
    ['2 is promoted, 1 is kept', '2', async (world) => { await world.bringUp(await world.attempt('2', [2, 1])); }],
    ['1 is drained', '2', async (world) => {
      const attempt = await world.attempt('2', [2, 1]);
      await world.bringUp(attempt);
      await world.the.drainVersion({ attempt, version: v('1'), drainSeconds: 0 }, call());
    }],
    ['1 is UNLOADING, held by a request', '2', async (world) => {
      const attempt = await world.attempt('2', [2, 1]);
      await world.bringUp(attempt);
      await hold(world, 20_000);
      await world.the.drainVersion({ attempt, version: v('1'), drainSeconds: 0 }, call());
      void outcome(world.the.unloadVersion({ attempt, version: v('1'), unloadDeadlineSeconds: 10 }, call()));
      await until(() => stateOf(world, 1) === 'UNLOADING');
    }],
  ];

  test.each(phases)('agent: %s: %s is served at once and asserted again within a poll; the boot file names nothing else', async (_phase, serves, bring) => {
    const world = await agentHostServing1();
    await bring(world);
    const boot = world.bootFile();
    expect([...boot.matchAll(/versions: (\d+)/g)].map(([, version]) => version)).toEqual([serves]);
    const before = world.the.incarnation;
    await world.simulator?.stop();
    await world.startServer({ fileSystemPollWaitSeconds: POLL_SECONDS });
    const up = performance.now();
    expect((await asker(world).ask()).split(' ')[0]).toBe(serves);
    await until(() => world.the.incarnation !== before); // The agent has seen that it is another process …
    await until(() => JSON.stringify(world.listed()) === JSON.stringify({ half: [serves] }));
    expect(performance.now() - up).toBeLessThan((POLL_SECONDS + 1) * 1_000); // … within a poll, and a second for a busy machine.
    const view = await world.the.beginAttempt(await world.attempt(serves, [9, 1]), call());
    expect([view.aspired, view.promoted]).toEqual([[serves], serves]);
    expect(world.listed()).toEqual({ half: [serves] });
    expect(world.bootFile()).toBe(boot);
  });
});
