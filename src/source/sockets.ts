// Every socket an attempt opened, and how many of them the system still knows: the reading behind a proof (DESIGN §5).

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { SocketAddress } from 'node:net';
import type { Socket } from 'node:net';

export interface OpenSockets {
  readonly count: number;
  /** kernel: counted in /proc; process: there is no /proc, so what this process believes of its own sockets. */
  readonly readFrom: 'kernel' | 'process';
}

interface Entry {
  /** Until it closed: a ledger outlives its sockets by far. */
  socket?: Socket;
  /** Known from the moment of connection: local and remote end, and the kernel's number for the socket where it could be read. */
  ends?: string;
  inode?: string;
}

/** Remembers the sockets of one attempt for as long as the attempt is remembered; `open()` looks at the system, not at the memory. */
export class SocketLedger {
  readonly #entries = new Set<Entry>();

  add(socket: Socket): void {
    const entry: Entry = { socket };
    this.#entries.add(entry);
    socket.once('connect', () => {
      entry.ends = endsOf(socket);
      const inode = inodeOf(socket);
      if (inode !== undefined) entry.inode = inode;
    });
    // A socket that never connected has carried nothing and left nothing to look for.
    socket.once('close', () => {
      if (entry.ends === undefined) this.#entries.delete(entry);
      delete entry.socket;
    });
  }

  /** How many sockets were ever connected or are being connected. */
  get opened(): number {
    return this.#entries.size;
  }

  /** Sockets of this ledger that can still carry data, read from the kernel where there is one to ask: first which of them this process has a descriptor of, and only where it has one, or
   * that cannot be told, in which state they are. The table of states is made anew for every reader, in 8 ms of a core that an abort would wait for. */
  open(): OpenSockets {
    const held = heldSockets();
    const asKernelSays = ({ ends, inode }: Entry): boolean => ends !== undefined && (inode === undefined || held?.has(inode) !== false);
    const table = held === undefined || [...this.#entries].some(asKernelSays) ? readTable() : new Map<string, string[]>();
    if (!table) return { count: this.#count(livesInProcess), readFrom: 'process' };
    // 0: what the kernel still keeps of a socket that no process holds any more.
    const livesInKernel = ({ ends, inode }: Entry): boolean => (table.get(ends ?? '') ?? []).some((found) => (inode === undefined ? found !== '0' : found === inode));
    // One that is still connecting is not in the table under ends we know, so the process is asked.
    return { count: this.#count((entry) => (entry.ends === undefined ? livesInProcess(entry) : asKernelSays(entry) && livesInKernel(entry))), readFrom: 'kernel' };
  }

  #count(wanted: (entry: Entry) => boolean): number {
    let count = 0;
    for (const entry of this.#entries) if (wanted(entry)) count++;
    return count;
  }
}

function livesInProcess(entry: Entry): boolean {
  return entry.socket !== undefined && !entry.socket.destroyed;
}

/** The kernel's numbers of all sockets this process has a descriptor of; nothing where there is no /proc. None of them is ever inherited: Node opens every socket close-on-exec. */
function heldSockets(): Set<string> | undefined {
  let descriptors: string[];
  try {
    descriptors = readdirSync('/proc/self/fd');
  } catch {
    return undefined;
  }
  return new Set(descriptors.flatMap((fd) => inodeBehind(fd) ?? []));
}

/** States of include/net/tcp_states.h in which bytes can still arrive for us: ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT. */
const CAN_CARRY_DATA = new Set(['01', '02', '03', '04', '05', '08']);

/** Local and remote end → inodes, for every TCP socket of this network namespace that can carry data; nothing where there is no such table. */
function readTable(): Map<string, string[]> | undefined {
  const table = new Map<string, string[]>();
  let read = 0;
  for (const name of ['tcp', 'tcp6']) {
    let text: string;
    try {
      text = readFileSync(`/proc/self/net/${name}`, 'latin1');
      read++;
    } catch {
      continue; // No Linux, or no IPv6: what remains decides.
    }
    for (const line of text.split('\n').slice(1)) {
      const [, local, remote, state, , , , , , inode] = line.trim().split(/\s+/);
      if (local === undefined || remote === undefined || inode === undefined || !CAN_CARRY_DATA.has(state ?? '')) continue;
      const ends = `${kernelEnd(local)} ${kernelEnd(remote)}`;
      table.set(ends, [...(table.get(ends) ?? []), inode]);
    }
  }
  return read === 0 ? undefined : table;
}

/** `0100007F:1F90` → `127.0.0.1:8080`. The kernel prints each 32-bit word of an address in the byte order of the host: little-endian wherever Node runs. */
function kernelEnd(text: string): string {
  const [hex = '', port = ''] = text.split(':');
  const bytes = Buffer.from(hex, 'hex').swap32();
  const address = bytes.length === 4 ? bytes.join('.') : new SocketAddress({ address: groups(bytes), family: 'ipv6' }).address;
  return `${address}:${Number.parseInt(port, 16)}`;
}

function groups(bytes: Buffer): string {
  return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16)).join(':');
}

function endsOf(socket: Socket): string {
  const plain = (address: string | undefined): string => (address ?? '').replace(/%.*$/, '');
  return `${plain(socket.localAddress)}:${socket.localPort} ${plain(socket.remoteAddress)}:${socket.remotePort}`;
}

/** The kernel's number for the socket: tells it from a later one of this process between the same ends. Node shows the descriptor only on the handle. */
function inodeOf(socket: Socket): string | undefined {
  return inodeBehind(String((socket as { _handle?: { fd?: number } | null })._handle?.fd));
}

/** Nothing for what is no socket, and for what is closed. */
function inodeBehind(fd: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}
