// What every step of the demo is given.

import type { Client } from '@temporalio/client';
import type { Facts } from './facts';
import type { FleetOfProcesses } from './fleet-of-processes';
import type { Say } from './report';
import type { Rollouts } from './rollout-commands';

export interface Stage {
  readonly fleet: FleetOfProcesses;
  readonly client: Client;
  readonly rollouts: Rollouts;
  readonly samples: string;
  readonly say: Say;
  /** Aborted when somebody wants it to end. */
  readonly signal: AbortSignal;
  readonly facts: Facts;
}
