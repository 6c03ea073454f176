// The look from outside, against the kernel itself: a socket and a file that are there are seen, and gone when they are gone.

import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listedAfter, seenAfter, type OutsideSeen } from '../../src/cli/demo/outside-proof';
import { heldBy, isStillOpen, parseTcpTable } from '../../src/cli/demo/proc';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000000000000000 20 4 30 10 -1
   1: 00000000000000000000000001000000:A2C4 0000000000000000FFFF00000100007F:1F90 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0000000000000000
`;

test('rows of the kernel\'s table are read with their ports, state and owner', () => {
  expect(parseTcpTable(TABLE)).toEqual([
    { localPort: 40_000, remotePort: 8080, state: '01', inode: '12345' },
    { localPort: 0xa2c4, remotePort: 8080, state: '06', inode: '0' },
  ]);
});

const linux = process.platform === 'linux';

test('a socket and a file of a process are seen while they are there, and only those asked about', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'segue-proc-'));
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const file = openSync(join(directory, 'partial'), 'w');
  const look = () => heldBy([{ pid: process.pid, directory }], port)?.[0];
  try {
    if (!linux) {
      expect(look()).toBeUndefined();
      return;
    }
    expect(look()).toMatchObject({ sockets: [socket.localPort], files: [join(directory, 'partial')] });
    expect(heldBy([{ pid: process.pid, directory: `${directory}x` }], port)?.[0]?.files).toEqual([]);
    const descriptors = look()?.descriptors ?? [];
    const open = () => descriptors.filter((one) => isStillOpen(process.pid, one)).length;
    expect(open()).toBe(2);
    closeSync(file);
    expect(look()?.files).toEqual([]);
    expect(open()).toBe(1);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.destroy();
    await closed;
    expect(look()?.sockets).toEqual([]);
    expect(open()).toBe(0);
  } finally {
    socket.destroy();
    for (const one of accepted) one.destroy();
    await new Promise((resolve) => server.close(resolve));
    rmSync(directory, { recursive: true, force: true });
  }
});

test('a process that is not there cannot be looked at, which is not the same as holding nothing', () => {
  expect(heldBy([{ pid: 2 ** 22 + 1, directory: '/' }], 1)).toBeUndefined();
});

test('gone counts from the first look at which all was gone, and only as long as it stays gone', () => {
  const first: OutsideSeen = { readable: true, looks: 1, heldAtFirst: true };
  const looks: readonly (readonly [boolean, number])[] = [[false, 10], [true, 20], [true, 30]];
  const after = looks.reduce((seen, [gone, atMs]) => seenAfter(seen, gone, atMs), first);
  expect(after).toEqual({ ...first, looks: 4, goneAtMs: 20 });
  expect(seenAfter(after, false, 40)).toEqual({ ...first, looks: 5 });
  expect(seenAfter(seenAfter(after, false, 40), true, 50).goneAtMs).toBe(50);
});

test('the list counts as clean until it was first seen otherwise; what is seen later changes nothing', () => {
  const first: OutsideSeen = { readable: true, looks: 1, heldAtFirst: true };
  const looks: readonly (readonly [boolean, number])[] = [[false, 10], [false, 20], [true, 30], [false, 40], [true, 50]];
  expect(looks.reduce((seen, [listed, atMs]) => listedAfter(seen, listed, atMs), first)).toEqual({ ...first, notListedAtMs: 20, listedAtMs: 30 });
});
