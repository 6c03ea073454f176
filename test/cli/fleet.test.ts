// The fleet's verbs on the real fleet workflow; its rollouts end as their reason tells (stub/workflows.ts).

import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { createControlActivities } from '../../src/activities/control';
import { run } from '../../src/cli/run';
import { fleetWorkflowId, type FleetName } from '../../src/domain/names';
import { type DevServer, startDevServer } from '../../src/worker/dev-server';
import { connectTemporal, type TemporalConnections } from '../../src/worker/native-connection';
import type { Running } from '../../src/worker/running';
import { ensureSearchAttributes } from '../../src/worker/search-attributes';
import { runWorker } from '../../src/worker/worker-run';
import { temporalCli } from '../setup/shared';
import { until } from '../setup/until';
import { captured } from './captured';
import { startSegue } from './segue-process';

let server: DevServer;
let temporal: TemporalConnections;
let worker: Running;
let workflowBundle: { readonly code: string };

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  [server, workflowBundle] = await Promise.all([
    startDevServer({ cli: temporalCli(), headless: true }),
    bundleWorkflowCode({ workflowsPath: require.resolve('./stub/workflows'), logger: new DefaultLogger('ERROR') }),
  ]);
  temporal = await connectTemporal(server.target);
  await ensureSearchAttributes(temporal.connection, 'default');
  worker = await startWorker();
});

afterAll(async () => {
  await worker.stop();
  await temporal.close();
  await server.stop();
});

