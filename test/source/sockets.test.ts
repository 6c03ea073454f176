// The count behind a proof is the kernel's, not what this process believes.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { SocketLedger } from '../../src/source/sockets';
import { until } from '../setup/until';
import { CERT, KEY } from './self-signed';

const kernel = process.platform === 'linux' ? 'kernel' : 'process';
const servers: Server[] = [];
const accepted: Socket[] = [];
afterEach(() => {
  for (const socket of accepted.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => accepted.push(socket.on('error', () => undefined)));
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function connected(ledger: SocketLedger, port: number, host = '127.0.0.1'): Promise<Socket> {
  const before = accepted.length;
  const socket = connect(port, host);
  ledger.add(socket);
  await once(socket, 'connect');
  await until(() => accepted.length > before);
  return socket;
}

test('counts exactly the sockets of its own attempt, while they are open', async () => {
  const port = await listen(createServer());
  const [mine, theirs] = [new SocketLedger(), new SocketLedger()];
  expect(mine.open()).toEqual({ count: 0, readFrom: kernel });
  const first = await connected(mine, port);
  const second = await connected(mine, port);
  await connected(theirs, port).then((socket) => accepted.push(socket));
  expect([mine.open(), theirs.open().count]).toEqual([{ count: 2, readFrom: kernel }, 1]);
  first.destroy();
  expect(mine.open().count).toBe(1);
  second.destroy();
  expect([mine.open(), theirs.open().count, mine.opened]).toEqual([{ count: 0, readFrom: kernel }, 1, 2]);
});

test('a socket this process believes destroyed is still counted while the kernel has it', async () => {
  if (kernel !== 'kernel') return;
  const ledger = new SocketLedger();
  const socket = await connected(ledger, await listen(createServer()));
  Object.defineProperty(socket, 'destroyed', { value: true, configurable: true });
  expect(ledger.open()).toEqual({ count: 1, readFrom: 'kernel' });
  delete (socket as { destroyed?: boolean }).destroyed;
  socket.destroy();
  expect(ledger.open().count).toBe(0);
});

test('half-closed by the other side it still holds resources; closed by us while the other lingers it does not', async () => {
  const ledger = new SocketLedger();
  const socket = connect({ port: await listen(createServer({ allowHalfOpen: true })), host: '127.0.0.1', allowHalfOpen: true });
  ledger.add(socket);
  await once(socket, 'connect');
  await until(() => accepted.length === 1);
  socket.resume();
  accepted[0]!.end();
  await once(socket, 'end');
  expect(ledger.open().count).toBe(1);
  socket.destroy();
  expect(ledger.open().count).toBe(0);
});

test('counts while connecting, and forgets what never connected', async () => {
  const ledger = new SocketLedger();
  const port = await listen(createServer());
  servers.pop()!.close();
  const socket = connect(port, '127.0.0.1');
  ledger.add(socket);
  expect(ledger.open().count).toBe(1);
  await once(socket, 'error').catch(() => undefined);
  await until(() => ledger.opened === 0);
  expect(ledger.open().count).toBe(0);
});

test.each([['127.0.0.1', '127.0.0.1'], ['::1', '::1'], ['::ffff:127.0.0.1', '127.0.0.1']])('sees connections to %s', async (host, bind) => {
  const ledger = new SocketLedger();
  const socket = await connected(ledger, await listen(createServer(), bind), host);
  expect(ledger.open()).toEqual({ count: 1, readFrom: kernel });
  socket.destroy();
  expect(ledger.open().count).toBe(0);
});

test('sees TLS connections, which Node wraps', async () => {
  const port = await listen(createTlsServer({ key: KEY, cert: CERT }));
  const ledger = new SocketLedger();
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  ledger.add(socket);
  await once(socket, 'secureConnect');
  expect(ledger.open()).toEqual({ count: 1, readFrom: kernel });
  socket.destroy();
  await once(socket, 'close');
  expect(ledger.open().count).toBe(0);
});
