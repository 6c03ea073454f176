// That a load has stopped, seen from outside: by the kernel's tables about the agents' processes, and by what the model servers themselves list. Nothing here asks an agent.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelName, ServerName, Version } from '../../domain/names';
import type { ServingClient } from '../../serving/client';
import type { Held } from './proc';
import { heldBy } from './proc';

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
  /** When a model server first listed the version, and when one first had a state of it. */
  readonly listedAtMs?: number;
  readonly knownAtMs?: number;
}

/** A look at three processes costs a few milliseconds of file reading. */
const LOOK_EVERY_MS = 4;
const ASK_EVERY_MS = 20;

export class OutsideWatch {
  readonly #watched: readonly Watched[];
  readonly #stalePort: number;
  readonly #model: ModelName;
  readonly #version: Version;
  readonly #timers: NodeJS.Timeout[] = [];
  #seen: { -readonly [K in keyof OutsideSeen]: OutsideSeen[K] };
  #asking = false;

  /** Looks for the first time. */
  constructor(watched: readonly Watched[], stalePort: number, model: ModelName, version: Version) {
    this.#watched = watched;
    this.#stalePort = stalePort;
    this.#model = model;
    this.#version = version;
    const held = this.#held();
    this.#seen = { readable: held.every((one) => one !== undefined), looks: 1, heldAtFirst: held.every((one) => one !== undefined && one.sockets.length > 0 && one.files.length > 0) };
  }

  start(): void {
    if (this.#seen.readable) this.#timers.push(setInterval(() => this.#look(), LOOK_EVERY_MS));
    this.#timers.push(setInterval(() => void this.#ask(), ASK_EVERY_MS));
  }

  get seen(): OutsideSeen {
    return { ...this.#seen };
  }

  stop(): OutsideSeen {
    for (const timer of this.#timers) clearInterval(timer);
    return this.seen;
  }

  #look(): void {
    // The moment before the tables are read: what they say is true at that time or later.
    const atMs = Date.now();
    const gone = this.#held().every((one) => one !== undefined && one.sockets.length === 0 && one.files.length === 0);
    this.#seen = seenAfter(this.#seen, gone, atMs);
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const listed = await Promise.all(this.#watched.map((one) => one.listed()));
      if (listed.some((versions) => versions.includes(this.#version))) this.#seen.listedAtMs ??= Date.now();
      const known = await Promise.all(this.#watched.map((one) => one.serving.status(this.#model)));
      if (known.some((status) => status !== 'unknown model' && status.has(this.#version))) this.#seen.knownAtMs ??= Date.now();
    } finally {
      this.#asking = false;
    }
  }

  #held(): readonly (Held | undefined)[] {
    return this.#watched.map((one) => heldBy(one.agentPid, this.#stalePort, one.partial));
  }
}

/** Gone counts only as long as it stays gone. */
export function seenAfter(seen: OutsideSeen, gone: boolean, atMs: number): OutsideSeen {
  const { goneAtMs, ...rest } = seen;
  const since = gone ? (goneAtMs ?? atMs) : undefined;
  return { ...rest, looks: seen.looks + 1, ...(since === undefined ? {} : { goneAtMs: since }) };
}

/** What an agent holds of the version outside the base path: `<root>/staging/<model>/<version>-…` (DESIGN §7). */
export function partialsOf(root: string, model: ModelName, version: Version): readonly string[] {
  const directory = join(root, 'staging', model);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name.startsWith(`${version}-`)).map((entry) => join(directory, entry.name));
}
