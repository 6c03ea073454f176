// Our TypeScript as plain JavaScript in a directory of its own: a process that is started hundreds of times must not compile itself each time.

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { transformSync } from '@swc/core';

const REPOSITORY = resolve(__dirname, '../..');

/** @returns the compiled `test/crash/writer.ts`, to be run by node. */
export function compileWriter(directory: string): string {
  for (const folder of ['src', 'test/crash']) {
    for (const entry of readdirSync(join(REPOSITORY, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts') || entry.name.endsWith('.test.ts')) continue;
      const source = join(entry.parentPath, entry.name);
      const target = join(directory, source.slice(REPOSITORY.length)).replace(/\.ts$/, '.js');
      const { code } = transformSync(readFileSync(source, 'utf8'), { filename: source, jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } });
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, code);
    }
  }
  symlinkSync(join(REPOSITORY, 'node_modules'), join(directory, 'node_modules'));
  return join(directory, 'test/crash/writer.js');
}
