import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { run } from '../../src/cli/run';
import { connectTemporal, type TemporalConnections } from '../../src/worker/native-connection';
import { type DevServer, startDevServer } from '../../src/worker/dev-server';
import { freePorts } from '../../src/worker/free-port';
import { type Running } from '../../src/worker/running';
import { runWorker } from '../../src/worker/worker-run';
import { temporalCli } from '../setup/shared';
import { until } from '../setup/until';
import { captured } from './captured';

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
  worker = await startWorker();
});

afterAll(async () => {
  await worker.stop();
  await temporal.close();
  await server.stop();
});

describe('the exit code of a rollout that was waited for tells how it ended', () => {
  test.each([
    ['served', 0], ['alreadyServed', 0], ['rejected', 3], ['failed', 3], ['aborted', 4], ['superseded', 4], ['rolledBack', 5],
  ])('%s: %i', async (outcome, code) => {
    const started = await segue('start', ...request(outcome), '--workflow-id', `end/${outcome}`, '--wait');
    expect({ code: started.code, last: started.out }).toEqual({ code, last: expect.stringContaining(`${outcome}: `) });
    await expect(segue('watch', `end/${outcome}`)).resolves.toMatchObject({ code });
    await expect(segue('status', `end/${outcome}`)).resolves.toMatchObject({ code: 0 });
  });

  test('cancelled by Temporal itself: 4, with the verdict it still gave', async () => {
    await segue('start', ...request('run'), '--workflow-id', 'end/cancelled');
    await until(async () => (await segue('status', 'end/cancelled')).code === 0);
    await temporal.client.workflow.getHandle('end/cancelled').cancel();
    const watched = await segue('watch', 'end/cancelled');
    expect(watched).toMatchObject({ code: 4 });
    expect(watched.out).toContain('cancelled: somebody cancelled it');
  });

  test('terminated from outside: 4, and said to have cleaned up nothing', async () => {
    await segue('start', ...request('run'), '--workflow-id', 'end/terminated');
    await until(async () => (await segue('status', 'end/terminated')).code === 0);
    await temporal.client.workflow.getHandle('end/terminated').terminate();
    const watched = await segue('watch', 'end/terminated');
    expect(watched).toMatchObject({ code: 4 });
    expect(watched.out).toContain('terminated from outside');
    const status = await segue('status', 'end/terminated');
    expect(status.out).toContain('TERMINATED from outside');
    expect(status.out).not.toContain('abort:');
    expect(JSON.parse((await segue('status', 'end/terminated', '-o', 'json')).out)).toMatchObject({ execution: 'TERMINATED' });
  });

  test('still running at the time-out: 6, with how to go on, and the rollout goes on', async () => {
    const started = await segue('start', ...request('run'), '--workflow-id', 'end/slow', '--wait', '--timeout', '700ms');
    expect(started.code).toBe(6);
    expect(started.err).toContain('segue rollout watch end/slow');
    await expect(segue('watch', 'end/slow', '--timeout', '300ms')).resolves.toMatchObject({ code: 6 });
    await expect(segue('status', 'end/slow')).resolves.toMatchObject({ code: 0, out: expect.stringContaining('downloadVersion') });
  });
});

test('each change is one line, said once', async () => {
  await segue('start', ...request('run'), '--workflow-id', 'lines');
  const heard: string[] = [];
  const watching = captured((terminal) => run(['rollout', 'watch', 'lines', '--address', server.address], terminal), { heard });
  await until(() => heard.some((line) => line.includes('downloadVersion')));
  await temporal.client.workflow.getHandle('lines').signal('go');
  const { out } = await watching;
  const facts = out.split('\n').map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''));
  expect(facts.filter((fact, index) => facts.indexOf(fact) !== index)).toEqual([]);
  expect(facts).toEqual(expect.arrayContaining(['phase rolling', 'edge-a downloadVersion, serves 1', 'served: "go"', ' edge-a: served, serves 2']));
});

test('on a terminal the table is rewritten in place, and the end stays below it', async () => {
  await segue('start', ...request('run'), '--workflow-id', 'live');
  const watching = captured((terminal) => run(['rollout', 'watch', 'live', '--address', server.address, '--timeout', '1500ms'], terminal), { live: true });
  const { out, code } = await watching;
  const screens = out.split('\u001b[2A\r\u001b[0J');
  expect(code).toBe(6);
  expect(screens.length).toBeGreaterThan(2);
  expect(screens.at(-1)).toMatch(/^rolling · generation 7\.1\n ◐ edge-a +downloadVersion +serves 1 .*\nstill running after 2 s$/);
});

