// What `segue dev` runs. Model servers are processes of their own, as in life; S3, the control worker and the agents are in this one.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { FleetName, ServerName } from '../domain/names';
import { startS3 } from '../testing/s3/server';
import { startAgentWorker } from '../worker/agent-worker';
import { fleetContact } from '../worker/announcer';
import { startChild } from '../worker/child-process';
import { startControlWorker } from '../worker/control-worker';
import { startDevServer } from '../worker/dev-server';
import { connectTemporal, type TemporalConnections } from '../worker/native-connection';
import { installRuntime } from '../worker/process-log';
import { type Running, runningUntil, together, untilStopped } from '../worker/running';
import { resolveTemporalCli } from '../worker/temporal-cli';
import { BUCKET, DEMO_KEYS, type DemoModel, demoModels, MODEL, upload } from './demo/models';
import type { DevPorts } from './dev-ports';
import type { Terminal } from './terminal';

export interface DevOptions {
  readonly ports: DevPorts;
  readonly root?: string;
  readonly json: boolean;
}

const FLEET = 'demo' as FleetName;
const SERVERS = ['edge-a', 'edge-b', 'edge-c'];
const HOST = '127.0.0.1';
/** As the agent needs a model server to be started (DESIGN §6). */
const SIMULATOR_FLAGS = ['--num_load_threads=2', '--num_unload_threads=2', '--max_num_load_retries=0', '--file_system_poll_wait_seconds=1', '--model_config_file_poll_wait_seconds=0'];
/** Ctrl-C at a desk: what is cut off here resumes at the next start or is gone with the directory. */
const GRACE_MS = 1_000;
const LOOK_EVERY_MS = 100;

/** Runs until Ctrl-C, or until a part ends by itself. */
export async function runDev(options: DevOptions, terminal: Terminal): Promise<void> {
  installRuntime({ format: 'text', level: 'WARN' });
  const root = resolve(options.root ?? mkdtempSync(join(tmpdir(), 'segue-dev-')));
  const parts: Running[] = [];
  try {
    const temporal = await startAll(options.ports, root, parts, terminal);
    const whole = together(parts);
    await Promise.race([untilMembers(temporal), whole.ended]);
    terminal.out(options.json ? JSON.stringify(facts(options.ports, root)) : guide(options.ports, root));
    await untilStopped(whole, terminal.err);
  } finally {
    await together(parts).stop();
    if (options.root === undefined) rmSync(root, { recursive: true, force: true });
  }
}

/** Every part is added as soon as it runs: whatever fails later, the caller ends what is there. */
async function startAll(ports: DevPorts, root: string, parts: Running[], terminal: Terminal): Promise<TemporalConnections> {
  const cli = await resolveTemporalCli(terminal.err);
  const dev = await startDevServer({ cli, port: ports.temporal, uiPort: ports.ui });
  parts.push(dev);
  const s3 = await startS3({ port: ports.s3, host: HOST });
  parts.push(until(() => s3.stop()));
  await uploadSamples(s3.url, terminal);
  // The agents' `env` credentials: any key will do here, and none of the person's own shall go anywhere.
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: DEMO_KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: DEMO_KEYS.secretAccessKey });
  delete process.env['AWS_SESSION_TOKEN'];
  const temporal = await connectTemporal(dev.target);
  parts.push(until(() => temporal.close()));
  parts.push(await startControlWorker({ temporal, shutdownGraceMs: GRACE_MS }));
  await Promise.all(ports.simulators.map(async (port, index) => {
    const server = SERVERS[index] ?? `edge-${index}`;
    const serverRoot = join(root, server);
    parts.push(await startSimulator(server, port, serverRoot));
    parts.push(await startAgentWorker({
      fleet: FLEET, server: server as ServerName, root: serverRoot, serving: `${HOST}:${port}`,
      report: terminal.err, connect: () => Promise.resolve(temporal), shutdownGraceMs: GRACE_MS,
    }));
  }));
  return temporal;
}

/** A rollout that came before the servers announced themselves would be refused: this fleet has no members. */
async function untilMembers({ connection, target }: TemporalConnections): Promise<void> {
  const contact = fleetContact(connection, target.namespace, FLEET);
  for (const server of SERVERS) {
    while (typeof await contact.look(server as ServerName).catch(() => 'noFleet') === 'string') await delay(LOOK_EVERY_MS);
  }
}

/** This very program as `segue simulate`; resolves when it listens. */
async function startSimulator(server: string, port: number, root: string): Promise<Running> {
  const bootFile = join(root, 'boot.config');
  mkdirSync(root, { recursive: true });
  if (!existsSync(bootFile)) writeFileSync(bootFile, 'model_config_list {}\n');
  let listens: () => void = () => undefined;
  const listening = new Promise<void>((done) => {
    listens = done;
  });
  const child = await startChild({
    name: `the simulator of ${server}`, command: process.execPath,
    args: [...process.execArgv, join(__dirname, `main${extname(__filename)}`), 'simulate', `--port=${port}`, `--model_config_file=${bootFile}`, ...SIMULATOR_FLAGS],
    graceMs: GRACE_MS,
    onLine: (line) => {
      if (line.includes(`listening on ${HOST}:${port}`)) listens();
    },
  });
  await Promise.race([listening, child.ended]);
  return child;
}

/** half/1 and half/2, in the checkout and in the package; without them the bucket is there and empty. */
async function uploadSamples(endpoint: string, terminal: Terminal): Promise<void> {
  const samples = join(__dirname, '..', '..', 'test', 'data', 'savedmodels');
  if (!existsSync(samples)) {
    terminal.err(`no sample models at ${samples}: the bucket ${BUCKET} is empty`);
    return;
  }
  const { v1, v2 }: { v1: DemoModel; v2: DemoModel } = demoModels(samples);
  await upload(endpoint, [v1, v2]);
}

/** What never ends by itself. */
function until(stop: () => Promise<unknown>): Running {
  let end: () => void = () => undefined;
  const never = new Promise<void>((done) => {
    end = done;
  });
  return runningUntil(never, () => stop().then(end));
}

function facts(ports: DevPorts, root: string): unknown {
  return {
    temporal: `${HOST}:${ports.temporal}`, ui: `http://${HOST}:${ports.ui}`, s3: `http://${HOST}:${ports.s3}`, fleet: FLEET,
    servers: Object.fromEntries(ports.simulators.map((port, index) => [SERVERS[index], { serving: `${HOST}:${port}`, root: join(root, SERVERS[index] ?? '') }])),
  };
}

function guide(ports: DevPorts, root: string): string {
  const address = ports.temporal === 7233 ? '' : ` --address ${HOST}:${ports.temporal}`;
  return `
Temporal   ${HOST}:${ports.temporal}    web page http://${HOST}:${ports.ui}
S3         http://${HOST}:${ports.s3}    bucket ${BUCKET}: ${MODEL}/1/ (x / 2 + 2), ${MODEL}/2/ (x / 2 + 3)
fleet      ${FLEET}: ${SERVERS.map((server, index) => `${server} ${HOST}:${ports.simulators[index]}`).join(', ')}
files      ${root}

Roll out version 1, and follow it:
  temporal workflow start${address} --type rollout --task-queue segue --workflow-id rollout/${FLEET}/${MODEL}/1/ci-1 \\
    --input '{"fleet": "${FLEET}", "model": "${MODEL}", "version": "1", "source": {"uri": "s3://${BUCKET}/${MODEL}/1/", "endpoint": "http://${HOST}:${ports.s3}"}}'
  segue rollout watch${address} rollout/${FLEET}/${MODEL}/1/ci-1

Ctrl-C ends everything.`;
}
