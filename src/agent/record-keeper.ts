// Keeps the record of a version on its way while its files come whole.

import type { SegueError } from '../domain/failures';
import type { DownloadedFile } from '../source/download';
import { writePartialRecord, type PartialRecord } from './partial-record';

/** At most one write at a time: many small files share one. */
export class RecordKeeper {
  #record: PartialRecord;
  #writing: Promise<void> | undefined;
  #dirty = false;
  #failure: SegueError | undefined;

  constructor(private readonly path: string, record: PartialRecord) {
    this.#record = record;
  }

  add(file: DownloadedFile): void {
    this.#record = { ...this.#record, files: [...this.#record.files, file] };
    this.#dirty = true;
    this.#writing ??= this.#write();
  }

  async finish(record: PartialRecord): Promise<void> {
    await this.quiet();
    if (this.#failure !== undefined) throw this.#failure;
    await writePartialRecord(this.path, record);
  }

  async quiet(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    try {
      while (this.#dirty && this.#failure === undefined) {
        this.#dirty = false;
        await writePartialRecord(this.path, this.#record);
      }
    } catch (error) {
      this.#failure = error as SegueError; // Told by finish(); the download itself may fail first, for the same reason.
    } finally {
      this.#writing = undefined;
    }
  }
}