test('for scripts every look is one JSON object a line, and the last one is the end', async () => {
  const { out } = await segue('start', ...request('rolledBack'), '--workflow-id', 'json', '--wait', '-o', 'json');
  const lines = out.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines[0]).toMatchObject({ workflowId: 'json', runId: expect.any(String) });
  expect(lines.at(-1)).toMatchObject({ exit: 5, verdict: { outcome: 'rolledBack' } });
  const status = await segue('status', 'json', '-o', 'json');
  expect(JSON.parse(status.out)).toMatchObject({ phase: 'done', generation: [7, 1], verdict: { outcome: 'rolledBack' } });
});

describe('an ID that is running already', () => {
  test('with the same request is attached to, and followed: a CI job that is run again finds its own rollout', async () => {
    const first = await segue('start', ...request('run'), '--workflow-id', 'twice', '-o', 'json');
    const again = segue('start', ...request('second try'), '--requested-by', 'ci', '--workflow-id', 'twice', '--wait', '-o', 'json');
    await until(async () => (await segue('status', 'twice')).code === 0);
    await temporal.client.workflow.getHandle('twice').signal('go');
    const { code, out } = await again;
    expect(code).toBe(0);
    expect(JSON.parse(out.split('\n')[0] ?? '')).toEqual({ ...JSON.parse(first.out) as object, attached: true });
  });

  test('says so in words', async () => {
    await segue('start', ...request('run'), '--workflow-id', 'twice/words');
    expect((await segue('start', ...request('run'), '--workflow-id', 'twice/words')).out).toContain('attached to twice/words (run ');
  });

  test('with another request is refused, instead of keeping the old one silently, and says what differs', async () => {
    await segue('start', ...request('run'), '--workflow-id', 'twice/other');
    const again = await segue('start', ...request('run'), '--source', 's3://models/half/2b/', '--allow-reuse', '--workflow-id', 'twice/other');
    expect(again).toMatchObject({ code: 3, err: expect.stringContaining('twice/other is running already, with another request: allowReuse, source differ.') });
  });
});

describe('pause and resume', () => {
  test('who paused it and why is shown until it goes on', async () => {
    await segue('start', ...request('run'), '--workflow-id', 'pause/running');
    await expect(segue('pause', 'pause/running', '--reason', 'graphs', '--by', 'ann')).resolves.toMatchObject({ code: 0, out: 'accepted: nothing new begins. Resume: segue rollout resume pause/running' });
    const { out } = await segue('status', 'pause/running');
    expect(out).toMatch(/paused by ann since 22:13:20 UTC: graphs/);
    expect(out).toContain('segue rollout resume pause/running');
    await expect(segue('resume', 'pause/running')).resolves.toMatchObject({ code: 0, out: expect.stringContaining('accepted: goes on') });
    expect((await segue('status', 'pause/running')).out).not.toContain('paused');
  });

  test('a refusal is printed as it was refused; of what has ended there is nothing to pause', async () => {
    await segue('start', ...request('run'), '--workflow-id', 'pause/refused');
    await expect(segue('resume', 'pause/refused')).resolves.toMatchObject({ code: 3, err: 'refused: InvalidInput: this rollout is not paused' });
    await segue('start', ...request('served'), '--workflow-id', 'pause/ended', '--wait');
    await expect(segue('pause', 'pause/ended')).resolves.toMatchObject({ code: 3, err: expect.stringContaining('has ended') });
    await expect(segue('resume', 'pause/never')).resolves.toMatchObject({ code: 1, err: expect.stringContaining('no rollout pause/never') });
  });
});

describe('rollback', () => {
  test('of a running rollout is its own verb, and the rollout ends as rolled back', async () => {
    await segue('start', ...request('run'), '--workflow-id', 'back/running');
    await expect(segue('rollback', 'back/running', '--reason', 'wrong answers')).resolves.toMatchObject({ code: 0, out: expect.stringContaining('accepted: going back') });
    await expect(segue('watch', 'back/running')).resolves.toMatchObject({ code: 5, out: expect.stringContaining('rolledBack: wrong answers') });
  });

  test('of what was rejected before it began, or is no rollout, says that there is nothing known of it', async () => {
    await segue('start', ...request('served'), '--workflow-id', 'back/nameless', '--wait');
    await expect(segue('rollback', 'back/nameless')).resolves.toMatchObject({ code: 3, err: expect.stringContaining('rejected before it began') });
    await expect(segue('rollback', 'back/never')).resolves.toMatchObject({ code: 1, err: expect.stringContaining('no rollout back/never') });
  });
});

test('a typo is told with its path and a suggestion, and starts nothing', async () => {
  const started = await segue('start', '--input', '{"fleet": "demo", "model": "half", "verison": "2", "source": {"uri": "s3://models/half/2/"}}', '--workflow-id', 'typo');
  expect(started.code).toBe(3);
  expect(started.err).toMatch(/InvalidInput.*verison.*did you mean.*version/is);
  await expect(temporal.client.workflow.getHandle('typo').describe()).rejects.toThrow(/not found/i);
});

