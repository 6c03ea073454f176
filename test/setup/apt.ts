// A package of the distribution, for tests that need a program of the system. Changes the system: only as root, and only what a test cannot do without.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Package lists and a few megabytes, also over a slow line. */
export const APT_TIMEOUT_MS = 3 * 60 * 1000;

export async function installPackages(names: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('not root');
  await run('apt-get', ['update'], { timeout: APT_TIMEOUT_MS });
  await run('apt-get', ['install', '-y', '--no-install-recommends', ...names], { timeout: APT_TIMEOUT_MS, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
}
