// What the global setup prepared, for the tests that need it.

export type Prepared = { readonly path: string } | { readonly failed: string };
export interface Shared {
  readonly temporalCli: Prepared;
  readonly workflowBundle: Prepared;
}

export const SHARED_VARIABLE = 'SEGUE_TEST_SHARED';

/** The temporal program. Throws with all five ways and reasons when there is none: a test that needs Temporal fails, it is not skipped. */
export function temporalCli(): string {
  return pathOf('temporalCli');
}

/** A bundle of src/workflows as it was when the test run began: for `startControlWorker({ workflowBundle })`. */
export function workflowBundle(): string {
  return pathOf('workflowBundle');
}

function pathOf(what: keyof Shared): string {
  const told = process.env[SHARED_VARIABLE];
  if (told === undefined) throw new Error('jest ran without test/setup/global-setup.ts: see jest.config.js');
  const found = (JSON.parse(told) as Shared)[what];
  if ('failed' in found) throw new Error(found.failed);
  return found.path;
}
