// The disk of a timeline: directories, files, and what the recording's stand-in loader was told to do in each version directory.

import type { FileSystemView } from '../fs-view';
import { ServingError } from '../status';
import type { FsAction } from './timeline';

export interface Behaviour {
  readonly sleepMs: number;
  readonly fails: boolean;
  readonly estimateFails: boolean;
}

export class MemoryFiles implements FileSystemView {
  readonly #nodes = new Map<string, 'directory' | 'file'>();
  readonly #behaviours = new Map<string, string>();

  apply(action: FsAction): void {
    switch (action.do) {
      case 'version':
        this.#add(action.path, 'directory');
        this.#behaviours.set(action.path, action.behaviour);
        return;
      case 'behaviour':
        this.#add(action.path, 'directory');
        this.#behaviours.set(action.path, action.behaviour);
        return;
      case 'mkdir': return this.#add(action.path, 'directory');
      case 'touch': return this.#add(action.path, 'file');
      case 'remove': return this.#move(action.path, undefined);
      case 'move': return this.#move(action.path, action.to);
    }
  }

  exists(path: string): boolean {
    return this.#nodes.has(path);
  }

  children(path: string): string[] {
    if (this.#nodes.get(path) !== 'directory') throw new ServingError('NOT_FOUND', `${path} not found`);
    const prefix = path.endsWith('/') ? path : `${path}/`;
    return [...this.#nodes.keys()].filter((node) => node.startsWith(prefix) && !node.slice(prefix.length).includes('/')).map((node) => node.slice(prefix.length));
  }

  /** Undefined where nothing is (any more). */
  behaviour(path: string): Behaviour | undefined {
    if (!this.exists(path)) return undefined;
    const text = this.#behaviours.get(path) ?? '';
    return { sleepMs: Number(/sleep=([0-9]+)/.exec(text)?.[1] ?? 0), fails: /\bfail=1/.test(text), estimateFails: /\bestfail=1/.test(text) };
  }

  #add(path: string, kind: 'directory' | 'file'): void {
    const parent = path.slice(0, path.lastIndexOf('/'));
    if (parent !== '' && !this.exists(parent)) this.#add(parent, 'directory');
    this.#nodes.set(path, kind);
  }

  #move(from: string, to: string | undefined): void {
    for (const [node, kind] of [...this.#nodes]) {
      if (node !== from && !node.startsWith(`${from}/`)) continue;
      const behaviour = this.#behaviours.get(node);
      this.#nodes.delete(node);
      this.#behaviours.delete(node);
      if (to === undefined) continue;
      const moved = to + node.slice(from.length);
      this.#add(moved, kind);
      if (behaviour !== undefined) this.#behaviours.set(moved, behaviour);
    }
  }
}
