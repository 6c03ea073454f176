// Once per test run: where the temporal program is, and the workflow bundle. Told by the environment, because test files run in processes of their own.
// A failure is told too, and thrown by whoever asks: a broken workflow file must not fail the tests of a parser.

import { resolve } from 'node:path';
import { resolveTemporalCli } from '../../src/worker/temporal-cli';
import { bundleOnce } from './bundle-once';
import type { Prepared, Shared } from './shared';
import { SHARED_VARIABLE } from './shared';

async function globalSetup(): Promise<void> {
  const shared: Shared = {
    temporalCli: await prepared(() => resolveTemporalCli()),
    workflowBundle: await prepared(() => bundleOnce(resolve(__dirname, '../../src'))),
  };
  process.env[SHARED_VARIABLE] = JSON.stringify(shared);
}

async function prepared(make: () => Promise<string>): Promise<Prepared> {
  try {
    return { path: await make() };
  } catch (error) {
    return { failed: String(error) };
  }
}

export = globalSetup;
