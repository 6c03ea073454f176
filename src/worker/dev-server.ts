// Temporal's own development server as a child of ours: on loopback, with our search attributes, and fast enough that seven activities take 0.1 s.

import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from './child-process';
import { startChild } from './child-process';
import type { ConnectedClient, TemporalTarget } from './connection';
import { connectClient, DEFAULT_NAMESPACE } from './connection';
import { errorText } from './error-text';
import { freePorts, isFree } from './free-port';
import { NoTemporalError } from './no-temporal';
import type { Running } from './running';
import { SEARCH_ATTRIBUTES } from './search-attributes';

export interface DevServerOptions {
  /** Path of the temporal program: `resolveTemporalCli()`. */
  readonly cli: string;
  /** Loopback ports; absent: free ones. */
  readonly port?: number;
  readonly uiPort?: number;
  /** Without the web page; then there is no uiPort. */
  readonly headless?: boolean;
  /** Keeps what happened in this file; absent: in memory, gone with the server. */
  readonly dbFile?: string;
  /** Created beside `default`. */
  readonly namespaces?: readonly string[];
}

export interface DevServer extends Running {
  readonly address: string;
  readonly target: TemporalTarget;
  readonly uiUrl?: string;
  readonly pid: number;
}

const HOST = '127.0.0.1';
/** It answers within about 3 s on two cores (Temporal reference §9); ten times that is a machine in trouble. */
const READY_DEADLINE_MS = 60_000;
const LOOK_EVERY_MS = 50;

/** Starts it and resolves when it answers and knows our attributes. It ends with `stop`, and with this process however that ends. */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const [freePort, freeUiPort] = await freePorts(2);
  const port = options.port ?? freePort;
  const uiPort = options.uiPort ?? freeUiPort;
  // Asked before: a server that is there already would answer in place of ours, and ours would be gone a moment later.
  for (const wanted of [port, ...(options.headless === true ? [] : [uiPort])]) {
    if (!(await isFree(wanted))) throw new NoTemporalError(`the Temporal dev server cannot have port ${wanted}: something listens there already`);
  }
  const child = await startChild({
    name: 'the Temporal dev server', command: options.cli, args: devServerArgs(options, port, uiPort),
    // In memory there is nothing to save, and its graceful end takes a second.
    ...(options.dbFile === undefined ? { graceMs: 0 } : {}),
  });
  const target: TemporalTarget = { address: `${HOST}:${port}`, namespace: DEFAULT_NAMESPACE, connection: {} };
  try {
    await Promise.race([untilReady(target), child.ended]);
  } catch (error) {
    await child.stop();
    throw startFailure(target, child, error);
  }
  return {
    address: target.address, target, pid: child.pid, ended: child.ended, stop: child.stop,
    ...(options.headless === true ? {} : { uiUrl: `http://${HOST}:${uiPort}` }),
  };
}

export function devServerArgs(options: DevServerOptions, port: number, uiPort: number): readonly string[] {
  return [
    'server', 'start-dev', '--ip', HOST, '--port', String(port),
    ...(options.headless === true ? ['--headless'] : ['--ui-port', String(uiPort)]),
    '--log-level', 'error',
    // One shard and 20 task reads a second by default: every activity would cost 100 ms whatever it does (Temporal reference §9).
    '--dynamic-config-value', 'history.transferProcessorMaxPollRPS=2000',
    ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ...(options.dbFile === undefined ? [] : ['--db-filename', options.dbFile]),
    ...(options.namespaces ?? []).flatMap((name) => ['--namespace', name]),
  ];
}

async function untilReady(target: TemporalTarget): Promise<void> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  for (;;) {
    const why = await reasonNotReady(target);
    if (why === undefined) return;
    if (Date.now() > deadline) throw new Error(`not ready after ${READY_DEADLINE_MS / 1000} s: ${why}`);
    await delay(LOOK_EVERY_MS);
  }
}

async function reasonNotReady(target: TemporalTarget): Promise<string | undefined> {
  let connected: ConnectedClient | undefined;
  try {
    connected = await connectClient(target, 1_000);
    const { customAttributes } = await connected.connection.operatorService.listSearchAttributes({ namespace: target.namespace });
    const missing = SEARCH_ATTRIBUTES.filter((name) => customAttributes?.[name] === undefined);
    return missing.length === 0 ? undefined : `no search attribute ${missing.join(', ')} yet`;
  } catch (error) {
    return errorText(error);
  } finally {
    await connected?.close();
  }
}

function startFailure(target: TemporalTarget, child: Child, error: unknown): NoTemporalError {
  const why = errorText(error);
  const said = why.includes(child.lastLines()) ? '' : `\nIt said last:\n${child.lastLines()}`;
  return new NoTemporalError(`the Temporal dev server did not come up at ${target.address}: ${why}${said}`, { cause: error });
}
