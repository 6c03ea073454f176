// The agent started anew on what a crash left, as it really starts: what it believes, and what it removes.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startAgent } from '../../src/agent/agent';
import type { FleetName, ServerName } from '../../src/domain/names';
import { type Acknowledged, violations } from './check';
import { MODEL } from './life';

/** Violations after a start of the agent on this root, which may be a copy of the writer's. */
export async function restarted(root: string, acked: Acknowledged): Promise<readonly string[]> {
  // Nobody serves there: the agent must start all the same.
  const agent = await startAgent({ fleet: 'demo' as FleetName, server: 'edge-a' as ServerName, root, serving: `unix:${root}/nobody.sock`, pollSeconds: 60 }).catch((error: unknown) => error as Error);
  if (agent instanceof Error) return [`a new agent does not start: ${agent.message}`];
  await agent.close();
  return [
    ...violations(root, { ...acked, ready: true, tidied: true }).map((violation) => `started anew: ${violation}`),
    ...leftovers(root, true).map((path) => `started anew: ${path} is nobody's and was left`),
  ];
}

/** What should have been removed: anything in staging that the journal does not own, and temporary files. */
export function leftovers(root: string, partialMayStay: boolean): readonly string[] {
  const staging = join(root, 'staging', MODEL);
  const inStaging = existsSync(staging) ? readdirSync(staging) : [];
  const partial = inStaging.filter((name) => /^\d+-[0-9a-f]{12}(\.json)?$/.test(name));
  return [
    ...inStaging.filter((name) => !(partialMayStay && partial.includes(name))),
    ...partialMayStay ? [] : readdirSync(root).filter((name) => name.endsWith('.tmp')),
  ];
}
