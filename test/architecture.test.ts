// DESIGN §8 as a test: who may import whom, no cycles, nothing dead, and what the domain may not know. Each rule is shown to fail on a small tree that breaks it.

import { resolve } from 'node:path';
import { parseTree, readTree, type SourceFile } from './setup/module-graph';

/** Folder → folders it may import. `type:` allows only `import type`. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  proto: [],
  source: ['domain'],
  savedmodel: ['domain', 'proto'],
  serving: ['domain', 'proto'],
  agent: ['domain', 'source', 'savedmodel', 'serving', 'proto'],
  activities: ['domain', 'agent', 'source', 'serving'],
  workflows: ['domain', 'type:activities'],
  testing: ['domain', 'serving', 'savedmodel', 'proto'],
  worker: ['domain', 'proto', 'source', 'savedmodel', 'serving', 'agent', 'activities', 'workflows', 'testing'],
  cli: ['domain', 'proto', 'source', 'savedmodel', 'serving', 'agent', 'activities', 'workflows', 'testing', 'worker'],
};
/** Folder → packages and Node modules it may import; folders that are not here may import any. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = { domain: [], workflows: ['@temporalio/workflow', '@temporalio/common'], proto: ['@bufbuild/protobuf'] };
/** The edges of the library, and the programs that are started by their path. */
const EDGES = ['index.ts', 'testing/index.ts', 'workflows/index.ts'];
const ROOTS = [...EDGES, 'cli/main.ts', 'testing/s3/main.ts', 'testing/tf-serving/conformance/main.ts'];
const NAMELESS = /^(utils?|commons?|helpers?|misc|shared)$/;
const GENERATED = 'proto/gen/';
/** The domain is a value in and a value out: no clock, no chance, no process, no promise (DESIGN §8). */
const IMPURE = ['Date', 'Math.random', 'process', 'Promise', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch', 'crypto', 'performance', 'console', 'require', 'globalThis'];

const files = parseTree(readTree(resolve(__dirname, '../src')));

/** Each rule, and small trees that break it with what is then said. */
const RULES: readonly (readonly [rule: string, broken: (files: readonly SourceFile[]) => readonly string[], breaking: readonly (readonly [Readonly<Record<string, string>>, string])[]])[] = [
  ['imports follow the arrows of the design', wrongArrows, [
    [{ 'domain/a.ts': "import { x } from '../agent/b';", 'agent/b.ts': 'export const x = 1;' }, 'domain/a.ts → agent/b.ts'],
    [{ 'source/a.ts': "import type { X } from '../agent/b';", 'agent/b.ts': 'export type X = 1;' }, 'source/a.ts → agent/b.ts'],
    [{ 'worker/a.ts': "const { x } = require('../cli/b');", 'cli/b.ts': 'export const x = 1;' }, 'worker/a.ts → cli/b.ts'],
    [{ 'workflows/a.ts': "import { x } from '../activities/b';", 'activities/b.ts': 'export const x = 1;' }, 'workflows/a.ts → activities/b.ts'],
    [{ 'domain/a.ts': "import { z } from 'zod';" }, 'domain/a.ts → zod'],
    [{ 'workflows/a.ts': "export { readFile } from 'node:fs';" }, 'workflows/a.ts → node:fs'],
    [{ 'agent/a.ts': "import { x } from './gone';" }, 'agent/a.ts → agent/gone'],
    [{ 'misplaced/a.ts': "import { x } from '../domain/b';", 'domain/b.ts': 'export const x = 1;' }, 'misplaced/a.ts → domain/b.ts'],
  ]],
  ['nothing imports in a circle', cycles, [
    [{ 'agent/a.ts': "import { b } from './b'; export const a = b;", 'agent/b.ts': "export { a as b } from './c';", 'agent/c.ts': "import { a } from './a'; export { a };" }, 'agent/a.ts → agent/b.ts → agent/c.ts → agent/a.ts'],
  ]],
  ['every file is reachable from an edge of the library or from a program', dead, [
    [{ 'index.ts': "export { a } from './agent/a';", 'agent/a.ts': 'export const a = 1;', 'agent/forgotten.ts': 'export const b = 2;' }, 'agent/forgotten.ts'],
  ]],
  ['no folder or file is a place for anything', nameless, [
    [{ 'agent/utils/a.ts': 'export const a = 1;' }, 'agent/utils/a.ts'],
    [{ 'agent/helpers.ts': 'export const a = 1;' }, 'agent/helpers.ts'],
  ]],
  ['no enums in our own code', enums, [
    [{ 'agent/a.ts': 'export enum Colour { Red }' }, 'agent/a.ts: Colour'],
  ]],
  ['no barrels but at an edge of the library', barrels, [
    [{ 'agent/index.ts': "export * from './a';", 'agent/a.ts': 'export const a = 1;' }, 'agent/index.ts'],
  ]],
  ['the domain knows no clock, no chance, no process, and keeps no promises', impure, [
    [{ 'domain/a.ts': 'export const now = () => Date.now();' }, 'domain/a.ts: Date'],
    [{ 'domain/a.ts': 'export const now = () => new Date();' }, 'domain/a.ts: Date'],
    [{ 'domain/a.ts': 'export const dice = () => Math.random();' }, 'domain/a.ts: Math.random'],
    [{ 'domain/a.ts': "export const home = { of: process.env['HOME'] };" }, 'domain/a.ts: process'],
    [{ 'domain/a.ts': 'export async function later() { return 1; }' }, 'domain/a.ts: Promise'],
    [{ 'domain/a.ts': 'export const later = () => Promise.resolve(1);' }, 'domain/a.ts: Promise'],
  ]],
];

test.each(RULES)('%s', (_, broken) => expect(broken(files)).toEqual([]));

test.each(RULES.flatMap(([rule, broken, breaking]) => breaking.map(([tree, told]) => [rule, told, broken, tree] as const)))('seen when broken: %s: %s', (_, told, broken, tree) => {
  expect(broken(parseTree(new Map(Object.entries(tree))))).toContain(told);
});

test('the tree was really read', () => {
  expect(files.length).toBeGreaterThan(50);
  expect(files.filter((file) => file.imports.length > 0).length).toBeGreaterThan(files.length / 2);
});

test('a type may speak of a promise, and a property may be called process', () => {
  const pure = { 'domain/a.ts': 'export interface Calls { step(): Promise<Date> } export const x = { process: 1 }.process; // Date.now()' };
  expect(impure(parseTree(new Map(Object.entries(pure))))).toEqual([]);
});

function wrongArrows(tree: readonly SourceFile[]): readonly string[] {
  const known = new Set(tree.map((file) => file.path));
  return tree.flatMap((file) => file.imports.filter((one) => {
    const from = folderOf(file.path);
    if (!one.ours) return PACKAGES[from] !== undefined && !PACKAGES[from].some((name) => one.to === name || one.to.startsWith(`${name}/`));
    if (!known.has(one.to)) return true;
    const to = folderOf(one.to);
    if (from === to || from === '') return false;
    const allowed = ARROWS[from] ?? [];
    return !(allowed.includes(to) || (one.typeOnly && allowed.includes(`type:${to}`)));
  }).map((one) => `${file.path} → ${one.to}`));
}

/** Of values: a type that is imported leaves nothing behind that could run too early. */
function cycles(tree: readonly SourceFile[]): readonly string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const byPath = new Map(tree.map((file) => [file.path, file]));
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.push([...trail.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    for (const one of byPath.get(path)?.imports ?? []) if (one.ours && !one.typeOnly) walk(one.to, [...trail, path]);
    done.add(path);
  };
  for (const file of tree) walk(file.path, []);
  return found.filter((cycle) => !cycle.startsWith(GENERATED));
}

function dead(tree: readonly SourceFile[]): readonly string[] {
  const reached = new Set<string>();
  const byPath = new Map(tree.map((file) => [file.path, file]));
  const queue = ROOTS.filter((root) => byPath.has(root));
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    queue.push(...(byPath.get(path)?.imports ?? []).filter((one) => one.ours).map((one) => one.to));
  }
  return tree.map((file) => file.path).filter((path) => !reached.has(path) && !path.startsWith(GENERATED));
}

function nameless(tree: readonly SourceFile[]): readonly string[] {
  return tree.map((file) => file.path).filter((path) => path.replace(/\.ts$/, '').split('/').some((part) => NAMELESS.test(part)));
}

function enums(tree: readonly SourceFile[]): readonly string[] {
  return tree.filter((file) => !file.path.startsWith(GENERATED)).flatMap((file) => file.enums.map((name) => `${file.path}: ${name}`));
}

function barrels(tree: readonly SourceFile[]): readonly string[] {
  return tree.map((file) => file.path).filter((path) => /(^|\/)index\.ts$/.test(path) && !EDGES.includes(path));
}

function impure(tree: readonly SourceFile[]): readonly string[] {
  return tree.filter((file) => folderOf(file.path) === 'domain').flatMap((file) => IMPURE.filter((name) => file.uses.has(name)).map((name) => `${file.path}: ${name}`));
}

function folderOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : '';
}
