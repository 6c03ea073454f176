// Makes lib/workflow-bundle.js from the compiled workflows, and beside it the stamp by which a control worker sees that it belongs to its code.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const require = createRequire(import.meta.url);
const lib = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..', 'lib');
const { bundleWorkflowCode } = require('@temporalio/worker');
const { BUNDLE_FILE, STAMP_FILE, digestOfWorkflowCode } = require(join(lib, 'worker', 'workflow-code.js'));

const { code } = await bundleWorkflowCode({ workflowsPath: join(lib, 'workflows', 'index.js'), logger: quiet() });
writeFileSync(join(lib, BUNDLE_FILE), code);
writeFileSync(join(lib, STAMP_FILE), JSON.stringify({ madeFrom: digestOfWorkflowCode(lib) }));

/** webpack's statistics are of no use to anybody here; its errors are thrown. */
function quiet() {
  const nothing = () => {};
  return { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: console.warn, error: console.error };
}
