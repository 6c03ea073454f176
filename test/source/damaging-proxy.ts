// Between a client and a real server: one byte of one answer arrives as another.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** @param run damages the first answer that has these bytes in one piece, in their first one. */
export async function damagingProxy(upstream: string, run: Buffer): Promise<{ readonly url: string; damaged(): boolean; stop(): Promise<void> }> {
  const { hostname, port } = new URL(upstream);
  const sockets = new Set<Socket>();
  let damaged = false;
  const server = createServer((client) => {
    const real = connect(Number(port), hostname);
    for (const socket of [client, real]) {
      sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => {
        sockets.delete(socket);
        client.destroy();
        real.destroy();
      });
    }
    client.pipe(real);
    real.on('data', (piece: Buffer) => {
      const at = damaged ? -1 : piece.indexOf(run);
      if (at >= 0) {
        damaged = true;
        piece[at]! ^= 1;
      }
      if (!client.write(piece)) real.pause();
    });
    client.on('drain', () => real.resume());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    damaged: () => damaged,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
