// Runs a graph: feeds in, fetches out, variables kept between runs. One thing at a time, so a run is atomic as far as others see.

import { ServingError } from './status';
import { parseOutput } from './graph';
import type { Body, FunctionBody, Graph, GraphNode } from './graph';
import { runOp } from './ops';
import { baseType, typeName } from './tensor';
import type { Tensor } from './tensor';

/** A variable of TensorFlow 1 as an output: what assigns needs the variable, everything else its value. */
export interface VariableRef {
  readonly variable: string;
  /** As declared; undefined where any shape may be assigned. */
  readonly shape: readonly number[] | undefined;
}
export type Value = Tensor | VariableRef;

/** What a kernel sees of the run it is in. */
export interface Kernel {
  readonly node: GraphNode;
  readonly inputs: readonly Value[];
  readonly variables: Map<string, Tensor>;
  /** A checkpoint tensor by its name's bytes; undefined outside of restoring. */
  readonly restore: RestoreTensor | undefined;
  /** The `index`th input's value. Throws FAILED_PRECONDITION where it is a variable nothing was assigned to. */
  tensor(index: number): Tensor;
  call(name: string): readonly Value[];
}

/** Throws a ServingError as TensorFlow's checkpoint reader does. */
export type RestoreTensor = (prefix: string, name: Uint8Array) => Tensor;

/** Functions that call themselves never end otherwise. */
const MAX_CALL_DEPTH = 100;

