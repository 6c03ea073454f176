// The workflow code a control worker runs: the bundle made at build time when it was made from this very code, else one made now from the sources.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { WorkerOptions } from '@temporalio/worker';

/** Folders whose files end up in the bundle: workflows import nothing else of ours (DESIGN §8). */
const BUNDLED_FOLDERS = ['workflows', 'domain'] as const;

/** Written beside the bundle: from what it was made. */
export interface BundleStamp {
  /** SHA-256 over the code and the SDK's version. */
  readonly madeFrom: string;
}

export const BUNDLE_FILE = 'workflow-bundle.js';
export const STAMP_FILE = 'workflow-bundle.json';

/** What to give `Worker.create`. `bundle` is the path of a bundle somebody vouches for; without it the one beside our code is taken when its stamp matches. */
export function workflowCode(bundle?: string, root = join(__dirname, '..')): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  if (bundle !== undefined) return { workflowBundle: { codePath: bundle } };
  const built = join(root, BUNDLE_FILE);
  if (existsSync(built) && stampOf(root)?.madeFrom === digestOfWorkflowCode(root)) return { workflowBundle: { codePath: built } };
  return { workflowsPath: require.resolve('../workflows/index') };
}

/** Changes whenever the code that goes into the bundle, or the SDK that bundles it, does. `root` holds `workflows` and `domain`, compiled or not. */
export function digestOfWorkflowCode(root: string): string {
  const hash = createHash('sha256').update(sdkVersion());
  for (const file of BUNDLED_FOLDERS.flatMap((folder) => codeFiles(join(root, folder)))) {
    hash.update(`\0${relative(root, file)}\0`).update(readFileSync(file));
  }
  return hash.digest('hex');
}

function stampOf(root: string): BundleStamp | undefined {
  const path = join(root, STAMP_FILE);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as BundleStamp) : undefined;
}

function codeFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /(?<!\.d)\.(ts|js)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function sdkVersion(): string {
  const { version } = JSON.parse(readFileSync(require.resolve('@temporalio/worker/package.json'), 'utf8')) as { version: string };
  return version;
}
