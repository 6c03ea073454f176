import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectClient } from '../../src/worker/connection';
import { type DevServer, startDevServer } from '../../src/worker/dev-server';
import { freePorts } from '../../src/worker/free-port';
import { temporalCli } from '../setup/shared';
import { until } from '../setup/until';
import { startSegue } from './segue-process';

// Not in a hook: concurrent tests begin before hooks do.
const scratch = mkdtempSync(join(tmpdir(), 'segue-processes-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test.concurrent('a control worker without Temporal ends with 7 and says what to set', async () => {
  const [port] = await freePorts(1);
  const worker = startSegue(['worker'], { TEMPORAL_ADDRESS: `127.0.0.1:${port}` });
  expect(await worker.ended).toBe(7);
  expect(worker.output()).toContain(`no Temporal server answers at 127.0.0.1:${port}`);
  expect(worker.output()).toContain('TEMPORAL_ADDRESS');
});

test.concurrent('an agent without Temporal keeps running and says so: the model server must not lose its agent with it', async () => {
  const [port] = await freePorts(1);
  const agent = startSegue(['agent', ...agentFlags('three')], { TEMPORAL_ADDRESS: `127.0.0.1:${port}` });
  await agent.said('trying again');
  agent.child.kill('SIGTERM');
  await agent.ended;
});

test.concurrent('a second agent on the same root is told who has it', async () => {
  const [port] = await freePorts(1);
  const env = { TEMPORAL_ADDRESS: `127.0.0.1:${port}` };
  const first = startSegue(['agent', ...agentFlags('four')], env);
  await first.said('trying again');
  const second = startSegue(['agent', ...agentFlags('four')], env);
  expect(await second.ended).toBe(3);
  expect(second.output()).toMatch(new RegExp(`StoreBusy.*${first.child.pid}`));
  first.child.kill('SIGTERM');
  await first.ended;
});

describe('with a Temporal server', () => {
  let server: DevServer;
  beforeAll(async () => {
    server = await startDevServer({ cli: temporalCli(), headless: true });
  });
  afterAll(() => server.stop());

  test('an agent and a control worker, started in any order, find each other: the fleet knows the server; each ends with 0 on SIGTERM', async () => {
    const env = { TEMPORAL_ADDRESS: server.address };
    const agent = startSegue(['agent', ...agentFlags('one')], env);
    await agent.said('polls task queue segue/demo/one');
    const worker = startSegue(['worker', '--log-format', 'json'], env);
    await worker.said('control worker polls task queue segue');
    await until(async () => (await membersOf('demo')).includes('one'), 30_000);
    agent.child.kill('SIGTERM');
    worker.child.kill('SIGTERM');
    expect({ agent: await agent.ended, worker: await worker.ended }).toEqual({ agent: 0, worker: 0 });
    for (const line of worker.output().split('\n').filter((one) => one.startsWith('{'))) expect(JSON.parse(line)).toMatchObject({ time: expect.any(String), level: expect.any(String) });
  });

  test('up is both in one process', async () => {
    const up = startSegue(['up', ...agentFlags('two')], { TEMPORAL_ADDRESS: server.address });
    await up.said('control worker and agent of demo/two poll');
    await until(async () => (await membersOf('demo')).includes('two'), 30_000);
    up.child.kill('SIGTERM');
    expect(await up.ended).toBe(0);
  });

  async function membersOf(fleet: string): Promise<readonly string[]> {
    const { client, close } = await connectClient(server.target);
    try {
      return Object.keys((await client.workflow.getHandle(`fleet/${fleet}`).query<{ members: object }>('status')).members);
    } catch {
      return []; // not there yet
    } finally {
      await close();
    }
  }
});

/** Beside a model server that is not there: an agent waits for it. */
function agentFlags(name: string): readonly string[] {
  return ['--fleet', 'demo', '--server', name, '--root', join(scratch, name), '--serving', '127.0.0.1:1'];
}
