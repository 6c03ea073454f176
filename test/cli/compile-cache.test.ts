// What was compiled when this was built is believed of exactly the same text only; where it cannot be used everything runs as without it.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(__dirname, '../..');
let scratch: string;
beforeEach(() => { scratch = mkdtempSync(join(tmpdir(), 'segue-compiled-')); });
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const MODULE = `#!/usr/bin/env node
'use strict';
const { sep } = require('node:path');
exports.said = 'one';
exports.place = [__filename, __dirname, require.resolve('./other.js'), module.exports === exports, this === exports].join(' ');
exports.failing = () => { throw new Error('here'); };`;

/** In a process of its own. */
function inNode(code: string): unknown {
  const text = `const { useCompileCache, recordCompileCache } = require(${JSON.stringify(join(ROOT, 'src/cli/compile-cache.ts'))});
const { Script } = require('node:vm');
(async () => { ${code} })().then((said) => console.log(JSON.stringify(said)));`;
  return JSON.parse(execFileSync(process.execPath, ['-r', join(ROOT, 'tools/ts.cjs'), '-e', text], { cwd: scratch, encoding: 'utf8' }));
}

const RECORD = `const recorded = recordCompileCache(); require('./a.js'); require('./later.js'); require('node:fs').writeFileSync('cache', recorded()); return true;`;
const USE = `
const rejected = [];
const { runInThisContext } = Script.prototype;
Script.prototype.runInThisContext = function (...args) { rejected.push(this.cachedDataRejected); return Reflect.apply(runInThisContext, this, args); };
useCompileCache('cache');
const a = require('./a.js');
const told = await require('./later.js').later();
let where; try { a.failing(); } catch (error) { where = /a\\.js:\\d+:\\d+/.exec(error.stack)[0]; }
return { said: a.said, place: a.place, told, where, rejected };`;

beforeEach(() => {
  writeFileSync(join(scratch, 'a.js'), MODULE);
  writeFileSync(join(scratch, 'other.js'), '');
  writeFileSync(join(scratch, 'later.js'), "exports.later = async () => (await import('./other.mjs')).default;");
  writeFileSync(join(scratch, 'other.mjs'), "export default 'imported';");
});

const AS_EVER = (): object => ({ place: `${scratch}/a.js ${scratch} ${scratch}/other.js true true`, told: 'imported', where: 'a.js:6:33' });

test('a module that was compiled before runs as ever, and is not compiled again', () => {
  inNode(RECORD);
  expect(inNode(USE)).toEqual({ ...AS_EVER(), said: 'one', rejected: [false] });
});

test('one that says something else by now is compiled as it is, also where it is as long', () => {
  inNode(RECORD);
  writeFileSync(join(scratch, 'a.js'), MODULE.replace("'one'", "'two'"));
  expect(inNode(USE)).toEqual({ ...AS_EVER(), said: 'two', rejected: [null] });
});

test.each([['is not there', () => rmSync(join(scratch, 'cache'))], ['is something else', () => writeFileSync(join(scratch, 'cache'), 'something else')]])('a cache that %s is done without', (_, spoil) => {
  inNode(RECORD);
  spoil();
  expect(inNode(USE)).toEqual({ ...AS_EVER(), said: 'one', rejected: [] });
});

/** Recorded, then changed. */
const recordedBut = (change: string): string => RECORD.replace('recorded()', `(() => { const v8 = require('node:v8'); const made = v8.deserialize(recorded()); return v8.serialize(${change}); })()`);

test('one that another V8 does not take is done without, module by module', () => {
  inNode(recordedBut('{ ...made, compiled: new Map([...made.compiled].map(([key, data]) => [key, Buffer.from(data).fill(7, 0, 16)])) }'));
  expect(inNode(USE)).toEqual({ ...AS_EVER(), said: 'one', rejected: [true] });
});

test('one of another Node is not looked at, and nothing is compiled by us', () => {
  inNode(recordedBut("{ ...made, node: 'v1.2.3' }"));
  expect(inNode(USE)).toEqual({ ...AS_EVER(), said: 'one', rejected: [] });
});
