// One bundle for every test run on the same workflow code: kept in the temporary directory under the digest of what it was made from.

import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { digestOfWorkflowCode } from '../../src/worker/workflow-code';

export async function bundleOnce(src: string): Promise<string> {
  const path = join(tmpdir(), 'segue-test-bundles', `${digestOfWorkflowCode(src)}.js`);
  if (existsSync(path)) return path;
  const { code } = await bundleWorkflowCode({ workflowsPath: join(src, 'workflows', 'index.ts'), logger: new DefaultLogger('WARN') });
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(`${path}.${process.pid}`, code);
  renameSync(`${path}.${process.pid}`, path);
  return path;
}
