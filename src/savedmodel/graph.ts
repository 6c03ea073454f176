// The nodes of a GraphDef and its function library, one at a time, as stored.

import { FunctionDefSchema } from '../proto/gen/tensorflow/core/framework/function_pb';
import { NodeDefSchema } from '../proto/gen/tensorflow/core/framework/node_def_pb';
import { invalid } from './finding';
import { GRAPH_PATH } from './saved-model';
import { assertDecodes, eachField, lastField, text } from './wire';

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

/** Calls `visit` for each node, graph first. Throws a plain Error where a node does not decode (see `decoding`), InvalidSavedModel (`limit`) beyond the cap. */
export function eachNode(graph: Uint8Array, visit: (node: GraphNode) => void): void {
  let nodes = 0;
  const node = (scope: string | undefined, bytes: Uint8Array) => {
    if (++nodes > MAX_NODES) throw invalid('limit', GRAPH_PATH, `more than ${MAX_NODES} nodes`);
    visit({ scope, name: text(lastField(bytes, 1)), op: text(lastField(bytes, 2)), bytes });
  };
  eachField(graph, (no, value) => {
    if (no !== 1) return;
    assertDecodes(NodeDefSchema, value);
    node(undefined, value);
  });
  eachField(graph, (no, library) => {
    if (no === 2) eachField(library, (field, fn) => {
      if (field === 1) eachFunctionNode(fn, node);
    });
  });
}

/** The `index`th input of a node, undefined where it has fewer. */
export function inputOf(node: GraphNode, index: number): string | undefined {
  let at = 0;
  let found: string | undefined;
  eachField(node.bytes, (no, value) => {
    if (no === 3 && at++ === index) found = text(value);
  });
  return found;
}

/** The AttrValue of that name, as stored. */
export function attrOf(node: GraphNode, name: string): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  eachField(node.bytes, (no, entry) => {
    if (no === 5 && text(lastField(entry, 1)) === name) found = lastField(entry, 2);
  });
  return found;
}

/** `node` of `^node`, `node:1` and, within functions, `node:output:1`. */
export function nodeOf(input: string): string {
  const name = input.startsWith('^') ? input.slice(1) : input;
  const colon = name.indexOf(':');
  return colon < 0 ? name : name.slice(0, colon);
}

function eachFunctionNode(fn: Uint8Array, node: (scope: string, bytes: Uint8Array) => void): void {
  assertDecodes(FunctionDefSchema, fn);
  const signature = lastField(fn, 1);
  const scope = signature === undefined ? '' : text(lastField(signature, 1));
  eachField(fn, (no, value) => {
    if (no === 3) node(scope, value);
  });
}
