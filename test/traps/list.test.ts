// Traps of the reload call (TF Serving reference §11.1 to .8, .24, .25, .27, .28; §15 E1, E7): the naive client is hurt, the agent is not.

import { readFile, writeFile } from 'node:fs/promises';
import { writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelName } from '../../src/domain/names';
import { ModelService } from '../../src/proto/gen/tensorflow_serving/apis/model_service_pb';
import { ServingClient } from '../../src/serving/client';
import { startSimulator } from '../../src/testing/tf-serving/server';
import { until } from '../setup/until';
import { HALF_PLUS_THREE, type Fixture } from '../tf-serving/fixture';
import { agentHost, agentHostServing1, asker, call, closeAll, failure, naiveHost, outcome, POLL_SECONDS, polls, specific, stateOf, traffic, v, walk, type Version } from './stage';

afterEach(closeAll);

async function naive(options: Parameters<Fixture['start']>[0] = {}): Promise<Fixture> {
  const at = naiveHost();
  at.stage('half', '1');
  at.stage('half', '2', HALF_PLUS_THREE);
  await at.start({ modelConfig: at.list({ half: specific(1) }), fileSystemPollWaitSeconds: POLL_SECONDS, ...options });
  return at;
}

describe('1: OK means accepted, not loaded', () => {
  test('naive: OK, and clients of 2 get NOT_FOUND', async () => {
    const at = await naive();
    rmSync(join(at.root, 'half', '2', 'saved_model.pb'));
    expect(await failure(at.reload(at.list({ half: specific(1, 2) })))).toBe('OK');
    await until(() => stateOf(at, 2) === 'END');
    expect(await failure(at.predict('half', [2], 2n))).toContain('NOT_FOUND');
  });

  test('agent: the load that failed is told as failed, in the server\'s words; and 2: listing it again does not make it well', async () => {
    const world = await agentHostServing1();
    world.simulator?.faults.error({ what: 'load', version: 2n, code: 'DATA_LOSS', message: 'Checksum does not match' });
    const attempt = await world.attempt('2', [2, 1]);
    await world.stage(attempt);
    await world.the.reloadConfig(attempt, call());
    const wait = { attempt, version: v('2'), loadDeadlineSeconds: 10 };
    expect(await outcome(world.the.awaitAvailable(wait, call()))).toMatchObject({ code: 'LoadFailed', message: expect.stringContaining('Checksum does not match') as string });
    await world.the.reloadConfig(attempt, call());
    expect(await outcome(world.the.awaitAvailable(wait, call()))).toMatchObject({ code: 'LoadFailed' });
  });
});

test('2, naive: the very list that failed is answered OK the second time, with nothing loaded', async () => {
  const at = await naive();
  rmSync(join(at.stage('fresh', '1'), 'saved_model.pb'));
  const list = at.list({ half: specific(1), fresh: specific(1) });
  expect(await failure(at.reload(list))).toContain('UNKNOWN');
  expect(await failure(at.reload(list))).toBe('OK');
  expect(stateOf(at, 1, 'fresh')).toBe('END');
});

describe('3, 4: an error comes after all was applied, and may be about something else', () => {
  test('naive: UNKNOWN, yet the model left out is gone; and the new one comes up although it was said to have failed', async () => {
    const at = await naive();
    at.stage('other', '2');
    rmSync(join(at.stage('other', '1'), 'saved_model.pb'));
    at.simulator.faults.delay({ what: 'load', model: 'other', version: 2n, ms: 400 });
    expect(await failure(at.reload(at.list({ other: specific(1, 2) })))).toContain('UNKNOWN');
    await until(() => stateOf(at, 1) === 'END');
    expect(await failure(at.predict('half', [2]))).toContain('NOT_FOUND');
    await until(() => stateOf(at, 2, 'other') === 'AVAILABLE');
  });

  test('agent: the UNKNOWN of a sentinel is expected; the model beside it serves on, the new one is served', async () => {
    const world = await agentHostServing1();
    const load = traffic(world);
    const other = 'other' as ModelName;
    expect(await world.bringUp(await world.attempt('2', [1, 1], { model: other }))).toMatchObject({ promoted: '2' });
    expect(world.listed()).toEqual({ half: ['1'], other: ['2'] });
    expect(await load.stop()).toEqual(['1 [3]']);
  });
});

