// Faults on purpose, which the checks must find: only for the test that shows that they can.

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelName, Version } from '../../src/domain/names';
import { ServingClient } from '../../src/serving/client';
import { KEYS } from './contents';
import { bootVersions, diskVersions, versionPath } from './look';
import { MODELS } from './plan';
import { FLEET, type Host, type Stack } from './stack';
import { until } from '../setup/until';

/** Longer than a client waits for an answer. */
const HANG_MS = 5_000;

export async function plant(name: string, stack: Stack): Promise<void> {
  switch (name) {
    case 'flip': return flip(stack.host('edge-a'));
    case 'rogue': return rogue(stack.host('edge-a'));
    case 'foreignList': return foreignList(stack.host('edge-c'));
    case 'secret': return stack.temporal.client.workflow.getHandle(`fleet/${FLEET}`).signal('refresh', { note: KEYS.secretAccessKey });
    case 'hang': return stack.part('edge-b-server').freeze(HANG_MS);
    case 'leftover': return writeFileSync(join(stack.host('edge-a').root, 'staging', 'half', 'somebody-else'), '');
    case 'taskFailure': return taskFailure(stack);
    default: throw new Error(`no plant ${name}`);
  }
}

/** Without an input the workflow code breaks: its task fails, again and again. */
async function taskFailure(stack: Stack): Promise<void> {
  const handle = await stack.temporal.client.workflow.start('transition', { workflowId: `rollout/${FLEET}/planted`, taskQueue: 'segue', args: [] });
  await until(async () => (await handle.fetchHistory()).events?.some((event) => event.workflowTaskFailedEventAttributes), 60_000);
  await handle.terminate();
}

/** One bit of a file that a server has loaded. */
function flip(host: Host): void {
  const path = join(versionPath(host, 'half', diskVersions(host, 'half')[0] ?? ''), 'saved_model.pb');
  const bytes = readFileSync(path);
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

/** A version that nobody rolled out. */
function rogue(host: Host): void {
  cpSync(versionPath(host, 'third', diskVersions(host, 'third')[0] ?? ''), versionPath(host, 'third', '777777'), { recursive: true });
}

/** Somebody gives the server a list with a version that is not there, beside what it serves. */
async function foreignList(host: Host): Promise<void> {
  const serving = new ServingClient(host.address);
  const list = MODELS.map((model) => ({ name: model as string as ModelName, basePath: join(host.root, 'models', model), platform: 'tensorflow' as const, versions: [...bootVersions(host, model), ...(model === 'third' ? ['888888'] : [])] as Version[], labels: {} }));
  try {
    await serving.reload(list);
  } finally {
    serving.close();
  }
}
