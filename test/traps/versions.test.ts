// Traps of version numbers and aspirations (TF Serving reference §11.9 to .16, .30; §15 E2, E4, E5): the naive client is hurt, the agent is not.

import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ModelService } from '../../src/proto/gen/tensorflow_serving/apis/model_service_pb';
import { until } from '../setup/until';
import { HALF_PLUS_THREE, type Fixture } from '../tf-serving/fixture';
import { agentHost, agentHostServing1, asker, call, closeAll, failure, naiveHost, outcome, POLL_SECONDS, polls, specific, stateOf, traffic, v, walk } from './stage';

afterEach(closeAll);

/** Model `half` with version 1 AVAILABLE and version 2 on the disk, on a server with the flags Segue asks for. */
async function naive(options: Parameters<Fixture['start']>[0] = {}): Promise<Fixture> {
  const at = naiveHost();
  at.stage('half', '1');
  at.stage('half', '2', HALF_PLUS_THREE);
  await at.start({ modelConfig: at.list({ half: specific(1) }), fileSystemPollWaitSeconds: POLL_SECONDS, ...options });
  return at;
}

describe('9: back to A after B failed, and C is never loaded', () => {
  test('naive: [1] → [2 fails] → [1] → [1,3]: 3 is never even begun', async () => {
    const at = await naive();
    at.stage('half', '3');
    at.simulator.faults.error({ what: 'load', version: 2n, code: 'DATA_LOSS' });
    await at.reload(at.list({ half: specific(2) }));
    await until(() => stateOf(at, 2) === 'END');
    await at.reload(at.list({ half: specific(1) }));
    await polls(2);
    await at.reload(at.list({ half: specific(1, 3) }));
    await polls(5);
    expect(stateOf(at, 3)).toBe('');
  });

  test('agent: 2 fails beside 1, and 3 is served', async () => {
    const world = await agentHostServing1();
    world.simulator?.faults.error({ what: 'load', version: 2n, code: 'DATA_LOSS' });
    const load = traffic(world);
    expect(await outcome(walk(world, await world.attempt('2', [2, 1])))).toMatchObject({ code: 'LoadFailed' });
    expect(await walk(world, await world.attempt('3', [3, 1]))).toMatchObject({ promoted: '3', aspired: ['3'] });
    expect(await load.stop()).toEqual(['1 [3]', '3 [3]']);
  });
});

describe('9, E4: the re-aspire trap: the aborted load goes live', () => {
  test('naive: [1] → [2 loading] → [1]: clients get the aborted 2', async () => {
    const at = await naive();
    at.simulator.faults.delay({ what: 'load', version: 2n, ms: 600 });
    await at.reload(at.list({ half: specific(2) }));
    await until(() => stateOf(at, 2) === 'LOADING');
    await at.reload(at.list({ half: specific(1) }));
    const answers = new Set<string>();
    await until(async () => { answers.add(await at.answered('half', [2]).catch(() => 'failed')); return stateOf(at, 2) === 'END'; });
    expect([...answers]).toContain('v2 4');
  });

  test('agent: the aborted load ends unseen while 1 answers everything', async () => {
    const world = await agentHostServing1();
    world.simulator?.faults.delay({ what: 'load', version: 2n, ms: 600 });
    const attempt = await world.attempt('2', [2, 1]);
    await world.stage(attempt);
    await world.the.reloadConfig(attempt, call());
    await until(() => stateOf(world, 2) === 'LOADING');
    const load = traffic(world);
    expect((await world.the.abortAttempt(attempt, call())).proof).toMatchObject({ aspired: false, sockets: 0, writers: 0 });
    await until(() => stateOf(world, 2) === 'END');
    expect(await load.stop()).toEqual(['1 [3]']);
  });
});

