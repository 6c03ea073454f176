// A Temporal worker as something that runs until stopped.

import type { Worker } from '@temporalio/worker';
import type { Running } from './running';

/** Starts polling. `stop` lets what runs end for the worker's grace time, then cancels it. */
export function runWorker(worker: Worker): Running {
  const ended = worker.run();
  ended.catch(() => undefined); // whoever waits for `ended` hears it; nobody need wait
  return {
    ended,
    stop: async () => {
      // Also asked of a worker that failed by itself or is already stopping: then there is nothing left to ask.
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await ended.catch(() => undefined);
    },
  };
}
