// Which bytes a lane asks for next: parts over all files of a version, so that lanes are shared by many small files and by one large one alike.

import type { PartFile, Range } from './part-file';

export interface Part extends Range {
  readonly file: PartFile;
  /** Asked for next: from here. */
  at: number;
  /** In the file. */
  written: number;
  /** Called once, when all of it is. */
  onWritten: () => void;
}

/** Parts of one file are handed out in its order: the checksums wait for the earliest one, and that one is always with a lane that has room for it. */
export class PartPlan {
  readonly #partBytes: number;
  /** Begun, with more to hand out. */
  readonly #begun: PartFile[] = [];
  readonly #left = new Map<PartFile, Part[]>();
  readonly #fresh: PartFile[];

  /** The largest first: begun last, it would run on alone. */
  constructor(files: readonly PartFile[], partBytes: number) {
    this.#partBytes = partBytes;
    this.#fresh = [...files].sort((a, b) => a.listed.size - b.listed.size);
  }

  /**
   * A file to open; its parts follow once it is open. While there are whole files to begin a lane keeps to one: each is then hashed as it comes, by a thread of its own.
   * @param kept the file of the lane's last part
   */
  next(kept: PartFile | undefined): Part | PartFile | undefined {
    const own = kept === undefined ? undefined : this.#take(kept);
    return own ?? this.#fresh.pop() ?? this.#take(this.#longest());
  }

  /** This file's parts, without what is there already. */
  begin(file: PartFile): void {
    const parts = gaps(file).flatMap((gap) => this.#split(file, gap));
    if (parts.length === 0) return;
    this.#left.set(file, parts);
    this.#begun.push(file);
  }

  #split(file: PartFile, { from, to }: Range): Part[] {
    const parts: Part[] = [];
    do {
      const end = Math.min(to, (Math.floor(from / this.#partBytes) + 1) * this.#partBytes);
      parts.push({ file, from, to: end, at: from, written: 0, onWritten: () => undefined });
      from = end;
    } while (from < to);
    return parts;
  }

  #take(file: PartFile | undefined): Part | undefined {
    if (file === undefined) return undefined;
    const parts = this.#left.get(file);
    const part = parts?.shift();
    if (parts?.length === 0) {
      this.#left.delete(file);
      this.#begun.splice(this.#begun.indexOf(file), 1);
    }
    return part;
  }

  #longest(): PartFile | undefined {
    const left = (file: PartFile): number => this.#left.get(file)?.length ?? 0;
    return this.#begun.reduce<PartFile | undefined>((most, file) => (most === undefined || left(file) > left(most) ? file : most), undefined);
  }
}

/** What is not there, in order. An empty file is one gap of nothing: it is asked for, because the server may say something else today. */
function gaps(file: PartFile): readonly Range[] {
  const { size } = file.listed;
  const found: Range[] = [];
  let at = 0;
  for (const { from, to } of file.there) {
    if (from > at) found.push({ from: at, to: from });
    at = Math.max(at, to);
  }
  if (at < size || size === 0) found.push({ from: at, to: size });
  return found;
}
