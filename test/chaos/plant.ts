// Faults on purpose, which the checks must find: only for the test that shows that they can.

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KEYS } from './contents';
import { diskVersions, versionPath } from './look';
import { FLEET, type Host, type Stack } from './stack';

/** Longer than a client waits for an answer. */
const HANG_MS = 5_000;

export async function plant(name: string, stack: Stack): Promise<void> {
  const host = stack.host('edge-a');
  switch (name) {
    case 'flip': return flip(host);
    case 'rogue': return rogue(host);
    case 'secret': return stack.temporal.client.workflow.getHandle(`fleet/${FLEET}`).signal('refresh', { note: KEYS.secretAccessKey });
    case 'hang': return hang(stack);
    case 'leftover': return writeFileSync(join(host.root, 'staging', 'half', 'somebody-else'), '');
    default: throw new Error(`no plant ${name}`);
  }
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

async function hang(stack: Stack): Promise<void> {
  await stack.part('edge-b-server').freeze(HANG_MS);
  await delay(100);
}
