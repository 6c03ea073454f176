// One agent per root. The kernel lets go when the process dies, however it dies; nothing on the disk can be left over (DESIGN §5).

import { createHash } from 'node:crypto';
import { open, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail } from '../domain/failures';
import { isMissing } from './disk-failure';

export interface StoreLock {
  /** Where the root is another directory by now, that one is held too from here on; where it is gone, nothing is. Fails with StoreBusy where somebody else holds it. */
  follow(): Promise<void>;
  release(): Promise<void>;
}

interface Held {
  release(): Promise<void>;
}

const askHolderMs = 1_000; // For the error text only.

/**
 * Holds `root`, or fails with StoreBusy naming the holder's pid. The directory is known by device and inode, so another path to it is the same lock.
 * On Linux the lock is a name in the abstract socket namespace, which belongs to a network namespace: agents in two containers are not kept apart by it.
 */
export async function lockStore(root: string): Promise<StoreLock> {
  const held = [await holdDirectory(root)];
  return {
    follow: async () => {
      const now = await identityAt(root);
      if (now !== undefined && !held.some(({ identity }) => identity === now)) held.push(await holdDirectory(root));
    },
    release: async () => { for (const one of held.splice(0)) await one.release(); },
  };
}

/** Kept open: while it is, no other directory is given its inode, whatever becomes of its name. */
async function holdDirectory(root: string): Promise<Held & { readonly identity: string }> {
  const directory = await open(root, 'r');
  try {
    const identity = identityOf(await directory.stat({ bigint: true }));
    const name = `segue-agent-${createHash('sha256').update(identity).digest('hex').slice(0, 32)}`;
    const lock = await (process.platform === 'linux' ? hold(`\0${name}`, root) : holdFile(join(tmpdir(), `${name}.sock`), root));
    return { identity, release: async () => { await lock.release(); await directory.close(); } };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

async function identityAt(root: string): Promise<string | undefined> {
  try {
    return identityOf(await stat(root, { bigint: true }));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function identityOf({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${dev}:${ino}`;
}

async function hold(path: string, root: string): Promise<Held> {
  const server = await listen(path);
  if (server === 'taken') {
    const pid = await askHolder(path);
    throw fail('StoreBusy', `lock ${root}: held by another agent, pid ${pid ?? 'unknown'}; one agent per root`, { root, pid: pid ?? 'unknown' });
  }
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** Without abstract names: a socket file. Nobody answering on it means that its holder died. Two agents that start in the same instant can both win: for development machines. */
export async function holdFile(path: string, root: string): Promise<Held> {
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
