// The control worker: the workflows, and the few activities that need no host. Any number of them; none holds anything.

import { hostname } from 'node:os';
import { Worker } from '@temporalio/worker';
import { createControlActivities } from '../activities/control';
import { CONTROL_QUEUE } from '../domain/names';
import type { TemporalConnections } from './native-connection';
import type { Running } from './running';
import { ensureSearchAttributes } from './search-attributes';
import { workflowCode } from './workflow-code';
import { runWorker } from './worker-run';

export interface ControlWorkerOptions {
  readonly temporal: TemporalConnections;
  /** Path of a prebuilt workflow bundle; absent: the one of the build when it matches, else it is made now (about 1.5 s). */
  readonly workflowBundle?: string;
  /** How long activities may go on after a stop before they are cancelled, milliseconds. */
  readonly shutdownGraceMs?: number;
}

/** Explicit, because the SDK's default follows the heap and not the container (Temporal reference §6.40). A cached workflow takes 13-30 KiB: 20 MB at most. */
const MAX_CACHED_WORKFLOWS = 500;
/** Control activities last milliseconds; what still runs after this hangs. */
const SHUTDOWN_GRACE_MS = 10_000;

/** Resolves when it polls. Throws NoTemporalError when the namespace lacks our search attributes and we may not create them. */
export async function startControlWorker(options: ControlWorkerOptions): Promise<Running> {
  const { client, connection, native, target } = options.temporal;
  await ensureSearchAttributes(connection, target.namespace);
  const worker = await Worker.create({
    connection: native,
    namespace: target.namespace,
    taskQueue: CONTROL_QUEUE,
    identity: `segue control ${process.pid}@${hostname()}`,
    ...workflowCode(options.workflowBundle),
    activities: createControlActivities({ client }),
    maxCachedWorkflows: MAX_CACHED_WORKFLOWS,
    shutdownGraceTime: options.shutdownGraceMs ?? SHUTDOWN_GRACE_MS,
  });
  return runWorker(worker);
}
