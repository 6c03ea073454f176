// The model server's own process, where it runs on this host and the kernel lets us look: its command line says what no RPC does.

import { readdir, readFile, readlink } from 'node:fs/promises';
import { listensOn, parseServerFlags, type ServerFlags } from '../domain/server-flags';

export interface ServerProcess {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly flags: ServerFlags;
}

/** Who listens there, if it is a model server whose command line we may read; nothing where it is on another host, in another pid namespace, or behind a proxy. */
export async function findServerProcess(address: string): Promise<ServerProcess | undefined> {
  const inodes = await listeningInodes(address);
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0').slice(0, -1);
    const flags = parseServerFlags(argv);
    if (flags === undefined || !isAbout(argv, address) || !await holds(pid, inodes)) continue;
    return { pid: Number(pid), argv, flags };
  }
  return undefined;
}

function isAbout(argv: readonly string[], address: string): boolean {
  const { port, socket } = listensOn(argv);
  return address.startsWith('unix:') ? socket !== undefined && address.endsWith(socket) : Number(address.slice(address.lastIndexOf(':') + 1)) === port;
}

async function listeningInodes(address: string): Promise<ReadonlySet<string>> {
  if (address.startsWith('unix:')) return new Set(unixListeners(await table('unix'), address.slice('unix:'.length)));
  const at = address.lastIndexOf(':');
  if (!/^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|0\.0\.0\.0)$/.test(address.slice(0, at))) return new Set();
  const port = Number(address.slice(at + 1));
  return new Set([...tcpListeners(await table('tcp'), port), ...tcpListeners(await table('tcp6'), port)]);
}

function table(name: string): Promise<string> {
  return readFile(`/proc/net/${name}`, 'latin1').catch(() => '');
}

const LISTEN = '0A'; // include/net/tcp_states.h

function tcpListeners(text: string, port: number): readonly string[] {
  return text.split('\n').slice(1).flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    return state === LISTEN && Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16) === port ? [inode] : [];
  });
}

const ACCEPTS = 0x10000; // __SO_ACCEPTCON of include/linux/net.h

function unixListeners(text: string, path: string): readonly string[] {
  return text.split('\n').slice(1).flatMap((line) => {
    const [, , , flags = '', , , inode = '', name] = line.trim().split(/\s+/);
    return name === path && (Number.parseInt(flags, 16) & ACCEPTS) !== 0 ? [inode] : [];
  });
}

async function holds(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''))?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}
