// One agent per root. The kernel lets go when the process dies, however it dies; nothing on the disk can be left over (DESIGN §5).

import { createHash } from 'node:crypto';
import { stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../domain/failures';

export interface StoreLock {
  release(): Promise<void>;
}

const askHolderMs = 1_000; // For the error text only.

/**
 * Holds `root`, or fails with StoreBusy naming the holder's pid. The directory is known by device and inode, so another path to it is the same lock.
 * On Linux the lock is a name in the abstract socket namespace, which belongs to a network namespace: agents in two containers are not kept apart by it.
 */
export async function lockStore(root: string): Promise<StoreLock> {
  const { dev, ino } = await stat(root, { bigint: true });
  const name = `segue-agent-${createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32)}`;
  return process.platform === 'linux' ? hold(`\0${name}`, root) : holdFile(join(tmpdir(), `${name}.sock`), root);
}

async function hold(path: string, root: string): Promise<StoreLock> {
  const server = await listen(path);
  if (server === 'taken') {
    const pid = await askHolder(path);
    throw fail('StoreBusy', `lock ${root}: held by another agent, pid ${pid ?? 'unknown'}; one agent per root`, { root, pid: pid ?? 'unknown' });
  }
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** Without abstract names: a socket file. Nobody answering on it means that its holder died. Two agents that start in the same instant can both win: for development machines. */
export async function holdFile(path: string, root: string): Promise<StoreLock> {
  if (await askHolder(path) === undefined) await unlink(path).catch(() => undefined); // Not there, or gone since: listening decides.
  return hold(path, root);
}

function listen(path: string): Promise<Server | 'taken'> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => { socket.on('error', () => undefined); socket.end(`${process.pid}\n`); });
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve('taken') : reject(error)));
    server.listen({ path }, () => { server.unref(); resolve(server); });
  });
}

function askHolder(path: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ path });
    const answer = (): void => { socket.destroy(); resolve(/^\d+\n$/.test(text) ? Number(text) : undefined); };
    socket.setTimeout(askHolderMs, answer);
    socket.on('data', (chunk) => { text += chunk.toString(); });
    socket.on('end', answer);
    socket.on('error', answer);
  });
}
