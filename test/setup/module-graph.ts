// A source tree as a graph: who imports whom, and what each file uses. Read with a real parser, so that comments and strings do not count.

import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { parseSync } from '@swc/core';

/** Path below src, with `/` → text. */
export type Tree = ReadonlyMap<string, string>;

export interface Import {
  /** A path of the tree, or the name of a package or of Node's own module. */
  readonly to: string;
  readonly ours: boolean;
  readonly typeOnly: boolean;
}

export interface SourceFile {
  readonly path: string;
  readonly imports: readonly Import[];
  readonly enums: readonly string[];
  /** Identifiers in places where they are values, `Math.random` and the like as one; `await` and `async` count as `Promise`. */
  readonly uses: ReadonlySet<string>;
}

export function readTree(root: string): Tree {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile() && entry.name.endsWith('.ts'));
  return new Map(entries.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8')] as const;
  }).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function parseTree(tree: Tree): readonly SourceFile[] {
  return [...tree].map(([path, text]) => parseFile(tree, path, text));
}

function parseFile(tree: Tree, path: string, text: string): SourceFile {
  const imports: Import[] = [];
  const enums: string[] = [];
  const uses = new Set<string>();
  const importFrom = (specifier: string, typeOnly: boolean): void => {
    const ours = specifier.startsWith('.');
    imports.push({ to: ours ? resolveIn(tree, path, specifier) : specifier, ours, typeOnly });
  };
  const enter = (node: Node): boolean => {
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration':
        if (isNode(node['source'])) importFrom(String(node['source']['value']), isTypeOnly(node));
        return node.type !== 'ImportDeclaration';
      case 'CallExpression': {
        const specifier = requiredBy(node);
        if (specifier !== undefined) importFrom(specifier, false);
        return true;
      }
      case 'TsEnumDeclaration':
        enums.push(String((node['id'] as Node)['value']));
        return true;
      case 'AwaitExpression':
        uses.add('Promise');
        return true;
      case 'MemberExpression': {
        const [object, property] = [node['object'], node['property']] as [Node, Node];
        if (object.type === 'Identifier' && property.type === 'Identifier') uses.add(`${String(object['value'])}.${String(property['value'])}`);
        visit(object, enter);
        if (property.type === 'Computed') visit(property, enter);
        return false;
      }
      case 'KeyValueProperty':
      case 'ClassProperty':
        if (isNode(node['value'])) visit(node['value'], enter);
        return false;
      default:
        return inspect(node);
    }
  };
  visit(parseSync(text, { syntax: 'typescript', target: 'es2022' }) as unknown as Node, enter);
  return { path, imports, enums, uses };

  function inspect(node: Node): boolean {
    if (node['async'] === true) uses.add('Promise');
    if (node.type === 'Identifier') uses.add(String(node['value']));
    // A type may speak of a Promise that somebody else keeps.
    return !/^Ts(TypeAnnotation|TypeReference|InterfaceDeclaration|TypeAliasDeclaration|TypeParameterInstantiation)/.test(node.type);
  }
}

/** A specifier without its extension, as a file of the tree; what cannot be found stays as it is and is reported by whoever looks it up. */
function resolveIn(tree: Tree, from: string, specifier: string): string {
  const path = posix.normalize(posix.join(posix.dirname(from), specifier));
  return [`${path}.ts`, `${path}/index.ts`, path].find((candidate) => tree.has(candidate)) ?? path;
}

function isTypeOnly(node: Node): boolean {
  if (node['typeOnly'] === true) return true;
  const specifiers = node['specifiers'];
  return Array.isArray(specifiers) && specifiers.length > 0 && specifiers.every((specifier: Node) => specifier['isTypeOnly'] === true);
}

/** `require('x')`, `require.resolve('x')`, `import('x')`. */
function requiredBy(node: Node): string | undefined {
  const callee = node['callee'] as Node;
  const isRequire = callee.type === 'Import' || (callee.type === 'Identifier' && callee['value'] === 'require')
    || (callee.type === 'MemberExpression' && (callee['object'] as Node)['value'] === 'require');
  const first = (node['arguments'] as readonly { readonly expression: Node }[])[0]?.expression;
  return isRequire && first?.type === 'StringLiteral' ? String(first['value']) : undefined;
}

interface Node extends Readonly<Record<string, unknown>> {
  readonly type: string;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** Depth first; `enter` says whether to go below. */
function visit(node: Node, enter: (node: Node) => boolean): void {
  if (!enter(node)) return;
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) visit(child, enter);
      else if (typeof child === 'object' && child !== null) for (const below of Object.values(child)) if (isNode(below)) visit(below, enter);
    }
  }
}
