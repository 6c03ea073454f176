// util/retrier.cc: attempts with a sleep between; all errors are retried alike (reference §5 "Retry").

import type { Clock } from './clock';
import { ServingError } from './status';

export interface RetryOptions {
  /** Attempts after the first: --max_num_load_retries. */
  readonly maxRetries: number;
  readonly intervalMs: number;
}

/** Whether to go on is asked right after a failure, before the sleep: cancelled during the sleep, it makes one more attempt. */
export async function retry<T>(
  clock: Clock, options: RetryOptions, attempt: () => T | Promise<T>, isCancelled: () => boolean, onFailure: (error: ServingError) => void,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ServingError)) throw error;
      onFailure(error);
      if (isCancelled() || tries > options.maxRetries) throw error;
    }
    await clock.sleep(options.intervalMs);
  }
}
