// That a load has stopped, seen from outside: by the kernel's tables about the agents' processes, and by what the model servers themselves list. Nothing here asks an agent.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ModelName, ServerName, Version } from '../../domain/names';
import type { ServingClient } from '../../serving/client';
import { heldBy, type Held } from './proc';

/** One server and the agent beside it, as an onlooker knows them. */
export interface Watched {
  readonly server: ServerName;
  readonly agentPid: number;
  /** Where the stale load writes. */
  readonly partial: string;
  readonly serving: ServingClient;
  /** The list the model server remembers, from its own statistics: version numbers of our model. */
  readonly listed: () => Promise<readonly string[]>;
}

export interface OutsideSeen {
  /** False: this machine has no /proc, and sockets and open files could not be looked at. */
  readonly readable: boolean;
  /** How often the kernel was asked. */
  readonly looks: number;
  /** At the first look: were there sockets and open files at every agent? Otherwise their absence later would prove nothing. */
  readonly heldAtFirst: boolean;
  /** From this look on (epoch milliseconds) no agent held a socket to the endpoint or a file of the load; absent: never. */
  readonly goneAtMs?: number;
  /** The last time a look was begun that found the version in no server's list and of no state anywhere; and the first time one found it. */
  readonly notListedAtMs?: number;
  readonly listedAtMs?: number;
}

/** A look takes the kernel about five milliseconds, and this process with it. */
const LOOK_EVERY_MS = 10;
/** Once all is gone it only has to stay so. */
const LOOK_AGAIN_EVERY_MS = 100;
const ASK_EVERY_MS = 20;

export class OutsideWatch {
  readonly #watched: readonly Watched[];
  readonly #stalePort: number;
  readonly #model: ModelName;
  readonly #version: Version;
  readonly #stop = new AbortController();
  #seen: OutsideSeen;
  #loops: Promise<unknown> = Promise.resolve();

  /** Looks for the first time. */
  constructor(watched: readonly Watched[], stalePort: number, model: ModelName, version: Version) {
    this.#watched = watched;
    this.#stalePort = stalePort;
    this.#model = model;
    this.#version = version;
    const held = this.#held();
    this.#seen = { readable: held !== undefined, looks: 1, heldAtFirst: held !== undefined && held.every(({ sockets, files }) => sockets.length > 0 && files.length > 0) };
  }

  start(): void {
    this.#loops = Promise.all([this.#looking(), this.#asking()]);
    this.#loops.catch(() => undefined); // told by stop
  }

  /** What was seen from the first look to now. */
  async stop(): Promise<OutsideSeen> {
    this.#stop.abort();
    await this.#loops;
    return this.#seen;
  }

  async #looking(): Promise<void> {
    while (this.#seen.readable && await this.#pause(this.#seen.goneAtMs === undefined ? LOOK_EVERY_MS : LOOK_AGAIN_EVERY_MS)) {
      // The moment before the tables are read: what they say is true at that time or later.
      const atMs = Date.now();
      const held = this.#held();
      this.#seen = seenAfter(this.#seen, held !== undefined && held.every(({ sockets, files }) => sockets.length === 0 && files.length === 0), atMs);
    }
  }

  async #asking(): Promise<void> {
    while (await this.#pause(ASK_EVERY_MS)) {
      const beganAtMs = Date.now();
      const lists = await Promise.all(this.#watched.map((one) => one.listed()));
      const states = await Promise.all(this.#watched.map((one) => one.serving.status(this.#model)));
      const listed = lists.some((versions) => versions.includes(this.#version)) || states.some((status) => status !== 'unknown model' && status.has(this.#version));
      this.#seen = listedAfter(this.#seen, listed, beganAtMs);
    }
  }

  /** False when it was told to stop. */
  #pause(ms: number): Promise<boolean> {
    return delay(ms, undefined, { signal: this.#stop.signal }).then(() => true, () => false);
  }

  #held(): readonly Held[] | undefined {
    return heldBy(this.#watched.map(({ agentPid, partial }) => ({ pid: agentPid, directory: partial })), this.#stalePort);
  }
}

/** Gone counts only as long as it stays gone. */
export function seenAfter(seen: OutsideSeen, gone: boolean, atMs: number): OutsideSeen {
  const { goneAtMs, ...rest } = seen;
  const since = gone ? (goneAtMs ?? atMs) : undefined;
  return { ...rest, looks: seen.looks + 1, ...(since === undefined ? {} : { goneAtMs: since }) };
}

/** Once it was listed, what follows says nothing more about the time before. */
export function listedAfter(seen: OutsideSeen, listed: boolean, atMs: number): OutsideSeen {
  if (seen.listedAtMs !== undefined) return seen;
  return listed ? { ...seen, listedAtMs: atMs } : { ...seen, notListedAtMs: atMs };
}

/** What an agent holds of the version outside the base path: `<root>/staging/<model>/<version>-…` (DESIGN §7). */
export function partialsOf(root: string, model: ModelName, version: Version): readonly string[] {
  const directory = join(root, 'staging', model);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name.startsWith(`${version}-`)).map((entry) => join(directory, entry.name));
}
