// <root>/boot.config: what a restarted server serves before anyone speaks to it. Only what was promoted, so that it can never begin with a version that kills it (DESIGN §6).

import { readFile } from 'node:fs/promises';
import { composeBoot } from '../domain/list';
import { namesInBootText, toBootText } from '../serving/model-list';
import { diskFailure, isMissing } from './disk-failure';
import { replaceDurably } from './durable-file';
import type { Journal } from './journal';
import type { ModelStore } from './model-store';

export class BootFile {
  #writing: Promise<void> = Promise.resolve();
  /** What this process knows to last. What it merely finds there may be a rename whose fsync failed, or was never reached. */
  #durable: string | undefined;

  constructor(private readonly journal: Journal, private readonly store: ModelStore) {}

  /** Makes the file say what the journal, written before, says was promoted. One write at a time: models are promoted independently. */
  write(): Promise<void> {
    const mine = this.#writing.then(() => this.#write());
    this.#writing = mine.catch(() => undefined); // Told to whoever asked for that write.
    return mine;
  }

  /** Does the file give a server models that no journal of ours knows of? What is no list at all counts as unknown, which is not empty. */
  async isForeign(): Promise<boolean> {
    return (await this.names())?.length !== 0;
  }

  /** The models in the file, none where there is no file; nothing where it is no list. */
  async names(): Promise<readonly string[] | undefined> {
    const text = await this.#read();
    return text === undefined ? [] : namesInBootText(text);
  }

  async isMissing(): Promise<boolean> {
    return await this.#read() === undefined;
  }

  /** Does the file say what the journal says was promoted? */
  async isAsWritten(): Promise<boolean> {
    await this.#writing;
    return this.#text() === await this.#read();
  }

  async #write(): Promise<void> {
    const text = this.#text();
    if (text === this.#durable && text === await this.#read()) return;
    this.#durable = undefined;
    await replaceDurably(this.store.bootFile(), text);
    this.#durable = text;
  }

  #text(): string {
    const entries = [...this.journal.models].map(([model, entry]) => ({
      model, registered: entry.registered, aspired: entry.aspired, labels: entry.labels, ...(entry.promoted === undefined ? {} : { promoted: entry.promoted }),
    }));
    return toBootText(composeBoot(entries, this.store.root));
  }

  async #read(): Promise<string | undefined> {
    try {
      return await readFile(this.store.bootFile(), 'utf8');
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw diskFailure(error, `read ${this.store.bootFile()}`);
    }
  }
}