describe('10: a number that failed is never tried again', () => {
  test('naive: the files are put right and listed again: still END', async () => {
    const at = await naive();
    at.simulator.faults.error({ what: 'load', version: 2n, code: 'DATA_LOSS', times: 1 });
    await at.reload(at.list({ half: specific(1, 2) }));
    await until(() => stateOf(at, 2) === 'END');
    rmSync(join(at.root, 'half', '2'), { recursive: true });
    at.stage('half', '2', HALF_PLUS_THREE);
    await at.reload(at.list({ half: specific(1, 2) }));
    await polls(5);
    expect(stateOf(at, 2)).toBe('END');
  });

  test('agent: a new attempt is first noticed gone, then loaded; and 15: the END of the first attempt is not taken for its own', async () => {
    const world = await agentHostServing1();
    world.simulator?.faults.error({ what: 'load', version: 2n, code: 'DATA_LOSS', times: 1 });
    expect(await outcome(walk(world, await world.attempt('2', [2, 1])))).toMatchObject({ code: 'LoadFailed' });
    expect(await walk(world, await world.attempt('2', [2, 2]))).toMatchObject({ promoted: '2' });
  });
});

test('15, naive: the END read right after listing a number again is the one of its last life', async () => {
  const at = await naive();
  at.simulator.faults.error({ what: 'load', version: 2n, code: 'DATA_LOSS', times: 1 });
  await at.reload(at.list({ half: specific(1, 2) }));
  await until(() => stateOf(at, 2) === 'END');
  await at.reload(at.list({ half: specific(1) }));
  await polls(3);
  await at.reload(at.list({ half: specific(1, 2) }));
  expect(stateOf(at, 2)).toBe('END'); // Whoever polls now reports a failure, of a version that …
  await until(() => stateOf(at, 2) === 'AVAILABLE'); // … is loaded a moment later.
});

describe('11: a lower number is not what clients without a version get', () => {
  test('naive: going back by listing 1 again beside 2 changes nothing', async () => {
    const at = await naive();
    await at.reload(at.list({ half: specific(2) }));
    await until(() => stateOf(at, 1) === 'END');
    await at.reload(at.list({ half: specific(1, 2) }));
    await until(() => stateOf(at, 1) === 'AVAILABLE');
    expect(await at.answered('half', [2])).toBe('v2 4');
  });

  test('agent: going back ends with the higher version gone, and every client on 1', async () => {
    const world = await agentHostServing1();
    await walk(world, await world.attempt('2', [2, 1], { retain: [v('1')] }));
    const load = traffic(world);
    await walk(world, await world.attempt('1', [3, 1], { retain: [v('2')] }));
    expect((await load.stop()).at(-1)).toBe('1 [3]');
    expect(await asker(world).ask('2')).toBe('NOT_FOUND');
  });
});

describe('12: a version leaves at the next poll, not with the answer', () => {
  test('naive: after OK the version that was taken off is still served', async () => {
    const at = await naive({ fileSystemPollWaitSeconds: 1 });
    await at.reload(at.list({ half: specific(1, 2) }));
    await until(() => stateOf(at, 2) === 'AVAILABLE');
    await at.reload(at.list({ half: specific(1) }));
    expect(await at.answered('half', [2], 2n)).toBe('v2 4');
  });

  test('agent: unloadVersion ends when the server has ended it', async () => {
    const world = await agentHostServing1();
    const view = await walk(world, await world.attempt('2', [2, 1], { retain: [v('1')] }));
    expect(view.states['1' as never]).toBe('END');
    expect(stateOf(world, 1)).toBe('END');
  });
});

describe('13: without load threads an abort is no abort', () => {
  test('naive: the aborted 2 is loaded to its end, and nothing else moves meanwhile', async () => {
    const at = await naive({ numLoadThreads: 0 });
    at.stage('other', '1');
    at.simulator.faults.delay({ what: 'load', version: 2n, ms: 700 });
    await at.reload(at.list({ half: specific(1, 2) }));
    await until(() => stateOf(at, 2) === 'LOADING');
    void at.reload(at.list({ half: specific(1), other: specific(1) })).catch(() => undefined);
    await polls(3);
    expect([stateOf(at, 2), stateOf(at, 1, 'other')]).toEqual(['LOADING', '']);
    await until(() => stateOf(at, 2) === 'END');
    const { modelVersionStatus } = await at.call(ModelService.method.getModelStatus, { modelSpec: { name: 'half' } });
    expect(modelVersionStatus.find((one) => one.version === 2n)?.status?.errorCode).toBe(0); // Not CANCELLED: it was up.
  });
  // The agent's side is in flags.test.ts: such a server is refused by `segue doctor`.
});

