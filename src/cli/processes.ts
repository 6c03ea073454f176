// The verbs that keep running: set the process up, connect, start, and run until SIGTERM, SIGINT or a failure of their own.

import type { LogLevel } from '@temporalio/common';
import { setTimeout as delay } from 'node:timers/promises';
import { startAgentWorker } from '../worker/agent-worker';
import { startBoth } from '../worker/both';
import { startControlWorker } from '../worker/control-worker';
import { connectTemporal, type TemporalConnections } from '../worker/native-connection';
import { NoTemporalError } from '../worker/no-temporal';
import { installRuntime } from '../worker/process-log';
import { type Running, untilStopped } from '../worker/running';
import { type AgentFlags, agentOptions } from './agent-flags';
import type { ProcessFlags } from './process-flags';
import { targetOf } from './temporal-flags';
import type { Terminal } from './terminal';

export async function runControl(flags: ProcessFlags, terminal: Terminal): Promise<void> {
  setUp(flags);
  const temporal = await connectTemporal(targetOf(flags));
  await runWith(temporal, flags, terminal, 'control worker polls task queue segue', () => startControlWorker({ temporal }));
}

export async function runUp(flags: AgentFlags & ProcessFlags, server: readonly string[], terminal: Terminal): Promise<void> {
  setUp(flags);
  const temporal = await connectTemporal(targetOf(flags));
  await runWith(temporal, flags, terminal, `control worker and agent of ${flags.fleet}/${flags.server} poll`, () => startBoth({ ...agentOptions(flags, server), temporal, report: terminal.err }));
}

/** The agent comes first and Temporal second: what was promoted must not wait for it. */
export async function runAgent(flags: AgentFlags & ProcessFlags, server: readonly string[], terminal: Terminal): Promise<void> {
  setUp(flags);
  let temporal: TemporalConnections | undefined;
  const connect = async (): Promise<TemporalConnections> => (temporal = await connectWhenThere(flags, terminal));
  try {
    const running = await startAgentWorker({ ...agentOptions(flags, server), report: terminal.err, connect });
    terminal.err(ready(`agent of ${flags.fleet}/${flags.server} polls task queue segue/${flags.fleet}/${flags.server}`, flags));
    await untilStopped(running, terminal.err);
  } finally {
    await temporal?.close();
  }
}

function setUp({ logFormat, logLevel, metrics }: ProcessFlags): void {
  installRuntime({ format: logFormat, level: logLevel.toUpperCase() as LogLevel, ...(metrics === undefined ? {} : { metricsAddress: metrics }) });
}

async function runWith(temporal: TemporalConnections, flags: ProcessFlags, terminal: Terminal, what: string, start: () => Promise<Running>): Promise<void> {
  try {
    const running = await start();
    terminal.err(ready(what, flags));
    await untilStopped(running, terminal.err);
  } finally {
    await temporal.close();
  }
}

function ready(what: string, flags: ProcessFlags): string {
  const { address, namespace } = targetOf(flags);
  return `${what}; Temporal at ${address}, namespace ${namespace}. Ctrl-C ends it.`;
}

const TRY_EVERY_MS = 5_000;

async function connectWhenThere(flags: ProcessFlags, terminal: Terminal): Promise<TemporalConnections> {
  const target = targetOf(flags);
  for (;;) {
    try {
      return await connectTemporal(target);
    } catch (error) {
      if (!(error instanceof NoTemporalError)) throw error;
      terminal.err(`${error.message.split('\n')[0]}; trying again every ${TRY_EVERY_MS / 1000} s`);
    }
    await delay(TRY_EVERY_MS);
  }
}
