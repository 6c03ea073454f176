// Control worker and agent in one process, for one machine: `segue up`.

import type { AgentWorkerOptions } from './agent-worker';
import { startAgentWorker } from './agent-worker';
import { startControlWorker } from './control-worker';
import type { TemporalConnections } from './native-connection';
import type { Running } from './running';
import { together } from './running';

export type BothOptions = Omit<AgentWorkerOptions, 'connect'> & { readonly temporal: TemporalConnections; readonly workflowBundle?: string };

/** Resolves when both poll; ends when one of them does. */
export async function startBoth(options: BothOptions): Promise<Running> {
  const control = await startControlWorker(options);
  try {
    const agent = await startAgentWorker({ ...options, connect: () => Promise.resolve(options.temporal) });
    return together([control, agent]);
  } catch (error) {
    await control.stop();
    throw error;
  }
}
