// Traps of the command line (TF Serving reference §11.5, .13, .26; DESIGN §6): servers with wrong flags, as processes of their own, seen by `segue doctor` and by the agent.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../src/cli/run';
import { flagFindings, parseServerFlags } from '../../src/domain/server-flags';
import { captured } from '../cli/captured';
import { removeScratch, scratch } from '../agent/scratch';
import { until } from '../setup/until';
import { HALF_PLUS_THREE } from '../tf-serving/fixture';
import { agentHost, call, closeAll, naiveHost, outcome, POLL_SECONDS, polls, specific, stateOf } from './stage';

const GOOD = ['--num_load_threads=2', '--num_unload_threads=2', '--max_num_load_retries=0', '--file_system_poll_wait_seconds=1', '--model_config_file_poll_wait_seconds=0'];
const children: ChildProcess[] = [];
afterEach(async () => {
  await Promise.all(children.splice(0).map(async (child) => { child.kill('SIGKILL'); if (child.exitCode === null && child.signalCode === null) await once(child, 'close'); }));
  await closeAll();
  await removeScratch();
});

/** A simulator on a socket below a root whose boot file is there. */
async function serverOf(root: string, flags: readonly string[]): Promise<string> {
  mkdirSync(root, { recursive: true });
  const boot = join(root, 'boot.config');
  writeFileSync(boot, 'model_config_list {}');
  const socket = join(root, 's.sock');
  const child = spawn(process.execPath, ['-r', join(__dirname, '../../tools/ts.cjs'), join(__dirname, '../tf-serving/simulate-child.ts'), '--port=0', `--grpc_socket_path=${socket}`, ...(flags.some((one) => one.startsWith('--model_config_file=')) ? [] : [`--model_config_file=${boot}`]), ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => { said += text.toString(); });
  await until(() => said.includes('listening'), 20_000);
  return `unix:${socket}`;
}

interface Report { readonly ok: boolean; readonly findings: readonly { readonly check: string; readonly level: string; readonly what: string; readonly next?: string }[] }

async function doctor(address: string, root: string): Promise<{ code: number; report: Report }> {
  const { code, out } = await captured((terminal) => run(['doctor', address, '--root', root, '--no-temporal', '-o', 'json'], terminal));
  return { code, report: JSON.parse(out) as Report };
}

test('a server as Segue asks for is found well, by its own command line', async () => {
  const root = await scratch();
  const { code, report } = await doctor(await serverOf(root, GOOD), root);
  expect(report.findings.filter((one) => one.level === 'problem')).toEqual([]);
  expect(report.findings.some((one) => one.check === 'flags' && one.level === 'ok')).toBe(true);
  expect([code, report.ok]).toEqual([0, true]);
});

test('wrong flags are refused one by one, each with its remedy, and the exit code says so', async () => {
  const root = await scratch();
  const { code, report } = await doctor(await serverOf(root, ['--max_num_load_retries=3', '--model_config_file_poll_wait_seconds=7']), root);
  const flags = report.findings.filter((one) => one.check === 'flags');
  expect(flags.map((one) => one.what.split(',')[0])).toEqual([
    '--model_config_file_poll_wait_seconds is 7', '--num_load_threads is 0', '--num_unload_threads is 0', '--max_num_load_retries is 3',
  ]);
  expect(flags.map((one) => one.next?.split(' … ')[1])).toEqual(['--model_config_file_poll_wait_seconds=0', '--num_load_threads=2', '--num_unload_threads=2', '--max_num_load_retries=0']);
  expect([code, report.ok]).toEqual([8, false]);
});

test('26, naive: the file takes back what the reload gave', async () => {
  const at = naiveHost();
  at.stage('half', '1');
  at.stage('half', '2', HALF_PLUS_THREE);
  writeFileSync(join(at.root, 'models.config'), at.list({ half: specific(1) }));
  await at.start({ modelConfigFile: join(at.root, 'models.config'), modelConfigFilePollWaitSeconds: 0.6, fileSystemPollWaitSeconds: POLL_SECONDS });
  await at.reload(at.list({ half: specific(1, 2) }));
  await until(() => stateOf(at, 2) === 'AVAILABLE');
  await until(() => stateOf(at, 2) === 'END');
});

test.each([['26: takes its list from the file', '--model_config_file_poll_wait_seconds=5'], ['5: never looks for versions', '--file_system_poll_wait_seconds=0'], ['13: has no load threads, so that no load can be stopped', '--num_load_threads=0']])('agent: a server that %s is not touched, and the flag is named', async (_why, flag) => {
  const world = await agentHost();
  await world.simulator?.stop();
  await world.the.close();
  const address = await serverOf(join(world.root), [...GOOD, flag]);
  await world.startAgent({ serving: address });
  const refused = await outcome(world.the.beginAttempt(await world.attempt('1', [1, 1]), call()));
  expect(refused).toMatchObject({ code: 'ReloadRejected', detail: { flag: flag.split('=')[0] }, message: expect.stringContaining('want') as string });
  await polls(2);
  expect(world.dir('staging')).toEqual([]);
});

test.each([
  [['--port=8500', ...GOOD, '--model_config_file=/r/boot.config'], []],
  [['--port', '8500', '--num_load_threads', '2', ...GOOD, '--model_config_file=/r/boot.config'], []],
  [['--port=8500', ...GOOD], ['--model_config_file']],
  [['--port=8500', ...GOOD, '--model_config_file=/elsewhere'], ['--model_config_file']],
  [['--port=8500', '--model_config_file=/r/boot.config', ...GOOD, '--num_load_threads=1'], ['--num_load_threads']],
  [['--port=8500', '--model_config_file=/r/boot.config', ...GOOD, '--file_system_poll_wait_seconds=30'], ['--file_system_poll_wait_seconds']],
  [['--port=8500', '--model_config_file=/r/boot.config', ...GOOD, '--file_system_poll_wait_seconds=-1'], ['--file_system_poll_wait_seconds']],
])('%j', (argv, wrong) => {
  const flags = parseServerFlags(argv);
  expect(flags === undefined ? 'no server' : flagFindings(flags, '/r/boot.config').map((one) => one.flag)).toEqual(wrong);
});

test('a command line that is no model server\'s is not judged', () => expect(parseServerFlags(['node', 'jest', '--maxWorkers=2'])).toBeUndefined());
