// The program under test as it was when the run began: compiled once, so that processes start quickly and an edit during the run changes nothing.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { transformSync } from '@swc/core';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { BUNDLE_FILE, digestOfWorkflowCode, STAMP_FILE } from '../../src/worker/workflow-code';

const ROOT = resolve(__dirname, '../..');

/** Returns the path of the `segue` command. */
export async function buildProgram(directory: string): Promise<string> {
  const lib = join(directory, 'lib');
  const sources = join(ROOT, 'src');
  for (const entry of readdirSync(sources, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const filename = join(entry.parentPath, entry.name);
    const { code } = transformSync(readFileSync(filename, 'utf8'), { filename, jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } });
    const to = join(lib, relative(sources, filename).replace(/\.ts$/, '.js'));
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, code);
  }
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  copyFileSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
  const { code } = await bundleWorkflowCode({ workflowsPath: join(lib, 'workflows', 'index.js'), logger: new DefaultLogger('WARN') });
  writeFileSync(join(lib, BUNDLE_FILE), code);
  writeFileSync(join(lib, STAMP_FILE), JSON.stringify({ madeFrom: digestOfWorkflowCode(lib) }));
  return join(lib, 'cli', 'main.js');
}