describe('abort', () => {
  test('is accepted, carries the reason, and ends the rollout with 4', async () => {
    await segue('start', ...request('run'), '--workflow-id', 'abort/running');
    await expect(segue('abort', 'abort/running', '--reason', 'bucket moved')).resolves.toMatchObject({ code: 0, out: expect.stringContaining('accepted: stopping') });
    await expect(segue('watch', 'abort/running')).resolves.toMatchObject({ code: 4, out: expect.stringContaining('aborted: bucket moved') });
  });

  test('of what has ended is no error: there is nothing to abort', async () => {
    await segue('start', ...request('served'), '--workflow-id', 'abort/ended', '--wait');
    await expect(segue('abort', 'abort/ended', '--reason', 'late')).resolves.toMatchObject({ code: 0, out: expect.stringContaining('nothing to abort') });
  });

  test('of what never was is a mistake', async () => {
    await expect(segue('abort', 'abort/never', '--reason', 'why not')).resolves.toMatchObject({ code: 1, err: expect.stringContaining('no rollout abort/never') });
  });
});

describe('update', () => {
  test('sends what the flags say as the JSON that CI would send', async () => {
    await segue('start', ...request('run'), '--workflow-id', 'update/running');
    const updated = await segue('update', 'update/running', '--source', 's3://models/half/2b/', '--endpoint', 'http://127.0.0.1:9001', '--input', '{"strategy": {"maxUnavailable": 2}}');
    expect(updated).toMatchObject({ code: 0, out: expect.stringContaining('accepted: taken') });
    const { out } = await segue('watch', 'update/running');
    expect(out).toContain(JSON.stringify({ strategy: { maxUnavailable: 2 }, source: { uri: 's3://models/half/2b/', endpoint: 'http://127.0.0.1:9001' } }));
  });

  test('that the rollout refuses is printed as it was refused', async () => {
    await segue('start', ...request('run'), '--workflow-id', 'update/refused');
    await expect(segue('update', 'update/refused', '--source', 's3://refuse/this/')).resolves.toMatchObject({ code: 3, err: 'refused: InvalidInput: source.uri: that bucket is closed' });
  });

  test('of nothing is usage; of what has ended is refused', async () => {
    await expect(segue('update', 'update/running')).resolves.toMatchObject({ code: 1, err: expect.stringContaining('nothing to change') });
    await expect(segue('update', 'update/running', '--source', 's3://models/half/2/')).resolves.toMatchObject({ code: 3, err: expect.stringContaining('has ended') });
  });
});

test('status and watch of what is not there say so', async () => {
  await expect(segue('status', 'nowhere')).resolves.toMatchObject({ code: 1, err: expect.stringContaining('no rollout nowhere') });
  await expect(segue('watch', 'nowhere')).resolves.toMatchObject({ code: 1, err: expect.stringContaining('no rollout nowhere') });
});

test('nobody at the address: 7, from every verb', async () => {
  const [port] = await freePorts(1);
  const verbs = [['status', 'x'], ['watch', 'x'], ['abort', 'x', '--reason', 'y'], ['update', 'x', '--source', 's3://a/b/'], ['start', ...request('served')]];
  const ends = await Promise.all(verbs.map((verb) => captured((terminal) => run(['rollout', ...verb, '--address', `127.0.0.1:${port}`], terminal))));
  for (const end of ends) expect(end).toMatchObject({ code: 7, err: expect.stringContaining(`no Temporal server answers at 127.0.0.1:${port}`) });
});

test('without a control worker the person is told what is missing, not left waiting', async () => {
  await worker.stop();
  try {
    const started = await segue('start', ...request('served'), '--workflow-id', 'unattended');
    expect(started.code).toBe(0);
    const [status, aborted] = await Promise.all([segue('status', 'unattended'), segue('abort', 'unattended', '--reason', 'nobody is there')]);
    expect(`${status.code} ${status.out} ${status.err}`).toMatch(/^6 [^]*no control worker answers/);
    expect(aborted.code).toBe(6);
    expect(aborted.err).toContain(`temporal workflow signal --workflow-id unattended --name abort --input '{"reason":"nobody is there"`);
  } finally {
    worker = await startWorker();
  }
}, 60_000);

function request(reason: string): readonly string[] {
  return ['--fleet', 'demo', '--model', 'half', '--version', '2', '--source', 's3://models/half/2/', '--reason', reason];
}

function segue(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return captured((terminal) => run(['rollout', ...args, '--address', server.address], terminal));
}

async function startWorker(): Promise<Running> {
  return runWorker(await Worker.create({ connection: temporal.native, namespace: 'default', taskQueue: 'segue', workflowBundle }));
}
