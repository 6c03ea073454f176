// A program run as a server, on a folder of its own: when it answers, and that nothing of it is left.

import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until';

/** A server listens within seconds; this is for a machine that is busy with everything else. */
const START_TIMEOUT_MS = 60_000;

export interface ServerProcess {
  /** Ends the process and removes its folder. */
  readonly stop: () => Promise<void>;
}

/** Until `ready` says so. Throws with what it wrote on stderr, where it ends before. */
export async function startServerProcess(name: string, binary: string, argsFor: (root: string) => Promise<readonly string[]> | readonly string[], ready: () => Promise<boolean>, env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  const root = await mkdtemp(join(tmpdir(), `segue-${name}-`));
  const child = spawn(binary, [...await argsFor(root)], { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] } satisfies SpawnOptions);
  const stop = async (): Promise<void> => {
    await killed(child);
    await rm(root, { recursive: true, force: true });
  };
  try {
    await answering(name, child, ready);
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

async function answering(name: string, child: ChildProcess, ready: () => Promise<boolean>): Promise<void> {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString('utf8')).slice(-4_000)));
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}: ${said.trim()}`)));
  });
  failed.catch(() => undefined);
  await until(() => Promise.race([ready(), failed]), START_TIMEOUT_MS);
}

/** Does somebody listen on this port of the loopback? */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