describe('14: START for ever', () => {
  test('naive: versions taken off before their turn (one action a tick) never reach END', async () => {
    const at = await naive();
    const many = Array.from({ length: 12 }, (_, i) => i + 3);
    for (const version of many) at.stage('half', String(version));
    await at.reload(at.list({ half: specific(1, ...many) }));
    await until(() => stateOf(at, 14) === 'AVAILABLE');
    await at.reload(at.list({ half: specific(1) }));
    await until(() => stateOf(at, 14) === 'END');
    await polls(5);
    expect(stateOf(at, 3)).toBe('START');
  });

  test('agent: a START nobody lists any more counts as ended after a poll and a tick', async () => {
    const world = await agentHostServing1();
    await world.simulator?.stop();
    await world.startServer({ numLoadThreads: 1 });
    const busy = await world.attempt('3', [1, 2], { model: 'busy' as never });
    await world.bringUp({ ...await world.attempt('1', [1, 1]), model: 'busy' as never });
    world.simulator?.faults.delay({ what: 'load', model: 'busy', ms: 2_000 });
    await world.stage(busy);
    await world.the.reloadConfig(busy, call());
    await until(() => stateOf(world, 3, 'busy') === 'LOADING');
    const attempt = await world.attempt('2', [2, 1]);
    await world.stage(attempt);
    await world.the.reloadConfig(attempt, call());
    await until(() => stateOf(world, 2) === 'START');
    await world.the.abortAttempt(attempt, call());
    const next = { ...attempt, token: [2, 2] as const };
    await world.the.beginAttempt(next, call());
    const view = await world.the.unloadVersion({ attempt: next, version: v('2'), unloadDeadlineSeconds: 1 }, call());
    expect([view.aspired, view.states['2' as never], stateOf(world, 2)]).toEqual([['1'], 'END', 'START']);
  });
});

describe('16: a name removed and named again at once', () => {
  test('naive: the reload blocks for ever, or reports the END of the unload as a failure', async () => {
    const harms: string[] = [];
    for (let round = 0; round < 10 && harms.length === 0; round += 1) {
      const at = await naive({ fileSystemPollWaitSeconds: 0.02 });
      await at.reload(at.list({}));
      const answer = await failure(at.reload(at.list({ half: specific(1) }), { deadlineMs: 700 }));
      if (answer !== 'OK') harms.push(answer);
    }
    expect(harms.join()).toMatch(/^(DEADLINE_EXCEEDED|UNKNOWN)/);
  }, 30_000);

  test('agent: a name whose last version is gone stays in the list, so serving it again cannot block', async () => {
    const world = await agentHostServing1();
    const { version: _none, ...nothing } = await world.attempt('1', [2, 1]);
    await walk(world, nothing, {}, {});
    expect(world.listed()).toEqual({ half: [] });
    expect(await walk(world, await world.attempt('2', [3, 1]))).toMatchObject({ promoted: '2' });
  });
});

describe('30: int64 is not a JavaScript number', () => {
  const big = '9007199254740993';

  test('naive: through a number another version is listed, which is nowhere', async () => {
    const at = await naive();
    cpSync(join(at.root, 'half', '1'), join(at.root, 'half', big), { recursive: true });
    await at.reload(at.list({ half: specific(1, Number(big)) }));
    await polls(4);
    expect(stateOf(at, BigInt(big))).toBe('');
  });

  test('agent: the version asked for is the version served', async () => {
    const world = await agentHost({ [big]: 'three' });
    expect(await walk(world, await world.attempt(big, [1, 1]))).toMatchObject({ promoted: big });
    expect(await asker(world).ask()).toBe(`${big} [4]`);
  });
});

describe('10, E5: other bytes under a number that is served', () => {
  test('naive: a new base path with the same number is accepted and ignored', async () => {
    const at = await naive();
    at.stage('elsewhere', '1', HALF_PLUS_THREE);
    await at.reload(at.list({ half: specific(1) }).replace(`${at.root}/half`, `${at.root}/elsewhere`));
    await polls(4);
    expect(await at.answered('half', [2])).toBe('v1 3');
  });

  test('agent: a number keeps its content, and says so before anything changes', async () => {
    const world = await agentHostServing1();
    const other = await world.anotherS3({ 1: 'three' });
    expect(await outcome(world.stage(await world.attempt('1', [2, 1], {}, other)))).toMatchObject({ code: 'VersionReused' });
    expect(await asker(world).ask()).toBe('1 [3]');
  });
});
