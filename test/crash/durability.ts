// What a trace of system calls says about durability: at each acknowledgement, is everything it stands for on the disk, and not only in the page cache?
// The rule (reliability reference §1.4, §1.6): a file lasts once it was fsynced after its last write; a name once its directory was fsynced after it changed; and what an
// fsync failed for lasts only once it was written anew, because the pages of a failed fsync count as clean.

import { dirname, join } from 'node:path';

interface Inode {
  readonly dirty: boolean;
  /** An fsync of it failed, and it was not written anew since. */
  readonly condemned: boolean;
}

export class Durability {
  readonly #inodes = new Map<string, Inode>();
  readonly #files = new Set<string>();
  readonly #problems = new Set<string>();

  /** @param root what lies there before the first line counts as durable. */
  constructor(private readonly root: string) {}

  /** Goes on where the trace before ended: also after the process was killed, which loses nothing of the page cache. */
  follow(trace: readonly string[]): readonly string[] {
    for (const line of trace) this.#follow(line);
    return [...this.#problems];
  }

  #follow(line: string): void {
    const [, call = '', rest = ''] = /^(\w+)\((.*)$/.exec(line) ?? [];
    const failed = / = -1 /.test(rest) || / = \?/.test(rest);
    const [first = '', second = ''] = [...rest.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? '');
    const open = /^\d+<([^>]*)>/.exec(rest)?.[1] ?? '';
    switch (call) {
      case 'access':
        if (first.startsWith('/said/')) this.#acknowledge(first.slice('/said/'.length));
        return;
      case 'openat':
        if (failed || !rest.includes('O_CREAT')) return;
        this.#files.add(first);
        this.#create(first);
        return;
      case 'write': case 'pwrite64': case 'writev': case 'pwritev': case 'ftruncate': case 'fallocate': case 'copy_file_range':
        this.#inodes.set(open, { condemned: this.#of(open).condemned, dirty: true });
        return;
      case 'fsync': case 'fdatasync':
        if (/ = \?/.test(rest)) return; // Killed in it: nothing was said.
        this.#inodes.set(open, failed ? { dirty: true, condemned: this.#files.has(open) } : { ...this.#of(open), dirty: false });
        return;
      case 'mkdir':
        if (!failed) this.#create(first);
        return;
      case 'link': case 'linkat':
        if (!failed) this.#name(second);
        return;
      case 'rename': case 'renameat2':
        if (!failed) this.#rename(first, second);
        return;
      case 'unlink': case 'rmdir':
        if (!failed) this.#forget(first);
        return;
      default: return;
    }
  }

  /** A directory is metadata, which the file system's journal keeps or refuses as a whole: after a failed fsync a later one that succeeds is believed. A file's is not. */
  #create(path: string): void {
    this.#inodes.set(path, { dirty: true, condemned: false });
    this.#name(path);
  }

  #name(path: string): void {
    this.#inodes.set(dirname(path), { dirty: true, condemned: false });
  }

  #rename(from: string, to: string): void {
    for (const path of this.#below(to)) this.#inodes.delete(path);
    for (const path of this.#below(from)) {
      const moved = join(to, path.slice(from.length));
      this.#inodes.set(moved, this.#of(path));
      if (this.#files.delete(path)) this.#files.add(moved);
      this.#inodes.delete(path);
    }
    this.#name(from);
    this.#name(to);
  }

  #forget(path: string): void {
    for (const one of this.#below(path)) this.#inodes.delete(one);
    this.#name(path);
  }

  #acknowledge(said: string): void {
    if (said.startsWith('failed') || said.startsWith('nameless')) return;
    const base = join(this.root, 'models/half');
    const staged = /stage|promote|remove/.test(said) ? [join(this.root, 'models'), ...this.#below(base).filter((path) => path !== base), base] : [];
    for (const path of [this.root, join(this.root, 'journal.json'), join(this.root, 'boot.config'), ...staged]) {
      const { dirty, condemned } = this.#of(path);
      if (condemned) this.#problems.add(`"${said}" was said, but an fsync of ${path} had failed, and it was not written anew`);
      else if (dirty) this.#problems.add(`"${said}" was said before ${path} was fsynced`);
    }
  }

  #of(path: string): Inode {
    return this.#inodes.get(path) ?? { dirty: false, condemned: false };
  }

  #below(path: string): readonly string[] {
    return [...this.#inodes.keys()].filter((one) => one === path || one.startsWith(`${path}/`));
  }
}
