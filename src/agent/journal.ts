// The agent's memory across crashes: one durable file, changed before every effect it describes. Only what is removed from staging goes beside it (tidy.ts, own-partial.ts): bytes that no journal names, and names without bytes, are tidied by whoever comes next.

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../domain/failures';
import type { ModelName } from '../domain/names';
import { diskFailure, isMissing } from './disk-failure';
import { makeLast, replaceDurably } from './durable-file';
import { formatJournal, freshEntry, parseJournal, type JournalContent, type ModelEntry } from './journal-format';

export type Edit = (entry: ModelEntry) => ModelEntry;

export class Journal {
  /** What everyone in this process reads. At most one write ahead of the disk; falls back to the disk's when a write fails. */
  #content: JournalContent;
  #durable: JournalContent;
  #writing: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  /** A failed write, for the one queued behind it: its content was built on what did not last. */
  #poison: unknown;

  private constructor(readonly path: string, content: JournalContent, /** There was no journal before. */ readonly isNew: boolean) {
    this.#content = content;
    this.#durable = content;
  }

  /** Fails where the file is there but not ours: torn, foreign, or of another format. */
  static async open(root: string): Promise<Journal> {
    const path = join(root, 'journal.json');
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if (!isMissing(error)) throw diskFailure(error, `read ${path}`);
      return new Journal(path, { format: 1, seeded: true, incarnation: randomUUID(), models: new Map() }, true);
    }
    const parsed = parseJournal(text);
    if ('why' in parsed) throw fail('Bug', `read ${path}: want a journal of this agent, found ${parsed.why}. It is never taken for empty: put the right file back, or move this one file away (never the models beside it): without it the agent asks its fleet, its disk and its server what is listed, and reloads nothing before it knows`, { path, found: parsed.why });
    await makeLast(path); // Whoever wrote it may have been killed between its rename and the fsync of the root: what is believed from here on must not be undone by a power cut.
    return new Journal(path, parsed.ok, false);
  }

  get incarnation(): string {
    return this.#content.incarnation;
  }

  get owner(): string | undefined {
    return this.#content.owner;
  }

  get seeded(): boolean {
    return this.#content.seeded;
  }

  get models(): ReadonlyMap<ModelName, ModelEntry> {
    return this.#content.models;
  }

  /** A model nobody spoke of yet has a fresh entry: token [0, 0], closed. */
  entry(model: ModelName): ModelEntry {
    return this.#content.models.get(model) ?? freshEntry;
  }

  /** Seen by this process at once; resolves when it would survive a power cut. Await it before the effect. */
  update(model: ModelName, edit: Edit): Promise<void> {
    return this.#change({ ...this.#content, models: new Map(this.#content.models).set(model, edit(this.entry(model))) });
  }

  updateAll(edit: (entry: ModelEntry, model: ModelName) => ModelEntry, over: Partial<Pick<JournalContent, 'incarnation' | 'seeded' | 'owner'>> = {}): Promise<void> {
    return this.#change({ ...this.#content, ...over, models: new Map([...this.#content.models].map(([model, entry]) => [model, edit(entry, model)])) });
  }

  /** Is the file what was last written? */
  async isOnDisk(): Promise<boolean> {
    await this.#writing.catch(() => undefined);
    const wanted = formatJournal(this.#durable);
    try {
      return await readFile(this.path, 'utf8') === wanted || this.#queued !== undefined;
    } catch (error) {
      if (isMissing(error)) return false;
      throw diskFailure(error, `read ${this.path}`);
    }
  }

  /** The file again, from memory. */
  rewrite(): Promise<void> {
    return this.#change(this.#content);
  }

  /** Changes that arrive while a write is under way share the next one. */
  #change(content: JournalContent): Promise<void> {
    this.#content = content;
    this.#queued ??= this.#writing = this.#writing.then(() => this.#write(), () => this.#write());
    return this.#queued;
  }

  async #write(): Promise<void> {
    this.#queued = undefined;
    const poison = this.#poison;
    this.#poison = undefined;
    if (poison !== undefined) throw poison;
    const content = this.#content;
    try {
      await replaceDurably(this.path, formatJournal(content));
      this.#durable = content;
    } catch (error) {
      this.#content = this.#durable;
      if (this.#queued !== undefined) this.#poison = error;
      throw error;
    }
  }
}
