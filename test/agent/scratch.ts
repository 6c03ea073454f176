// Directories for one test, gone after it.

import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];

export async function scratch(): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'segue-agent-')));
  made.push(path);
  return path;
}

export async function removeScratch(): Promise<void> {
  await Promise.all(made.splice(0).map((path) => rm(path, { recursive: true, force: true })));
}