describe('rollback of a rollout that has ended', () => {
  test('is done by its fleet with a rollout of the version before: its id is printed, it is followed, and its end is the exit code', async () => {
    await stable('back', '1', '2');
    await ended('back/served', 'back', '2');
    const { code, out } = await segue('rollout', 'rollback', 'back/served', '--reason', 'served', '--by', 'ann');
    const id = /by: (rollback\/back\/half\/\d+)/.exec(out)?.[1] ?? '';
    expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining('served: ') });
    await expect(inputOf(id)).resolves.toMatchObject({ fleet: 'back', model: 'half', version: '1', allowDowngrade: true, requestedBy: 'ann', reason: 'served' });
    expect((await segue('fleet', 'get', 'back')).out).toContain('known bad: half/2');
    await expect(segue('rollout', 'rollback', 'back/served', '--reason', 'failed', '-o', 'json')).resolves.toMatchObject({ code: 3, out: expect.stringContaining('"outcome":"failed"') });
  });

  test('is only started with --detach', async () => {
    await stable('detached', '1', '2');
    await ended('detached/served', 'detached', '2');
    const { code, out } = await segue('rollout', 'rollback', 'detached/served', '--reason', 'run', '--detach', '-o', 'json');
    expect({ code, out: JSON.parse(out) as unknown }).toEqual({ code: 0, out: { accepted: true, workflowId: expect.stringMatching(/^rollback\/detached\/half\//), message: expect.any(String) } });
  });

  test('is asked of the fleet also while the rollout has its verdict and has not ended yet', async () => {
    await stable('lingering', '1', '2');
    await startStub('lingering/served', 'lingering', '2', 'lingers');
    await until(async () => (await segue('rollout', 'status', 'lingering/served')).out.includes('done'));
    await expect(segue('rollout', 'rollback', 'lingering/served', '--reason', 'served')).resolves.toMatchObject({ code: 0, out: expect.stringContaining('by: rollback/lingering/half/') });
  });

  test('without a version before, or of what is not stable any more, is refused with what to do', async () => {
    await stable('first', '1');
    await ended('first/served', 'first', '1');
    await expect(segue('rollout', 'rollback', 'first/served')).resolves.toMatchObject({ code: 3, err: expect.stringMatching(/^refused: InvalidInput: .*no version before 1 is known of half; start a rollout/) });
    await ended('first/old', 'first', '7');
    await expect(segue('rollout', 'rollback', 'first/old')).resolves.toMatchObject({ code: 3, err: expect.stringContaining('7 is not what is stable (1)') });
    await ended('first/lost', 'nowhere', '1');
    await expect(segue('rollout', 'rollback', 'first/lost')).resolves.toMatchObject({ code: 1, err: expect.stringContaining('no fleet nowhere') });
  });
});

describe('retire', () => {
  test('starts a rollout that serves nothing, follows it, and ends as it does', async () => {
    await stable('tired', '1');
    const { code, out } = await segue('fleet', 'retire', 'tired', 'half', '--reason', 'rolledBack');
    expect({ code, out }).toEqual({ code: 5, out: expect.stringMatching(/by: retire\/tired\/half\/\d+/) });
    await expect(inputOf(/by: (\S+)/.exec(out)?.[1] ?? '')).resolves.toMatchObject({ model: 'half', version: '1', retire: true, reason: 'rolledBack' });
  });

  test('of what the fleet does not know is refused', async () => {
    await stable('known', '1');
    await expect(segue('fleet', 'retire', 'known', 'hlaf')).resolves.toMatchObject({ code: 3, err: expect.stringContaining('knows no model hlaf; it has half') });
  });
});

test('get shows servers, models and what drifted; for scripts the whole state', async () => {
  await stable('shown', '1');
  const { out } = await segue('fleet', 'get', 'shown');
  expect(out.split('\n')).toEqual(expect.arrayContaining([' edge-a (eu): has not said what it serves', ' half: stable 1, before nothing', ' nothing drifted']));
  expect(JSON.parse((await segue('fleet', 'get', 'shown', '-o', 'json')).out)).toMatchObject({ fleet: 'shown', members: { 'edge-a': { zone: 'eu' } }, models: { half: { stable: { version: '1' } } } });
});

test('watch prints each fact once, as it comes, until Ctrl-C', async () => {
  await stable('watched', '1');
  const watching = startSegue(['fleet', 'watch', 'watched', '--address', server.address]);
  try {
    await watching.said('half: stable 1');
    await announce('watched', { server: 'edge-b', models: { other: { version: '4' } } });
    await watching.said('drifted: edge-b: half: serves nothing, stable is 1');
    await temporal.client.workflow.getHandle('fleet/watched').signal('leave', { server: 'edge-b' });
    await watching.said('edge-b: left the fleet');
  } finally {
    watching.child.kill('SIGINT');
    await watching.ended;
  }
  const facts = watching.output().trim().split('\n').map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''));
  expect(facts.filter((fact, index) => facts.indexOf(fact) !== index)).toEqual([]);
  expect(facts).toEqual(expect.arrayContaining(['edge-a (eu): has not said what it serves', 'edge-b: serves other/4']));
});

test('watch may be given a time, and then ends with 0; for scripts it prints the state when it changed', async () => {
  await stable('timed', '1');
  const { code, out } = await segue('fleet', 'watch', 'timed', '--timeout', '1500ms', '-o', 'json');
  expect({ code, states: out.split('\n').map((line) => (JSON.parse(line) as { fleet: string }).fleet) }).toEqual({ code: 0, states: ['timed'] });
});

test('leave forgets a server, and only one that is there', async () => {
  await stable('left', '1');
  await announce('left', { server: 'edge-b' });
  await expect(segue('fleet', 'leave', 'left', 'edge-b')).resolves.toMatchObject({ code: 0, out: expect.stringContaining('forgets edge-b') });
  expect((await segue('fleet', 'get', 'left')).out).not.toContain('edge-b');
  await expect(segue('fleet', 'leave', 'left', 'edge-b')).resolves.toMatchObject({ code: 1, err: 'no server edge-b in fleet left; it has edge-a' });
});

test('check waits for its answer: which agents poll, and what to do about one that does not', async () => {
  await stable('checked', '1');
  await expect(segue('fleet', 'check', 'checked')).resolves.toMatchObject({ code: 0, out: expect.stringMatching(/^0 of 1 agents of checked poll\n edge-a: does not poll, .*\n .*segue fleet leave checked edge-a$/) });
});

