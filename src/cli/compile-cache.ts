// What V8 made of our modules when this was built, so that a short command need not compile them again: a third of what `segue fetch` takes before its first byte. Made beside the compiled
// code by tools/compile-cache.mjs and only read here; where it is missing, or was made by another Node, or a module is another one by now, that module is compiled as ever.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import Module = require('node:module');
import { dirname } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { Script } from 'node:vm';

export const COMPILE_CACHE_FILE = 'compile-cache.bin';

/** The wrapper that require() itself puts around a module. */
const BEFORE = '(function (exports, require, module, __filename, __dirname) { ';
const AFTER = '\n});';

/** What V8 gives back from a cache does not know whose import() it calls (Node 20). */
const IMPORTS = /\bimport\s*\(/;

/** The part of a module that Node does not declare, and that tools which compile for require() have always replaced. */
interface Compiling {
  exports: unknown;
  /** @param format since Node 22: `module` for what is no CommonJS */
  _compile: (this: Compiling, content: string, filename: string, format?: unknown) => unknown;
}

/** By what a module says, not by where it lies: where packages are put is npm's to choose. */
type Compiled = ReadonlyMap<string, Uint8Array>;

interface Made {
  /** Another Node's is no use to this one. */
  readonly node: string;
  readonly compiled: Compiled;
}

/** Every module required from now on is taken from there, where it is there. */
export function useCompileCache(file: string): void {
  let made: Made;
  try {
    made = deserialize(readFileSync(file)) as Made;
    if (made.node !== process.version || !(made.compiled instanceof Map)) return;
  } catch {
    return; // Not built, or by something else.
  }
  replaceCompile(made.compiled, () => undefined);
}

/** Every module required from now on is noted. Gives what `useCompileCache` reads, with all that was compiled until then. */
export function recordCompileCache(): () => Uint8Array {
  const scripts = new Map<string, Script>();
  replaceCompile(new Map(), (key, script) => scripts.set(key, script));
  return () => serialize({ node: process.version, compiled: new Map([...scripts].map(([key, script]): readonly [string, Uint8Array] => [key, script.createCachedData()])) } satisfies Made);
}

function replaceCompile(compiled: Compiled, note: (key: string, script: Script) => void): void {
  const { prototype } = Module as unknown as { readonly prototype: Compiling };
  const asEver = prototype._compile;
  prototype._compile = function compile(this: Compiling, content: string, filename: string, ...more: readonly unknown[]): unknown {
    if (more[0] === 'module' || IMPORTS.test(content)) return Reflect.apply(asEver, this, [content, filename, ...more]);
    const source = content.replace(/^#!.*/, '');
    const key = createHash('sha1').update(source).digest('hex');
    const cachedData = compiled.get(key);
    const script = new Script(BEFORE + source + AFTER, { filename, columnOffset: -BEFORE.length, ...(cachedData === undefined ? {} : { cachedData }) });
    note(key, script);
    const run = script.runInThisContext() as (exports: unknown, require: NodeJS.Require, module: unknown, filename: string, directory: string) => unknown;
    return Reflect.apply(run, this.exports, [this.exports, createRequire(filename), this, filename, dirname(filename)]);
  };
}
