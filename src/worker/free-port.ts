// Loopback TCP ports: free ones to take, and who is in the way of a wanted one.

import type { Server } from 'node:net';
import { createServer } from 'node:net';

const HOST = '127.0.0.1';

/** Distinct ports that were free a moment ago: all are held before any is given up. */
export async function freePorts(count: number): Promise<readonly [number, number, ...number[]]> {
  const servers = await Promise.all(Array.from({ length: Math.max(count, 2) }, () => listen(0)));
  const ports = servers.map(portOf);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports as unknown as readonly [number, number, ...number[]];
}

/** Can this loopback port be listened on now? */
export async function isFree(port: number): Promise<boolean> {
  try {
    const server = await listen(port);
    await new Promise((resolve) => server.close(resolve));
    return true;
  } catch {
    return false;
  }
}

function listen(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => server.once('error', reject).listen(port, HOST, () => resolve(server)));
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address with a port');
  return address.port;
}