test.each([['get'], ['watch'], ['check'], ['leave', 'edge-a'], ['retire', 'half']])('%s of a fleet that nobody ever announced to says so', async (verb, ...rest) => {
  await expect(segue('fleet', verb, 'never', ...rest)).resolves.toMatchObject({ code: 1, err: expect.stringContaining('no fleet never in this namespace') });
});

test('a fleet that only a typo in a rollout called up is as good as none', async () => {
  await temporal.client.workflow.start('fleet', { workflowId: 'fleet/typo', taskQueue: 'segue', args: [{ fleet: 'typo' }] });
  await until(async () => (await segue('fleet', 'get', 'typo')).code !== 6); // not asked before its first workflow task is done
  await expect(segue('fleet', 'get', 'typo')).resolves.toMatchObject({ code: 1, err: expect.stringContaining('no fleet typo') });
});

test('without a control worker the person is told what is missing, not left waiting', async () => {
  await stable('alone', '1');
  await worker.stop();
  try {
    const [got, retired] = await Promise.all([segue('fleet', 'get', 'alone'), segue('fleet', 'retire', 'alone', 'half', '--by', 'ann')]);
    expect(got).toMatchObject({ code: 6, err: expect.stringContaining('no control worker answers') });
    expect(retired).toMatchObject({ code: 6, err: expect.stringContaining(`temporal workflow signal --workflow-id fleet/alone --name retire --input '{"model":"half","by":"ann"}'`) });
  } finally {
    worker = await startWorker();
  }
}, 60_000);

/** A fleet with one server, in which these versions of `half` were served, the last one now. */
async function stable(fleet: string, ...versions: readonly string[]): Promise<void> {
  await announce(fleet, { server: 'edge-a', zone: 'eu' });
  for (const [index, version] of versions.entries()) {
    const settlement = { model: 'half', version, workflowId: `rollout/${fleet}/half/${version}/ci`, runId: `run-${version}`, epoch: index + 1, outcome: 'served', digest: `sha256:${version.repeat(64)}`, source: { uri: `s3://models/half/${version}/`, region: 'us-east-1', credentials: 'env' } };
    await temporal.client.workflow.getHandle(fleetWorkflowId(fleet as FleetName)).signal('settle', settlement);
  }
}

async function announce(fleet: string, announcement: object): Promise<void> {
  await temporal.client.workflow.signalWithStart('fleet', { workflowId: `fleet/${fleet}`, taskQueue: 'segue', args: [{ fleet }], signal: 'announce', signalArgs: [{ incarnation: 'i', ...announcement }] });
}

async function startStub(workflowId: string, fleet: string, version: string, reason: string): Promise<void> {
  const typedSearchAttributes = new TypedSearchAttributes(Object.entries({ SegueFleet: fleet, SegueModel: 'half', SegueVersion: version }).map(([name, value]) => ({ key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD), value })));
  await temporal.client.workflow.start('rollout', { workflowId, taskQueue: 'segue', args: [{ reason }], typedSearchAttributes });
}

async function ended(workflowId: string, fleet: string, version: string): Promise<void> {
  await startStub(workflowId, fleet, version, 'served');
  await temporal.client.workflow.getHandle(workflowId).result();
}

async function inputOf(workflowId: string): Promise<unknown> {
  const { events } = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
  const payload = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
  return JSON.parse(Buffer.from(payload?.data ?? '').toString('utf8')) as unknown;
}

function segue(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return captured((terminal) => run([...args, '--address', server.address], terminal));
}

async function startWorker(): Promise<Running> {
  return runWorker(await Worker.create({ connection: temporal.native, namespace: 'default', taskQueue: 'segue', workflowBundle, activities: createControlActivities({ client: temporal.client }) }));
}
