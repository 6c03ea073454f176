// Keeps the versioned clients in step with a rollout, as an application would: by `status`, the version before until the server drains it, then the new one.

import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { ServerName, Version } from '../../domain/names';
import type { ServerStatus, Status } from '../../domain/status';
import type { RolloutEnd } from './facts';
import type { Load } from './load';

/** Well within the two seconds a drain lasts in the demo. */
const LOOK_EVERY_MS = 100;
/** A query answers within milliseconds, but one that meets the workflow task that closes the workflow was seen to hang for 30 s: it is given up, and asked again. */
const QUERY_DEADLINE_MS = 700;

/** At these steps the new version is AVAILABLE and proven, and the one before is on its way out. */
const LEAVING: ReadonlySet<ServerStatus['step']> = new Set(['drainVersion', 'unloadVersion', 'served']);

/** Follows until the rollout was awaited; what its verdict says of the servers is the last word. */
export async function whileFollowing(rollout: { readonly client: Client; readonly workflowId: string; readonly version: Version }, load: Load, result: () => Promise<RolloutEnd>): Promise<RolloutEnd> {
  const over = new AbortController();
  const following = (async () => {
    while (!over.signal.aborted) {
      // Asked again in a moment; a client that hears nothing keeps what it has.
      const status = await statusOf(rollout.client, rollout.workflowId).catch(() => undefined);
      for (const server of status === undefined ? [] : serversThatLeave(status)) load.ask(server, rollout.version);
      await delay(LOOK_EVERY_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
  })();
  try {
    const end = await result();
    for (const server of serversThatServe(end)) load.ask(server, rollout.version);
    return end;
  } finally {
    over.abort();
    await following;
  }
}

function serversThatServe({ verdict }: RolloutEnd): readonly ServerName[] {
  if (verdict === undefined) return [];
  return (Object.keys(verdict.servers) as ServerName[]).filter((name) => verdict.servers[name]?.end === 'served');
}

export function serversThatLeave(status: Pick<Status, 'servers'>): readonly ServerName[] {
  return (Object.keys(status.servers) as ServerName[]).filter((name) => LEAVING.has(status.servers[name]?.step ?? 'pending'));
}

/** Rejects when nobody answers in time. */
export function statusOf(client: Client, workflowId: string): Promise<Status> {
  return client.withDeadline(Date.now() + QUERY_DEADLINE_MS, () => client.workflow.getHandle(workflowId).query<Status>('status'));
}
