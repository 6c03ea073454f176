// Keeps the versioned clients in step with a rollout, as an application would: by `status`, the version before until the server drains it, then the new one.

import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { ServerName, Version } from '../../domain/names';
import type { ServerStatus, Status } from '../../domain/status';
import type { Load } from './load';

/** Well within the two seconds a drain lasts in the demo. */
const LOOK_EVERY_MS = 100;

/** At these steps the new version is AVAILABLE and proven, and the one before is on its way out. */
const LEAVING: ReadonlySet<ServerStatus['step']> = new Set(['drainVersion', 'unloadVersion', 'served']);

/** Follows until the rollout was awaited: whatever it ends with, the last word of `status` is taken, and the follower is gone. */
export async function whileFollowing<T>(rollout: { readonly client: Client; readonly workflowId: string; readonly version: Version }, load: Load, result: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const look = async (): Promise<void> => {
    const status = await statusOf(rollout.client, rollout.workflowId);
    for (const server of serversThatLeave(status)) load.ask(server, rollout.version);
  };
  const following = (async () => {
    while (!over.signal.aborted) {
      await look().catch(() => undefined); // Asked again in a moment; a client that hears nothing keeps what it has.
      await delay(LOOK_EVERY_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
  })();
  try {
    const value = await result();
    await look();
    return value;
  } finally {
    over.abort();
    await following;
  }
}

export function serversThatLeave(status: Pick<Status, 'servers'>): readonly ServerName[] {
  return (Object.keys(status.servers) as ServerName[]).filter((name) => LEAVING.has(status.servers[name]?.step ?? 'pending'));
}

export function statusOf(client: Client, workflowId: string): Promise<Status> {
  return client.workflow.getHandle(workflowId).query<Status>('status');
}
