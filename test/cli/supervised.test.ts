// An agent that runs its model server as its child: one unit, whose parts start, die and end together.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ModelName } from '../../src/domain/names';
import { ServingClient } from '../../src/serving/client';
import { superviseServer, type SupervisedServer } from '../../src/worker/supervised-server';
import { until } from '../setup/until';
import { startSegue } from './segue-process';

const scratch = mkdtempSync(join(tmpdir(), 'segue-supervised-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const root = resolve(__dirname, '../..');
const simulate = (socket: string, bootFile: string): readonly string[] => [
  process.execPath, '-r', join(root, 'tools/ts.cjs'), join(root, 'src/cli/main.ts'), 'simulate', '--port=0', `--grpc_socket_path=${socket}`, `--model_config_file=${bootFile}`,
  '--num_load_threads=2', '--num_unload_threads=2', '--max_num_load_retries=0', '--file_system_poll_wait_seconds=1', '--model_config_file_poll_wait_seconds=0',
];
const isAlive = (pid: number): boolean => { try { process.kill(pid, 0); return true; } catch { return false; } };

async function answers(socket: string): Promise<boolean> {
  const client = new ServingClient(`unix:${socket}`);
  try { return await client.status('ping' as ModelName, { deadlineMs: 500 }) === 'unknown model'; } catch { return false; } finally { client.close(); }
}

test('the agent starts the server after the boot file is there, starts it again when it is killed, and ends it with itself', async () => {
  const socket = join(scratch, 'one.sock');
  const flags = ['--fleet', 'demo', '--server', 'one', '--root', join(scratch, 'one'), '--serving', `unix:${socket}`, '--held-drain', 'restart', '--held-drain-after', '5'];
  const agent = startSegue(['agent', ...flags, '--', ...simulate(socket, join(scratch, 'one/boot.config'))], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
  await until(() => answers(socket), 30_000);
  const pid = childOf(agent.child.pid ?? 0);
  process.kill(pid, 'SIGKILL');
  await agent.said('started again in 500 ms');
  await until(() => answers(socket), 30_000);
  const second = childOf(agent.child.pid ?? 0);
  expect(second).not.toBe(pid);
  agent.child.kill('SIGTERM');
  await agent.ended;
  await until(() => !isAlive(second));
}, 60_000);

test('kill -9 of the agent leaves no server without its agent', async () => {
  const socket = join(scratch, 'two.sock');
  const agent = startSegue(['agent', '--fleet', 'demo', '--server', 'two', '--root', join(scratch, 'two'), '--serving', `unix:${socket}`, '--', ...simulate(socket, join(scratch, 'two/boot.config'))], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
  await until(() => answers(socket), 30_000);
  const pid = childOf(agent.child.pid ?? 0);
  agent.child.kill('SIGKILL');
  await until(() => !isAlive(pid));
}, 60_000);

describe('restarted on purpose', () => {
  let server: SupervisedServer | undefined;
  afterEach(() => server?.stop());
  test('the old process is gone before the call ends, and two calls at once restart it once', async () => {
    const said: string[] = [];
    server = await superviseServer({ command: ['/bin/sh', '-c', 'echo up; exec sleep 1000'], report: (line) => said.push(line), onLine: (line) => said.push(line) });
    await until(() => said.includes('up'));
    const first = server.pid ?? 0;
    await Promise.all([server.restart('held'), server.restart('held')]);
    expect(isAlive(first)).toBe(false);
    expect(server.pid).not.toBe(first);
    expect(said.filter((line) => line.includes('is restarted: held'))).toHaveLength(1);
  });
  test('one that dies at once is started again, later each time', async () => {
    const said: string[] = [];
    server = await superviseServer({ command: ['/bin/sh', '-c', 'exit 3'], report: (line) => said.push(line), onLine: () => undefined });
    await until(() => said.length === 2);
    expect(said).toEqual([expect.stringContaining('ended by itself (code 3)'), expect.stringContaining('in 1000 ms')]);
  });
});

test.each([
  ['a policy that restarts what nobody runs', ['--held-drain', 'restart'], /--held-drain restart: nobody here can start the model server again; give its command after --/],
  ['a program that is not there', ['--', '/no/such/server'], /\/no\/such\/server: cannot be started.*ENOENT/],
])('%s is refused at the start, with what to do', async (_what, more, message) => {
  const name = more.join('').replace(/\W/g, '');
  const agent = startSegue(['agent', '--fleet', 'demo', '--server', name, '--root', join(scratch, name), '--serving', '127.0.0.1:1', ...more], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
  expect(await agent.ended).toBe(3);
  expect(agent.output()).toMatch(message);
}, 30_000);

/** The one process below the agent that is a model server. */
function childOf(parent: number): number {
  const lines = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(parent)], { encoding: 'utf8' }).split('\n').filter((line) => line.includes('simulate'));
  return Number(lines[0]?.trim().split(' ')[0]);
}
