// Programs that tests run as servers: where they are kept, and when they listen.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server listens within seconds; this is for a machine that is busy with everything else. */
const START_TIMEOUT_MS = 60_000;

export function cacheDirectory(name: string): string {
  const ours = process.env['SEGUE_CACHE_DIR'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'segue');
  return join(ours, name);
}

export function onPath(name: string): readonly string[] {
  return (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name));
}

export async function executable(path: string): Promise<boolean> {
  return existsSync(path) && access(path, constants.X_OK).then(() => true, () => false);
}

/** Until `ready` says so. Throws with what it wrote on stderr, where it ends before. */
export async function answering(name: string, child: ChildProcess, ready: () => Promise<boolean>): Promise<void> {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString('utf8')).slice(-4_000)));
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${name} ended with ${code}: ${said.trim()}`)));
  });
  failed.catch(() => undefined);
  for (const until = Date.now() + START_TIMEOUT_MS; Date.now() < until; ) {
    if (await Promise.race([ready(), failed])) return;
    await sleep(20);
  }
  throw new Error(`${name} did not answer within ${START_TIMEOUT_MS} ms: ${said.trim()}`);
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

export async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
