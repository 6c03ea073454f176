// The testing kit's S3 server from another process: its faults and its log.

import type { FaultRule } from '../../testing/s3/faults';
import type { LoggedRequest } from '../../testing/s3/request-log';

export async function addFault(endpoint: string, rule: FaultRule): Promise<void> {
  const response = await fetch(`${endpoint}/_segue/faults`, { method: 'POST', body: JSON.stringify(rule) });
  if (!response.ok) throw new Error(`${endpoint} does not take the fault: ${await response.text()}`);
}

export async function logOf(endpoint: string): Promise<readonly LoggedRequest[]> {
  const response = await fetch(`${endpoint}/_segue/log`);
  return (await response.json()) as readonly LoggedRequest[];
}
