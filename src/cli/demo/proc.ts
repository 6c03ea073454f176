// What the kernel says of another process: its TCP connections to a port and the files it holds open. Only where there is /proc.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { sep } from 'node:path';

export interface TcpRow {
  readonly localPort: number;
  readonly remotePort: number;
  /** Two hex digits of include/net/tcp_states.h. */
  readonly state: string;
  /** 0: no process owns it any more (TIME_WAIT). */
  readonly inode: string;
}

/** The rows of /proc/PID/net/tcp or tcp6: every connection of the network namespace, whoever owns it. */
export function parseTcpTable(text: string): readonly TcpRow[] {
  return text.split('\n').slice(1).flatMap((line): TcpRow[] => {
    const [, local = '', remote = '', state = '', , , , , , inode = ''] = line.trim().split(/\s+/);
    return local === '' ? [] : [{ localPort: portOf(local), remotePort: portOf(remote), state, inode }];
  });
}

/** `address:port`, both in hex. */
function portOf(end: string): number {
  return Number.parseInt(end.slice(end.lastIndexOf(':') + 1), 16);
}

export interface Descriptor {
  /** Its number in its process. */
  readonly fd: string;
  /** A path, or socket:[inode]. */
  readonly target: string;
}

export interface Held {
  /** Local ports of the connections this process has to the remote port. */
  readonly sockets: readonly number[];
  /** Paths it holds open below its directory. */
  readonly files: readonly string[];
  /** Of both. */
  readonly descriptors: readonly Descriptor[];
}

export interface Observed {
  readonly pid: number;
  readonly directory: string;
}

/** What each process holds at this moment, or nothing where the kernel does not show it of all of them. */
export function heldBy(observed: readonly Observed[], remotePort: number): readonly Held[] | undefined {
  const tableOf = oncePerNamespace();
  const held: Held[] = [];
  for (const { pid, directory } of observed) {
    const open = descriptorsOf(pid);
    const rows = tableOf(pid);
    if (open === undefined || rows === undefined) return undefined;
    const connections = new Map(rows.filter((row) => row.remotePort === remotePort).map((row) => [`socket:[${row.inode}]`, row.localPort]));
    const below = directory.endsWith(sep) ? directory : `${directory}${sep}`;
    const descriptors = open.filter(({ target }) => connections.has(target) || target.startsWith(below));
    held.push({
      sockets: descriptors.flatMap(({ target }) => connections.get(target) ?? []),
      files: descriptors.map(({ target }) => target).filter((target) => !connections.has(target)),
      descriptors,
    });
  }
  return held;
}

/** Costs nearly nothing, where `heldBy` costs milliseconds. */
export function isStillOpen(pid: number, { fd, target }: Descriptor): boolean {
  return linkOf(`/proc/${pid}/fd/${fd}`) === target;
}

function descriptorsOf(pid: number): readonly Descriptor[] | undefined {
  let names: readonly string[];
  try {
    names = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return undefined; // No Linux, or not our process.
  }
  return names.flatMap((fd) => {
    const target = linkOf(`/proc/${pid}/fd/${fd}`); // None: closed between the two calls.
    return target === undefined ? [] : [{ fd, target }];
  });
}

/** The table takes the kernel some milliseconds to print, and is the same for all processes of a network namespace. */
function oncePerNamespace(): (pid: number) => readonly TcpRow[] | undefined {
  const tables = new Map<string, readonly TcpRow[] | undefined>();
  return (pid) => {
    const namespace = linkOf(`/proc/${pid}/ns/net`) ?? String(pid);
    if (!tables.has(namespace)) tables.set(namespace, tableOfProcess(pid));
    return tables.get(namespace);
  };
}

function tableOfProcess(pid: number): readonly TcpRow[] | undefined {
  const texts = ['tcp', 'tcp6'].flatMap((name) => {
    try {
      return [readFileSync(`/proc/${pid}/net/${name}`, 'latin1')];
    } catch {
      return []; // No IPv6, or no /proc at all: then there is none.
    }
  });
  return texts.length === 0 ? undefined : texts.flatMap(parseTcpTable);
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