describe('5: a new name that can have no version wedges every reload', () => {
  test.each([['its base path is missing', ''], ['specific {} without versions', 'model_version_policy { specific {} }'], ['a version that is not there', specific(9)]])('naive: %s', async (_why, policy) => {
    const at = await naive();
    if (policy.includes('9')) at.stage('fresh', '1');
    void failure(at.reload(at.list({ half: specific(1), fresh: policy })));
    await until(() => at.simulator.core.configMu.held);
    expect(await failure(at.reload(at.list({ half: specific(1, 2) }), { deadlineMs: 500 }))).toContain('DEADLINE_EXCEEDED');
    expect(stateOf(at, 2)).toBe('');
  });

  test('agent: a name is registered by its sentinel within a poll; a version that is not staged is never listed', async () => {
    const world = await agentHostServing1();
    const attempt = await world.attempt('2', [1, 1], { model: 'fresh' as ModelName });
    await world.the.beginAttempt(attempt, call());
    expect(await outcome(world.the.reloadConfig(attempt, call()))).toMatchObject({ message: expect.stringContaining('not staged') as string });
    expect([world.simulator?.core.configMu.held, world.listed()]).toEqual([false, { half: ['1'] }]);
    expect(await world.bringUp(attempt)).toMatchObject({ promoted: '2' });
    expect(world.simulator?.core.configMu.held).toBe(false);
  });

  test('agent: where somebody else has wedged the server, it says so with the cause, and clients are served on', async () => {
    const log: string[] = [];
    const world = await agentHostServing1(undefined, { log: (line) => { log.push(line); } });
    const rogue = new ServingClient(`unix:${world.socket}`);
    void rogue.reload([{ name: 'half', basePath: join(world.root, 'models/half'), platform: 'tensorflow', versions: ['1'], labels: {} }, { name: 'x', basePath: '/nowhere', platform: 'tensorflow', versions: ['1'], labels: {} }]);
    await until(() => world.simulator?.core.configMu.held === true);
    const attempt = await world.attempt('2', [2, 1]);
    await world.stage(attempt);
    const stop = new AbortController();
    const step = outcome(world.the.reloadConfig(attempt, call(stop.signal)));
    await until(() => log.some((line) => line.startsWith('configLock')));
    stop.abort(new Error('enough'));
    await step;
    rogue.close();
    expect(await asker(world).ask()).toBe('1 [3]');
  });
});

describe('6: a client that gives up leaves its thread behind', () => {
  test('naive: a few retries, and the port answers nothing any more, not even predictions', async () => {
    const at = await naive({ grpcMaxThreads: 4 });
    for (let i = 0; i < 3; i += 1) await failure(at.reload(at.list({ half: specific(1), fresh: '' }), { deadlineMs: 150 }));
    expect(await failure(at.predict('half', [2]))).toBe('RESOURCE_EXHAUSTED: Server Threadpool Exhausted');
    expect(await failure(at.call(ModelService.method.getModelStatus, { modelSpec: { name: 'half' } }))).toContain('RESOURCE_EXHAUSTED');
  });

  test('agent: five tries against a wedged server cost it one thread; predictions go on', async () => {
    const world = await agentHostServing1();
    await world.simulator?.stop();
    await world.startServer({ grpcMaxThreads: 4 });
    const attempt = await world.attempt('2', [2, 1]);
    await world.stage(attempt);
    const rogue = new ServingClient(`unix:${world.socket}`);
    void rogue.reload([{ name: 'x', basePath: '/nowhere', platform: 'tensorflow', versions: ['1'], labels: {} }, { name: 'half', basePath: join(world.root, 'models/half'), platform: 'tensorflow', versions: ['1'], labels: {} }]);
    await until(() => world.simulator?.core.configMu.held === true);
    for (let i = 0; i < 5; i += 1) {
      const stop = new AbortController();
      const step = outcome(world.the.reloadConfig(attempt, call(stop.signal)));
      await polls(1);
      stop.abort(new Error('the caller gives up'));
      await step;
    }
    expect(await asker(world).ask()).toBe('1 [3]');
    rogue.close();
  });
});

