// One run of the demo: starts the parts, plays the scenario, ends every part whatever happened, and says what held.

import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectClient } from '../../worker/connection';
import { resolveTemporalCli } from '../../worker/temporal-cli';
import type { Terminal } from '../terminal';
import type { Facts } from './facts';
import { SERVERS, startFleet, type FleetOfProcesses } from './fleet-of-processes';
import { jsonOf, tableOf, type Say } from './report';
import { rolloutsBy } from './rollout-commands';
import { runScenario } from './scenario';
import { temporalCommand } from './temporal-command';
import { allHold, verdictsOf } from './verdicts';

export interface DemoFlags {
  readonly json?: true;
  readonly keep?: true;
}

/** True when every verdict holds. */
export async function runDemo({ json, keep }: DemoFlags, terminal: Terminal): Promise<boolean> {
  const beganMs = performance.now();
  const say: Say = json === true ? terminal.err : terminal.out;
  const facts: Facts = { servers: SERVERS };
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'segue-demo-')));
  const interrupted = interruption();
  let fleet: FleetOfProcesses | undefined;
  try {
    await act(facts, { root, say, signal: interrupted.signal, breakOff: interrupted.breakOff, started: (one) => { fleet = one; } });
  } catch (error) {
    facts.broke = error instanceof Error ? error.message : String(error);
  } finally {
    await fleet?.stop();
    if (keep !== true) rmSync(root, { recursive: true, force: true });
    interrupted.done();
  }
  if (fleet !== undefined) facts.leftRunning = fleet.pids.filter(isThere);
  const verdicts = verdictsOf(facts);
  const seconds = Math.round((performance.now() - beganMs) / 100) / 10;
  say(`\n${tableOf(facts, verdicts)}\n`);
  if (keep === true) say(`kept: ${root}`);
  say(allHold(verdicts, facts) ? `Every verdict holds (${seconds} s).` : `NOT every verdict holds (${seconds} s).${facts.broke === undefined ? '' : ` It broke off: ${facts.broke}`}`);
  if (json === true) terminal.out(jsonOf(facts, verdicts, { seconds }));
  return allHold(verdicts, facts);
}

interface Acting {
  readonly root: string;
  readonly say: Say;
  readonly signal: AbortSignal;
  /** Aborts the signal. */
  readonly breakOff: (reason: unknown) => void;
  /** Told as soon as there is something to stop. */
  readonly started: (fleet: FleetOfProcesses) => void;
}

async function act(facts: Facts, { root, say, signal, breakOff, started }: Acting): Promise<void> {
  const samples = samplesDirectory();
  const env = ownEnvironment(root);
  const cli = await resolveTemporalCli((line) => say(line));
  say('0. Starting a Temporal dev server, two S3 endpoints, a control worker, three model servers and their agents.');
  const fleet = await startFleet({ cli, root, env });
  started(fleet);
  say(`   Temporal UI: ${fleet.temporal.uiUrl}\n   temporal program: ${cli}\n\n$ export TEMPORAL_ADDRESS=${fleet.temporal.address}`);
  const connected = await connectClient(fleet.temporal.target);
  try {
    const temporal = temporalCommand({ cli, env: { ...process.env, ...env }, say, signal });
    fleet.failed.catch((error: unknown) => breakOff(error));
    await orBrokenOff(runScenario({ fleet, client: connected.client, rollouts: rolloutsBy(temporal), samples, say, signal, facts }), signal);
  } finally {
    await connected.close();
  }
}

/** Nothing of the caller's Temporal or AWS settings may reach a part of the demo: all of it talks to loopback only. */
function ownEnvironment(root: string): Record<string, string> {
  for (const name of Object.keys(process.env)) {
    if (/^(TEMPORAL|AWS)_/.test(name)) delete process.env[name];
  }
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'; // of no use in the middle of a story
  const configFile = join(root, 'temporal.toml');
  writeFileSync(configFile, '[profile.default]\n'); // envconfig does not read an empty file
  return { TEMPORAL_NAMESPACE: 'default', TEMPORAL_CONFIG_FILE: configFile };
}

/** TensorFlow Serving's own test models; they come with the source, not with the package. */
function samplesDirectory(): string {
  const directory = join(__dirname, '../../../test/data/savedmodels');
  if (!existsSync(directory)) throw new Error(`the demo rolls out the sample models of the source tree, and ${directory} is not there: run it in a checkout`);
  return directory;
}

/** Every wait of the scenario ends with the signal; this does not wait even for that. */
function orBrokenOff<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const breakOff = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', breakOff, { once: true });
    if (signal.aborted) breakOff();
    work.then(resolve, reject);
  });
}

interface Interruption {
  readonly signal: AbortSignal;
  readonly breakOff: (reason: unknown) => void;
  readonly done: () => void;
}

/** The first Ctrl-C ends the demo with everything it started; a second one ends this process at once, and the kernel's pipes end the rest. */
function interruption(): Interruption {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Error(`${name}: ended before its end`));
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    breakOff: (reason) => controller.abort(reason),
    done: () => { process.off('SIGINT', onSignal).off('SIGTERM', onSignal); },
  };
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
