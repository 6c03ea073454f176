// The loader of platform "tensorflow": a version directory on disk becomes something that predicts (reference §5 "Resources", §9).

import { lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from './clock';
import type { Faults } from './faults';
import { localPath } from './fs-view';
import type { LoaderFactory } from './loader';
import type { PredictableServable } from './prediction-service';
import { ServingError } from './status';

/** Reads a version directory as TensorFlow's loader does; throws ServingError with its codes and texts. */
export type LoadServable = (dir: string, tags: readonly string[], options: { readonly warmup: boolean }) => Promise<PredictableServable>;

export interface SavedModelLoaderOptions {
  readonly clock: Clock;
  readonly faults: Faults;
  /** --saved_model_tags. */
  readonly tags: readonly string[];
  /** --enable_model_warmup. */
  readonly warmup: boolean;
  readonly loadServable: LoadServable;
  /** Told of each attempt, for the load_attempt_count metric. */
  readonly onAttempt: () => void;
}

export function savedModelLoader({ clock, faults, tags, warmup, loadServable, onAttempt }: SavedModelLoaderOptions): LoaderFactory<PredictableServable> {
  return (id, path) => ({
    estimateResources() {
      faults.strike('estimate', id);
      bytesBelow(localPath(path));
    },
    async load() {
      onAttempt();
      const ms = faults.delayMs('load', id);
      if (ms > 0) await clock.sleep(ms);
      await faults.held(id);
      faults.strike('load', id);
      return loadServable(localPath(path), tags, { warmup });
    },
    unload() {
      // Memory is the garbage collector's.
    },
  });
}

/** Follows the directory as the server's own estimate does; a file that vanishes meanwhile is an error. */
function bytesBelow(dir: string): number {
  let bytes = 0;
  try {
    for (const name of readdirSync(dir)) {
      const path = join(dir, name);
      bytes += lstatSync(path).isDirectory() ? bytesBelow(path) : statSync(path).size;
    }
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR' && code !== 'EACCES') throw error;
    const reason = code === 'ENOENT' ? 'No such file or directory' : code === 'ENOTDIR' ? 'Not a directory' : 'Permission denied';
    throw new ServingError(code === 'EACCES' ? 'PERMISSION_DENIED' : 'NOT_FOUND', `${path ?? dir}; ${reason}`);
  }
  return bytes;
}
