// The loader of the recordings: no TensorFlow; a file in the version directory tells it what to do.

import type { Clock } from '../clock';
import type { LoaderFactory } from '../loader';
import type { ServableId } from '../servable-id';
import { ServingError } from '../status';
import type { MemoryFiles } from './memory-files';

/** A servable of it is where it came from. */
export type StandInServable = string;

/** Reads the directory at the estimate and again at the beginning of each attempt; what changes during an attempt does not matter to it. */
export function standInLoader(clock: Clock, files: MemoryFiles, note: (model: string, text: string) => void): LoaderFactory<StandInServable> {
  return (id: ServableId, path: string) => {
    let attempt = 0;
    return {
      estimateResources() {
        const behaviour = files.behaviour(path);
        if (behaviour === undefined || behaviour.estimateFails) throw new ServingError('NOT_FOUND', `est ${path}`);
      },
      async load() {
        attempt += 1;
        note(id.name, `loader attempt ${attempt} ${path}`);
        const behaviour = files.behaviour(path);
        if (behaviour !== undefined && behaviour.sleepMs > 0) await clock.sleep(behaviour.sleepMs);
        if (behaviour === undefined || behaviour.fails) throw new ServingError('NOT_FOUND', `fake load failure ${path}`);
        return path;
      },
      unload: () => undefined,
    };
  };
}