describe('E1 zombie: a reload that timed out is applied later', () => {
  test('naive: what the client believes void removes what was accepted in between', async () => {
    const at = await naive();
    at.stage('fresh', '1');
    at.simulator.faults.delay({ what: 'load', model: 'fresh', ms: 800 });
    const first = at.reload(at.list({ half: specific(1), fresh: specific(1) }));
    await until(() => stateOf(at, 1, 'fresh') === 'LOADING');
    expect(await failure(at.reload(at.list({ half: specific(1) }), { deadlineMs: 200 }))).toContain('DEADLINE_EXCEEDED');
    expect(await failure(first)).toBe('OK');
    await until(() => stateOf(at, 1, 'fresh') === 'END'); // Accepted, AVAILABLE, and gone.
  });

  test('agent: a step that is given up leaves its reload to its answer; what is listed in the end is what the journal says', async () => {
    const world = await agentHostServing1();
    const attempt = await world.attempt('2', [2, 1]);
    await world.stage(attempt);
    const rogue = new ServingClient(`unix:${world.socket}`);
    world.simulator?.faults.delay({ what: 'load', model: 'fresh', ms: 600 });
    const fresh = { name: 'fresh', basePath: join(world.root, 'models/half'), platform: 'tensorflow' as const, versions: ['1'], labels: {} };
    const blocked = rogue.reload([{ ...fresh, name: 'half' }, fresh]);
    await until(() => stateOf(world, 1, 'fresh') === 'LOADING');
    const stop = new AbortController();
    const step = outcome(world.the.reloadConfig(attempt, call(stop.signal)));
    await polls(1);
    stop.abort(new Error('the caller gives up'));
    await step;
    const { proof } = await world.the.abortAttempt(attempt, call()); // Behind the blocked one, and behind our own.
    expect([await blocked, proof.aspired, world.listed()]).toEqual(['OK', false, { half: ['1'] }]);
    await polls(4);
    expect([stateOf(world, 1), world.listed()]).toEqual(['AVAILABLE', { half: ['1'] }]);
    rogue.close();
  });
});

describe('7: a reload replaces the list of the whole server', () => {
  test('naive: two writers, each with its own model: the first one\'s clients get NOT_FOUND', async () => {
    const at = await naive();
    at.stage('other', '1');
    await at.reload(at.list({ other: specific(1) }));
    await until(() => stateOf(at, 1) === 'END');
    expect(await failure(at.predict('half', [2]))).toContain('NOT_FOUND');
  });

  test('agent: two models rolled out at once are both in the list', async () => {
    const world = await agentHost();
    await Promise.all([world.bringUp(await world.attempt('1', [1, 1])), world.bringUp(await world.attempt('2', [1, 1], { model: 'other' as ModelName }))]);
    expect(world.listed()).toEqual({ half: ['1'], other: ['2'] });
  });
});

describe('8, 28: nothing of a reload survives a restart, and the port opens only when the file\'s models are up', () => {
  test('naive: the model given by reload is gone; a file with a model that fails never opens the port', async () => {
    const at = naiveHost();
    at.stage('half', '1');
    writeFileSync(join(at.root, 'models.config'), 'model_config_list {}');
    await at.start({ modelConfigFile: join(at.root, 'models.config'), fileSystemPollWaitSeconds: POLL_SECONDS });
    await at.reload(at.list({ half: specific(1) }));
    await at.simulator.stop();
    await at.start({ modelConfigFile: join(at.root, 'models.config'), fileSystemPollWaitSeconds: POLL_SECONDS });
    expect(await failure(at.predict('half', [2]))).toContain('NOT_FOUND');
    rmSync(join(at.stage('half', '2'), 'saved_model.pb'));
    writeFileSync(join(at.root, 'models.config'), at.list({ half: specific(2) }));
    await expect(startSimulator({ port: 0, modelConfigFile: join(at.root, 'models.config'), maxNumLoadRetries: 0, fileSystemPollWaitSeconds: POLL_SECONDS })).rejects.toThrow('did not become available');
  });

  test('agent: what was promoted is served from the first moment; a candidate that kills its server is not in the file', async () => {
    const world = await agentHostServing1();
    world.simulator?.faults.delay({ what: 'load', version: 2n, ms: 20_000 });
    const attempt = await world.attempt('2', [2, 1]);
    await world.stage(attempt);
    await world.the.reloadConfig(attempt, call());
    await until(() => stateOf(world, 2) === 'LOADING');
    await world.simulator?.stop();
    await world.startServer();
    expect(await asker(world).ask()).toBe('1 [3]');
    expect(world.bootFile()).not.toMatch(/versions: 2/);
  });
});

