// The nodes of a GraphDef and its function library, one at a time, as stored.

import { FunctionDefLibrarySchema, FunctionDefSchema } from '../proto/gen/tensorflow/core/framework/function_pb';
import { GraphDefSchema } from '../proto/gen/tensorflow/core/framework/graph_pb';
import { NodeDefSchema } from '../proto/gen/tensorflow/core/framework/node_def_pb';
import { OpDefSchema } from '../proto/gen/tensorflow/core/framework/op_def_pb';
import { invalid } from './finding';
import type { Pace } from './pace';
import { GRAPH_PATH } from './saved-model';
import { eachField, fieldsNumbered, lastField, text } from './wire';

/** One node: of the graph itself, or of the function `scope` names. */
export interface GraphNode {
  readonly scope: string | undefined;
  readonly name: string;
  readonly op: string;
  /** Its NodeDef as stored. */
  readonly bytes: Uint8Array;
}

/** The largest graphs known have some hundred thousand nodes, function bodies included. */
const MAX_NODES = 5_000_000;
/** What looking at an empty node costs, in bytes of a full one. */
const NODE_COST_BYTES = 64;
const { field: OF_GRAPH } = GraphDefSchema;
const { field: OF_NODE } = NodeDefSchema;
const { field: OF_FUNCTION } = FunctionDefSchema;

/** Calls `visit` for each node, those of the graph first, as the pace allows. Throws WireError (see `decoding`), and InvalidSavedModel (`limit`) beyond the cap. */
export async function eachNode(graph: Uint8Array, pace: Pace, visit: (node: GraphNode) => void): Promise<void> {
  const bodies: { readonly scope: string | undefined; readonly bytes: Uint8Array; readonly nodeField: number }[] = [{ scope: undefined, bytes: graph, nodeField: OF_GRAPH.node.number }];
  for (const library of fieldsNumbered(graph, OF_GRAPH.library.number)) {
    for (const fn of fieldsNumbered(library, FunctionDefLibrarySchema.field.function.number)) {
      bodies.push({ scope: nameOfFunction(fn), bytes: fn, nodeField: OF_FUNCTION.nodeDef.number });
    }
  }
  let nodes = 0;
  for (const { scope, bytes, nodeField } of bodies) {
    for (const node of fieldsNumbered(bytes, nodeField)) {
      if (++nodes > MAX_NODES) throw invalid('limit', GRAPH_PATH, `more than ${MAX_NODES} nodes`);
      visit({ scope, name: text(lastField(node, OF_NODE.name.number)), op: text(lastField(node, OF_NODE.op.number)), bytes: node });
      const rest = pace.after(node.length + NODE_COST_BYTES);
      if (rest !== undefined) await rest;
    }
  }
}

/** What a node may call as if it were an op. */
export function functionNames(graph: Uint8Array): ReadonlySet<string> {
  const names = new Set<string>();
  for (const library of fieldsNumbered(graph, OF_GRAPH.library.number)) {
    for (const fn of fieldsNumbered(library, FunctionDefLibrarySchema.field.function.number)) names.add(nameOfFunction(fn));
  }
  return names;
}

/** The `index`th input of a node, undefined where it has fewer. */
export function inputOf(node: GraphNode, index: number): string | undefined {
  let at = 0;
  let found: string | undefined;
  eachField(node.bytes, (no, value) => {
    if (no === OF_NODE.input.number && at++ === index) found = text(value);
  });
  return found;
}

/** The AttrValue of that name, as stored. */
export function attrOf(node: GraphNode, name: string): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  eachField(node.bytes, (no, entry) => {
    if (no === OF_NODE.attr.number && text(lastField(entry, 1)) === name) found = lastField(entry, 2);
  });
  return found;
}

/** `node` of `^node`, `node:1` and, within functions, `node:output:1`. */
export function nodeOf(input: string): string {
  const name = input.startsWith('^') ? input.slice(1) : input;
  const colon = name.indexOf(':');
  return colon < 0 ? name : name.slice(0, colon);
}

function nameOfFunction(fn: Uint8Array): string {
  const signature = lastField(fn, OF_FUNCTION.signature.number);
  return signature === undefined ? '' : text(lastField(signature, OpDefSchema.field.name.number));
}
