import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { ModelService } from '../../src/proto/gen/tensorflow_serving/apis/model_service_pb';
import { callUnary } from '../../src/serving/rpc';
import { parseFlags } from '../../src/testing/tf-serving/flags';
import { runSimulator } from '../../src/testing/tf-serving/main';
import { failure, Fixture } from './fixture';

let fixture: Fixture;
const children: ChildProcess[] = [];
beforeEach(() => { fixture = new Fixture(); });
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await fixture.close();
});

interface Run {
  readonly lines: string[];
  /** Resolves when a line contains the text; fails when the output ends before. */
  line(text: string): Promise<string>;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  kill(signal: NodeJS.Signals): void;
}

/** The simulator as its own process. */
function simulate(...flags: string[]): Run {
  const child = spawn(process.execPath, ['-r', join(__dirname, '../../tools/ts.cjs'), join(__dirname, 'simulate-child.ts'), ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let open = true;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      lines.push(...text.split('\n').filter(Boolean));
      for (const check of waiting) check();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => {
    open = false;
    for (const check of waiting) check();
    return { code: code as number | null, signal: signal as string | null };
  });
  const line = (text: string): Promise<string> => new Promise((resolve, reject) => {
    const check = (): void => {
      const found = lines.find((one) => one.includes(text));
      if (found !== undefined) resolve(found);
      else if (!open) reject(new Error(`ended without "${text}":\n${lines.join('\n')}`));
      else return;
      waiting.delete(check);
    };
    waiting.add(check);
    check();
  });
  return { lines, line, ended, kill: (signal) => child.kill(signal) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function client(port: number): Client {
  return new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
}

const status = (to: Client, model: string, deadlineMs = 5_000): Promise<string> => failure(callUnary(to, ModelService.method.getModelStatus, { modelSpec: { name: model } }, { deadlineMs }));

test('as a process: unknown flags are named and ignored, the port stays closed until the first models are up, SIGTERM ends it at once', async () => {
  fixture.stage('half', '1');
  const port = await freePort();
  const run = simulate(`--port=${port}`, '--model_name', 'half', `--model_base_path=${fixture.root}/half`, '--file_system_poll_wait_seconds=1', '--segue_load_ms=half:1:700', '--no_such_flag=3', '--segue_stats_port=0');
  await run.line('unknown argument: --no_such_flag=3');
  const caller = client(port);
  expect(await status(caller, 'half', 200)).toMatch(/^(UNAVAILABLE|DEADLINE_EXCEEDED)/);
  caller.close();
  expect(await run.line('listening')).toBe(`[segue simulator] listening on 127.0.0.1:${port}`);
  expect(run.lines[run.lines.findIndex((line) => line.includes('not the real server'))]).toContain('segue simulator');
  const later = client(port);
  expect(await status(later, 'half')).toBe('OK');
  const statsUrl = /http:\S+/.exec(await run.line('stats on'))?.[0] ?? '';
  expect(await (await fetch(statsUrl)).json()).toMatchObject({ predictions: { received: 0 } });
  run.kill('SIGTERM');
  expect(await run.ended).toEqual({ code: null, signal: 'SIGTERM' });
  later.close();
}, 30_000);

test('a first model that does not load ends the process with 255 and the text', async () => {
  mkdirSync(join(fixture.root, 'half', '1'), { recursive: true });
  const run = simulate(`--port=${await freePort()}`, '--model_name=half', `--model_base_path=${fixture.root}/half`, '--max_num_load_retries=0');
  expect(await run.ended).toEqual({ code: 255, signal: null });
  expect(run.lines.join('\n').replaceAll(fixture.root, '/models')).toContain('Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: {{{name: half version: 1} due to error: NOT_FOUND: Specified file path does not appear to contain a SavedModel bundle');
}, 30_000);

describe('refusals', () => {
  const refused = async (...argv: string[]): Promise<[number, string]> => {
    const lines: string[] = [];
    const code = await runSimulator(argv, { out: (line) => lines.push(line), err: (line) => lines.push(line) });
    return [code, (lines.at(-1) ?? '').split('\n')[0] ?? ''];
  };

  test('no port and no socket; neither model nor list; a list that does not parse; a list that is not there', async () => {
    const file = join(fixture.root, 'models.config');
    writeFileSync(file, 'improperly formatted file');
    expect(await refused('--port=0', '--model_base_path=/x')).toEqual([255, 'Failed to start server. Error: INVALID_ARGUMENT: At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.']);
    expect(await refused('--port=8500')).toEqual([255, 'Failed to start server. Error: INVALID_ARGUMENT: Both server_options.model_base_path and server_options.model_config_file are empty!']);
    expect(await refused(`--model_config_file=${file}`)).toEqual([255, `Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '${file}'`]);
    expect(await refused(`--model_config_file=${file}.none`)).toEqual([255, `Failed to start server. Error: NOT_FOUND: ${file}.none; No such file or directory`]);
  });

  test('a port that is taken', async () => {
    await fixture.start();
    const file = join(fixture.root, 'models.config');
    writeFileSync(file, 'model_config_list {}');
    expect(await refused(`--port=${fixture.simulator.port}`, `--model_config_file=${file}`)).toEqual([255, 'Failed to start server. Error: INVALID_ARGUMENT: Failed to BuildAndStart gRPC server']);
  });

  test('a value that cannot be read', async () => {
    expect(await refused('--port=many')).toEqual([255, "Couldn't interpret value many for flag port."]);
    expect(await refused('--segue_load_ms=half:x:5')).toEqual([255, '--segue_load_ms wants [MODEL:[VERSION:]]MS; found half:x:5']);
    expect(await refused('--segue_fault=load:half:1:NOPE')).toEqual([255, '--segue_fault wants estimate|load|predict:MODEL:VERSION:CODE[:TIMES], CODE such as NOT_FOUND; found load:half:1:NOPE']);
  });
});

describe('flags', () => {
  const parsed = (...argv: string[]) => {
    const flags = parseFlags(argv);
    if ('error' in flags) throw new Error(flags.error);
    return flags;
  };

  test('defaults are the stock ones', () => {
    expect(parsed().settings).toMatchObject({
      port: 8500, numLoadThreads: 0, numUnloadThreads: 0, maxNumLoadRetries: 5, loadRetryIntervalMicros: 60_000_000, fileSystemPollWaitSeconds: 1, modelName: 'default',
      modelConfigFilePollWaitSeconds: 0, allowVersionLabelsForUnavailableModels: false, enableModelWarmup: true, enableGrpcHealthcheckService: false, savedModelTags: 'serve',
    });
    expect(parsed().settings).not.toHaveProperty('restPort');
    expect(parsed().settings).not.toHaveProperty('socketPath');
  });

  test('--flag=value, --flag value, and --flag for a boolean', () => {
    const { settings, unknown } = parsed('--port=1234', '--rest_api_port', '5678', '--allow_version_labels_for_unavailable_models', '--enable_model_warmup=false', '--grpc_socket_path=/tmp/s', '--port=0');
    expect(settings).toMatchObject({ restPort: 5678, allowVersionLabelsForUnavailableModels: true, enableModelWarmup: false, socketPath: '/tmp/s' });
    expect(settings).not.toHaveProperty('port'); // 0 is no TCP, and the last one wins.
    expect(unknown).toEqual([]);
  });

  test('what a stock binary takes and a simulator has no use for is accepted; the rest is unknown', () => {
    expect(parsed('--tensorflow_session_parallelism=4', '--flush_filesystem_caches=true', '--per_process_gpu_memory_fraction=0.5', '--rest_api_num_threads=8').unknown).toEqual([]);
    expect(parsed('--ssl_config_file=/x', '--port=1').notSimulated).toEqual(['ssl_config_file']);
    expect(parsed('--reload', 'x', '-p').unknown).toEqual(['--reload', 'x', '-p']);
  });

  test('our own say whom they are about', () => {
    const { delays, errors } = parsed('--segue_load_ms=100', '--segue_load_ms=half:2:300', '--segue_predict_ms=half:50', '--segue_fault=load:half:*:NOT_FOUND:1');
    expect(delays).toEqual([{ what: 'load', ms: 100 }, { what: 'load', model: 'half', version: 2n, ms: 300 }, { what: 'predict', model: 'half', ms: 50 }]);
    expect(errors).toEqual([{ what: 'load', model: 'half', code: 'NOT_FOUND', times: 1 }]);
  });
});

test('an empty list opens the port at once; an empty file does too, and then the first list takes the start-up path (s017)', async () => {
  for (const text of ['model_config_list {}', '']) {
    const modelConfigFile = join(fixture.root, 'models.config');
    writeFileSync(modelConfigFile, text);
    mkdirSync(join(fixture.root, 'a', '1'), { recursive: true });
    await fixture.start({ modelConfigFile, fileSystemPollWaitSeconds: 0.05 });
    const noun = text === '' ? 'servable' : 'model';
    expect(await failure(fixture.reload(fixture.list({ a: '' })))).toMatch(new RegExp(`^UNKNOWN: 1 ${noun}\\(s\\) did not become available`));
    await fixture.simulator.stop();
  }
});
