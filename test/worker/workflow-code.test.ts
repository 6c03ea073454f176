import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUNDLE_FILE, digestOfWorkflowCode, STAMP_FILE, workflowCode } from '../../src/worker/workflow-code';

let lib: string;
beforeEach(() => {
  lib = mkdtempSync(join(tmpdir(), 'segue-lib-'));
  for (const folder of ['workflows', 'domain']) {
    mkdirSync(join(lib, folder));
    writeFileSync(join(lib, folder, 'a.js'), 'one');
  }
  writeFileSync(join(lib, BUNDLE_FILE), 'bundled');
  writeFileSync(join(lib, STAMP_FILE), JSON.stringify({ madeFrom: digestOfWorkflowCode(lib) }));
});
afterEach(() => rmSync(lib, { recursive: true }));

test('the bundle of the build is taken as long as it was made from this very code', () => {
  expect(workflowCode(undefined, lib)).toEqual({ workflowBundle: { codePath: join(lib, BUNDLE_FILE) } });
});

test.each([
  ['a workflow changed since', () => writeFileSync(join(lib, 'workflows', 'a.js'), 'two')],
  ['a decision it runs changed since', () => writeFileSync(join(lib, 'domain', 'a.js'), 'two')],
  ['a file was added since', () => writeFileSync(join(lib, 'domain', 'b.js'), '')],
  ['nobody says what it was made from', () => rmSync(join(lib, STAMP_FILE))],
  ['it is not there', () => rmSync(join(lib, BUNDLE_FILE))],
])('%s: bundled anew from the sources', (_, change) => {
  change();
  expect(workflowCode(undefined, lib).workflowsPath).toMatch(/workflows[/\\]index\.(ts|js)$/);
});

test('a bundle that somebody vouches for is taken as it is', () => {
  expect(workflowCode('/given/bundle.js', lib)).toEqual({ workflowBundle: { codePath: '/given/bundle.js' } });
});