export class Session {
  readonly #graph: Graph;
  readonly #variables = new Map<string, Tensor>();
  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** Feeds and fetches by tensor name (`x:0`), targets by node name. Throws ServingError with TensorFlow's code and, where known, its text. */
  run(feeds: ReadonlyMap<string, Tensor>, fetches: readonly string[], targets: readonly string[] = [], restore?: RestoreTensor): Tensor[] {
    const fed = new Map<string, Value>();
    for (const [index, [name, tensor]] of [...feeds].entries()) fed.set(this.#feed(name, tensor, index), tensor);
    const frame: Frame = { body: this.#graph, fed, scope: undefined, depth: 0, restore };
    const outputs = fetches.map(parseOutput);
    for (const [at, { node }] of outputs.entries()) {
      if (!this.#graph.nodes.has(node)) throw new ServingError('INVALID_ARGUMENT', `Tensor ${fetches[at]}, specified in either feed_devices or fetch_devices was not found in the Graph`);
    }
    for (const target of targets) {
      if (!this.#graph.nodes.has(target)) throw new ServingError('NOT_FOUND', `PruneForTargets: Some target nodes not found: ${target}`);
    }
    const values = this.#evaluate(frame, [...outputs.map(({ node }) => node), ...targets]);
    return outputs.map(({ node, index, key }) => {
      const value = fed.get(key) ?? values.get(node)?.[index];
      if (value === undefined) throw new ServingError('INVALID_ARGUMENT', `Tensor ${key} was not found: ${node} has ${values.get(node)?.length ?? 0} outputs`);
      return this.#valueOf(value, undefined, `_retval_${node}_${index}_0`);
    });
  }

  #feed(name: string, tensor: Tensor, index: number): string {
    const { node, key } = parseOutput(name);
    const found = this.#graph.nodes.get(node);
    if (found === undefined) throw new ServingError('INVALID_ARGUMENT', `Tensor ${name}, specified in either feed_devices or fetch_devices was not found in the Graph`);
    const declared = found.attr['dtype']?.value ?? found.attr['T']?.value;
    if (declared?.case === 'type' && baseType(declared.value) !== tensor.dtype) {
      throw new ServingError('INVALID_ARGUMENT', `Expects arg[${index}] to be ${typeName(baseType(declared.value))} but ${typeName(tensor.dtype)} is provided`);
    }
    return key;
  }

  /** Depth first with a stack of its own: graphs are deeper than JavaScript's. */
  #evaluate(frame: Frame, wanted: readonly string[]): ReadonlyMap<string, readonly Value[]> {
    const done = new Map<string, readonly Value[]>();
    const waiting = new Set<string>();
    const stack = [...wanted].reverse();
    while (stack.length > 0) {
      const name = stack.at(-1)!;
      if (done.has(name) || frame.fed.has(firstOutput(name))) {
        stack.pop();
        continue;
      }
      const node = frame.body.nodes.get(name);
      if (node === undefined) throw new ServingError('INVALID_ARGUMENT', `Unknown input node '${name}'${where(frame.scope)}`);
      const before = stack.length;
      for (let at = node.needs.length - 1; at >= 0; at--) {
        const need = node.needs[at]!;
        if (!done.has(need.node) && !frame.fed.has(need.key)) stack.push(need.node);
      }
      if (stack.length > before) {
        if (waiting.has(name)) throw new ServingError('INVALID_ARGUMENT', `Graph is invalid, contains a cycle through node ${name}${where(frame.scope)}`);
        waiting.add(name);
        continue;
      }
      stack.pop();
      done.set(name, this.#runNode(frame, node, done));
    }
    return done;
  }

  #runNode(frame: Frame, node: GraphNode, done: ReadonlyMap<string, readonly Value[]>): readonly Value[] {
    try {
      const inputs = node.inputs.map((input) => {
        const value = frame.fed.get(input.key) ?? done.get(input.node)?.[input.index];
        if (value === undefined) throw new ServingError('INVALID_ARGUMENT', `Node '${node.name}': input ${input.key} does not exist`);
        return value;
      });
      return runOp({
        node, inputs, variables: this.#variables, restore: frame.restore,
        tensor: (index) => {
          const input = inputs[index];
          if (input === undefined) throw new ServingError('INVALID_ARGUMENT', `Node '${node.name}' has ${inputs.length} inputs, ${node.op} wants more`);
          return this.#valueOf(input, frame.scope, node.name);
        },
        call: (name) => this.#call(name, inputs, frame),
      });
    } catch (error) {
      if (!(error instanceof ServingError) || error.message.includes('\n\t [[')) throw error;
      throw new ServingError(error.code, `${error.message}${at(frame.scope, node.name)}`);
    }
  }

  #call(name: string, args: readonly Value[], caller: Frame): readonly Value[] {
    const body = this.#graph.functions.get(name);
    if (body === undefined) throw new ServingError('NOT_FOUND', `Function ${name} is not defined.`);
    if (caller.depth >= MAX_CALL_DEPTH) throw new ServingError('INTERNAL', `functions call each other deeper than ${MAX_CALL_DEPTH} times, at ${name}`);
    const fed = new Map(args.map((value, index) => [firstOutput(body.args[index] ?? ''), value]));
    const frame: Frame = { body, fed, scope: body, depth: caller.depth + 1, restore: caller.restore };
    const values = this.#evaluate(frame, [...body.results.map(({ node }) => node), ...body.targets]);
    return body.results.map(({ node, index, key }) => {
      const value = fed.get(key) ?? values.get(node)?.[index];
      if (value === undefined) throw new ServingError('INVALID_ARGUMENT', `Function ${name} returns ${key}, which does not exist`);
      return value;
    });
  }

  #valueOf(value: Value, scope: FunctionBody | undefined, reader: string): Tensor {
    if (!('variable' in value)) return value;
    const tensor = this.#variables.get(value.variable);
    if (tensor === undefined) throw new ServingError('FAILED_PRECONDITION', `Attempting to use uninitialized value ${value.variable}${at(scope, reader)}`);
    return tensor;
  }
}

interface Frame {
  readonly body: Body;
  readonly fed: ReadonlyMap<string, Value>;
  readonly scope: FunctionBody | undefined;
  readonly depth: number;
  readonly restore: RestoreTensor | undefined;
}

function firstOutput(node: string): string {
  return `${node}:0`;
}

/** How TensorFlow says which node an error is from. */
function at(scope: FunctionBody | undefined, node: string): string {
  return `\n\t [[${scope === undefined ? '' : `{{function_node ${scope.name}}}`}{{node ${node}}}]]`;
}

function where(scope: FunctionBody | undefined): string {
  return scope === undefined ? '' : ` in function ${scope.name}`;
}