describe('24: a new model without a platform poisons the server', () => {
  test('naive: every later list is refused, even an empty one', async () => {
    const at = await naive();
    await failure(at.reload(at.list({ half: specific(1), fresh: '' }).replace(/(name: "fresh"[^}]*) model_platform: "tensorflow"/, '$1')));
    expect(await failure(at.reload(at.list({ half: specific(1) })))).toContain('Illegal setting neither');
    expect(await failure(at.reload('model_config_list {}'))).toContain('Illegal setting neither');
    await failure(at.reload(at.list({ half: specific(1, 2) })));
    await polls(4);
    expect(stateOf(at, 2)).toBe('');
  });

  test('agent: every entry it lists has one, the sentinel\'s too', async () => {
    const world = await agentHostServing1();
    const config = world.simulator?.config().config;
    expect(config?.case === 'modelConfigList' ? config.value.config.map((one) => one.modelPlatform) : []).toEqual(['tensorflow']);
  });

  test('agent: a server that somebody else poisoned is named so', async () => {
    const log: string[] = [];
    const world = await agentHostServing1(undefined, { log: (line) => { log.push(line); } });
    const rogue = new ServingClient(`unix:${world.socket}`);
    await rogue.reload([{ name: 'x', basePath: '/nowhere', platform: '' as never, versions: ['1'], labels: {} }]);
    rogue.close();
    const attempt = await world.attempt('2', [2, 1]);
    await world.stage(attempt);
    expect(await outcome(world.the.reloadConfig(attempt, call()))).toMatchObject({ code: 'ReloadRejected', message: expect.stringContaining('Illegal setting neither') as string });
    await until(() => log.some((line) => line.startsWith('poisonedList')));
    expect(await asker(world).ask()).toBe('1 [3]');
  });
});

describe('25, E7: a label may only point to what is AVAILABLE', () => {
  test('naive: [1,2] with the label moved to 2 at once: refused, and 2 is not loaded either; dropping 1 first leaves the label in the air', async () => {
    const at = await naive();
    expect(await failure(at.reload(at.list({ half: `${specific(1, 2)} version_labels { key: "stable" value: 2 }` })))).toContain('not currently available for inference');
    await polls(4);
    expect(stateOf(at, 2)).toBe('');
    await at.reload(at.list({ half: `${specific(1)} version_labels { key: "stable" value: 1 }` }));
    await at.reload(at.list({ half: `${specific(2)} version_labels { key: "stable" value: 1 }` }));
    await until(() => stateOf(at, 1) === 'END');
    expect(at.simulator.core.labels.versionOf('half', 'stable')).toBe(1n);
    expect(await failure(at.predict('half', [2], 1n))).toContain('NOT_FOUND');
  });

  test('agent: the label goes to 2 once it is promoted, before 1 leaves', async () => {
    const world = await agentHostServing1();
    await world.the.close();
    const path = join(world.root, 'journal.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace('"labels": {}', '"labels": {"stable": "1"}'));
    await world.startAgent();
    const seen = new Set<string>();
    let going = true;
    const watching = (async () => {
      while (going) {
        const label = world.simulator?.core.labels;
        try { const to = label?.versionOf('half', 'stable'); if (to !== undefined) seen.add(`${to} ${stateOf(world, to)}`); } catch { /* Not given yet. */ }
        await new Promise((resolve) => { setTimeout(resolve, 2); });
      }
    })();
    expect(await walk(world, await world.attempt('2', [2, 1]))).toMatchObject({ labels: { stable: '2' as Version } });
    going = false;
    await watching;
    expect([...seen].sort()).toEqual(['1 AVAILABLE', '2 AVAILABLE']);
  });
});

describe('27: started on an empty file', () => {
  test('naive: after the first failing model a retry is refused with the old words', async () => {
    const at = naiveHost();
    at.stage('half', '1');
    writeFileSync(join(at.root, 'models.config'), '');
    await at.start({ modelConfigFile: join(at.root, 'models.config'), fileSystemPollWaitSeconds: POLL_SECONDS });
    rmSync(join(at.root, 'half', '1', 'saved_model.pb'));
    expect(await failure(at.reload(at.list({ half: specific(1) })))).toContain('UNKNOWN');
    at.stage('half', '1');
    expect(await failure(at.reload(at.list({ half: specific(1) }), { deadlineMs: 1_500 }))).not.toBe('OK');
  });

  test('agent: the file says model_config_list before any server reads it', async () => {
    const world = await agentHost();
    expect(world.bootFile()).toMatch(/^model_config_list:? \{/);
    expect(await world.bringUp(await world.attempt('1', [1, 1]))).toMatchObject({ promoted: '1' });
  });
});
