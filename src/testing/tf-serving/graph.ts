// A GraphDef made ready to run: nodes by name, inputs taken apart, functions by name.

import { fromBinary } from '@bufbuild/protobuf';
import { FunctionDefLibrarySchema, FunctionDefSchema } from '../../proto/gen/tensorflow/core/framework/function_pb';
import { GraphDefSchema } from '../../proto/gen/tensorflow/core/framework/graph_pb';
import type { AttrValue } from '../../proto/gen/tensorflow/core/framework/attr_value_pb';
import { NodeDefSchema } from '../../proto/gen/tensorflow/core/framework/node_def_pb';
import type { NodeDef } from '../../proto/gen/tensorflow/core/framework/node_def_pb';
import { fieldsNumbered, lastField, text } from '../../savedmodel/wire';
import { ServingError } from './status';

/** One output of one node. */
export interface Output {
  readonly node: string;
  readonly index: number;
  /** `node:index`, as feeds are known by. */
  readonly key: string;
}

export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly Output[];
  /** What has to be done before: the inputs, and control inputs whatever they give. */
  readonly needs: readonly Output[];
  readonly attr: Readonly<Record<string, AttrValue>>;
}

/** The graph itself, or the body of a function. */
export interface Body {
  readonly nodes: ReadonlyMap<string, GraphNode>;
}

export interface FunctionBody extends Body {
  readonly name: string;
  /** Argument names: inputs within the body name them as if they were nodes. */
  readonly args: readonly string[];
  readonly results: readonly Output[];
  /** Nodes to run for what they do, not for what they give. */
  readonly targets: readonly string[];
}

export interface Graph extends Body {
  readonly functions: ReadonlyMap<string, FunctionBody>;
}

/** Throws what TensorFlow's graph import does: names used twice, inputs that name no node, constants without a value. */
export function readGraph(bytes: Uint8Array): Graph {
  const nodes = readNodes(bytes, GraphDefSchema.field.node.number);
  for (const node of nodes.values()) {
    const unknown = node.needs.map((need) => need.node).find((name) => !nodes.has(name));
    if (unknown !== undefined) throw new ServingError('INVALID_ARGUMENT', `Node '${node.name}': Unknown input node '${unknown}'`);
    if (node.op === 'Const' && node.attr['value']?.value.case !== 'tensor') {
      throw new ServingError('FAILED_PRECONDITION', `Saved model contains node "${node.name}" which is a constant tensor but no value has been provided`);
    }
  }
  const functions = new Map<string, FunctionBody>();
  for (const library of fieldsNumbered(bytes, GraphDefSchema.field.library.number)) {
    for (const fn of fieldsNumbered(library, FunctionDefLibrarySchema.field.function.number)) {
      const body = readFunction(fn);
      functions.set(body.name, body);
    }
  }
  return { nodes, functions };
}

/** `node`, `node:1`, or within functions `node:output:1`: every op simulated has one named output, so the name of it decides nothing. */
export function parseOutput(name: string): Output {
  const parts = name.split(':');
  const node = parts[0]!;
  const index = parts.length > 1 ? Number(parts.at(-1)) : 0;
  return { node, index, key: `${node}:${index}` };
}

function readNodes(bytes: Uint8Array, field: number): Map<string, GraphNode> {
  const nodes = new Map<string, GraphNode>();
  for (const stored of fieldsNumbered(bytes, field)) {
    const node = fromBinary(NodeDefSchema, stored);
    if (nodes.has(node.name)) throw new ServingError('INVALID_ARGUMENT', `Node '${node.name}' is not unique`);
    nodes.set(node.name, readNode(node));
  }
  return nodes;
}

function readNode({ name, op, input, attr }: NodeDef): GraphNode {
  const inputs = input.filter((other) => !other.startsWith('^')).map(parseOutput);
  const controls = input.filter((other) => other.startsWith('^')).map((other) => parseOutput(other.slice(1)));
  return { name, op, attr, inputs, needs: [...inputs, ...controls] };
}

function readFunction(bytes: Uint8Array): FunctionBody {
  const signature = lastField(bytes, FunctionDefSchema.field.signature.number) ?? new Uint8Array(0);
  const { ret } = fromBinary(FunctionDefSchema, bytes);
  return {
    name: text(lastField(signature, OP_NAME)),
    args: [...fieldsNumbered(signature, OP_INPUT_ARG)].map(nameOf),
    results: [...fieldsNumbered(signature, OP_OUTPUT_ARG)].map((result) => parseOutput(ret[nameOf(result)] ?? '')),
    targets: [...fieldsNumbered(bytes, FUNCTION_CONTROL_RET)].map((entry) => text(lastField(entry, 2))),
    nodes: readNodes(bytes, FunctionDefSchema.field.nodeDef.number),
  };
}

function nameOf(arg: Uint8Array): string {
  return text(lastField(arg, 1));
}

// Fields of OpDef and FunctionDef that the schemas here leave out.
const OP_NAME = 1;
const OP_INPUT_ARG = 2;
const OP_OUTPUT_ARG = 3;
const FUNCTION_CONTROL_RET = 6;
