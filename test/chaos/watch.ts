// What must hold at every instant, looked at all the time: a version that can be seen is whole, a list names only what is on the disk, a token never falls.

import { existsSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ModelName } from '../../src/domain/names';
import { compareTokens, formatToken, type Token } from '../../src/domain/names';
import { filesBelow, linesOf, type Contents } from './contents';
import { bootVersions, diskVersions, journalOf, memoryVersions, versionPath } from './look';
import { MODELS, type Model } from './plan';
import type { Host } from './stack';

const LOOK_EVERY_MS = 100;

export class Watch {
  readonly violations: string[] = [];
  looks = 0;
  readonly #whole = new Map<string, number>();
  readonly #tokens = new Map<string, Token>();
  readonly #excused = new Set<string>();
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(private readonly hosts: readonly Host[], private readonly contents: Contents) {}

  start(): void {
    this.#loop = this.#watching().catch((error: unknown) => this.#say(`Watch: it broke off: ${String(error)}`));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  /** Somebody else removed it: until it is back, the lists that name it are not our doing. */
  excuse(host: Host, model: Model, version: string): void {
    this.#excused.add(versionPath(host, model, version));
  }

  /** Every version on every disk, byte for byte, also those that were whole before. */
  lookAtEveryByte(): void {
    this.#whole.clear();
    for (const host of this.hosts) for (const model of MODELS) this.#disk(host, model);
  }

  async #watching(): Promise<void> {
    while (await delay(LOOK_EVERY_MS, true, { signal: this.#stop.signal }).catch(() => false)) {
      await Promise.all(this.hosts.map((host) => this.#lookAt(host)));
      this.looks += 1;
    }
  }

  async #lookAt(host: Host): Promise<void> {
    this.#journal(host);
    for (const model of MODELS) {
      this.#disk(host, model);
      this.#boot(host, model);
      await this.#memory(host, model);
    }
  }

  /** DESIGN §11 "Verified only": what parses as a version is byte for byte what its source holds, from its first moment on. */
  #disk(host: Host, model: Model): void {
    for (const version of diskVersions(host, model)) {
      const path = versionPath(host, model, version);
      try {
        const { ino } = statSync(path);
        if (this.#whole.get(path) === ino) continue;
        const found = linesOf(filesBelow(path));
        if (!existsSync(path) || statSync(path).ino !== ino) continue; // it was removed meanwhile
        if (found !== this.contents.wanted(model, version)) this.#say(`Verified only: ${host.name}: models/${model}/${version} is not what its source holds`);
        this.#whole.set(path, ino);
        this.#excused.delete(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
  }

  /** DESIGN §11 "Order": versions(file) ⊆ disk. Read before and after the look at the disk, because both change. */
  #boot(host: Host, model: Model): void {
    try {
      for (const version of bootVersions(host, model)) {
        if (this.#isThere(host, model, version)) continue;
        if (bootVersions(host, model).includes(version) && !existsSync(versionPath(host, model, version))) this.#say(`Order: ${host.name}: the boot file names ${model}/${version}, which is not on the disk`);
      }
    } catch (error) {
      this.#say(`Order: ${host.name}: the boot file cannot be read: ${String(error)}`);
    }
  }

  /** The same of the list in the server's memory. */
  async #memory(host: Host, model: Model): Promise<void> {
    for (const version of await memoryVersions(host, model) ?? []) {
      if (version === '0' || this.#isThere(host, model, version)) continue; // 0: the sentinel, under a base path of its own
      if ((await memoryVersions(host, model))?.includes(version) === true && !existsSync(versionPath(host, model, version))) this.#say(`Order: ${host.name}: the server lists ${model}/${version}, which is not on the disk`);
    }
  }

  #isThere(host: Host, model: Model, version: string): boolean {
    const path = versionPath(host, model, version);
    return existsSync(path) || this.#excused.has(path);
  }

  /** DESIGN §5: the token is persisted, and never falls. */
  #journal(host: Host): void {
    if (!existsSync(`${host.root}/journal.json`)) return;
    try {
      const { models } = journalOf(host);
      for (const model of MODELS) {
        const token = models.get(model as string as ModelName)?.token;
        const key = `${host.name} ${model}`;
        const before = this.#tokens.get(key);
        if (token === undefined) continue;
        if (before !== undefined && compareTokens(token, before) < 0) this.#say(`No going back: ${host.name}: the token of ${model} fell from ${formatToken(before)} to ${formatToken(token)}`);
        this.#tokens.set(key, token);
      }
    } catch (error) {
      this.#say(`${host.name}: ${String(error)}`);
    }
  }

  #say(violation: string): void {
    if (!this.violations.includes(violation)) this.violations.push(violation);
  }
}
