// What saved_model.pb alone can tell: does it decode, do its signatures and its saver name nodes that exist, what does it want of the checkpoint.

import { AttrValueSchema, NameAttrListSchema } from '../proto/gen/tensorflow/core/framework/attr_value_pb';
import { TensorProtoSchema } from '../proto/gen/tensorflow/core/framework/tensor_pb';
import { DataType } from '../proto/gen/tensorflow/core/framework/types_pb';
import type { TensorInfo } from '../proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { bundleKey } from './bundle';
import { invalid } from './finding';
import type { Finding } from './finding';
import { checkOps } from './check-ops';
import type { OpsUsed, OpsWanted } from './check-ops';
import { attrOf, eachNode, functionNames, inputOf, nodeOf } from './graph';
import type { GraphNode } from './graph';
import type { Pace } from './pace';
import { GRAPH_PATH, decoding, pickMetaGraph } from './saved-model';
import type { MetaGraph } from './saved-model';
import { fieldsNumbered, lastField, text } from './wire';

export interface GraphFacts {
  readonly findings: readonly Finding[];
  readonly warnings: readonly Finding[];
  /** A node that needs a checkpoint to have a value, with its op; undefined where the graph has no variables. */
  readonly variableOp: string | undefined;
  /** Keys the loader restores (see `bundleKey`): all must be in the index. */
  readonly restoredKeys: readonly string[];
  readonly assets: readonly string[];
}

const VARIABLE_OPS = new Set(['VarHandleOp', 'VariableV2', 'Variable']);
/** Signatures that are the loader's own, not a client's. */
const RESERVED = '__saved_model_';
/** A saver has one RestoreV2 per shard. */
const MAX_RESTORES = 100_000;
/** As many as an index may have. */
const MAX_RESTORED_KEYS = 1_000_000;

/** What is asked of the graph beyond being one. */
export interface GraphWanted extends OpsWanted {
  /** A signature that must be there. */
  readonly signature?: string | undefined;
}

/** Throws InvalidSavedModel where there is no graph to look at (`decode`, `tags`, `limit`); says everything else as findings. */
export async function checkGraph(file: Uint8Array, tags: readonly string[], pace: Pace, wanted: GraphWanted = {}): Promise<GraphFacts> {
  const metaGraph = await pickMetaGraph(file, tags, pace);
  return decoding(async () => {
    const named = namedNodes(metaGraph);
    const nodes = await scanNodes(metaGraph, new Set(named.map(({ node }) => node)), pace);
    const ops = checkOps(metaGraph, nodes.ops, wanted);
    const findings: Finding[] = [
      ...signatureDtypes(metaGraph),
      ...missingSignature(metaGraph, wanted),
      ...named.filter(({ node }) => !nodes.present.has(node)).map(({ check, node, by }): Finding => ({ check, path: GRAPH_PATH, message: `${by} names node ${JSON.stringify(node)}, and the graph has none of that name` })),
      ...ops.findings,
    ];
    return { findings, warnings: [...missingDefault(metaGraph), ...ops.warnings], variableOp: nodes.variableOp, restoredKeys: nodes.restoredKeys, assets: metaGraph.assets.map(({ filename }) => filename) };
  });
}

/** Every node that something outside the graph names. */
function namedNodes({ rest, assets, initOp }: MetaGraph): { readonly check: Finding['check']; readonly by: string; readonly node: string }[] {
  const named: { check: Finding['check']; by: string; node: string }[] = [];
  for (const [key, signature] of Object.entries(rest.signatureDef)) {
    for (const [side, infos] of [['input', signature.inputs], ['output', signature.outputs]] as const) {
      for (const [name, info] of Object.entries(infos)) {
        for (const tensor of tensorNames(info)) named.push({ check: 'signature', by: `signature ${key}, ${side} ${name},`, node: nodeOf(tensor) });
      }
    }
  }
  if (rest.saverDef !== undefined) {
    named.push({ check: 'restore', by: 'saver_def.restore_op_name', node: nodeOf(rest.saverDef.restoreOpName) });
    named.push({ check: 'restore', by: 'saver_def.filename_tensor_name', node: nodeOf(rest.saverDef.filenameTensorName) });
  }
  for (const asset of assets) for (const tensor of tensorNames(asset.tensorInfo)) named.push({ check: 'assets', by: `asset ${asset.filename}`, node: nodeOf(tensor) });
  if (initOp !== undefined) named.push({ check: 'graph', by: 'the init op', node: nodeOf(initOp) });
  return named;
}

function tensorNames(info: TensorInfo | undefined): string[] {
  switch (info?.encoding.case) {
    case 'name': return [info.encoding.value];
    case 'cooSparse': return [info.encoding.value.valuesTensorName, info.encoding.value.indicesTensorName, info.encoding.value.denseShapeTensorName];
    case 'compositeTensor': return info.encoding.value.components.flatMap(tensorNames);
    default: return [];
  }
}

function signatureDtypes({ rest }: MetaGraph): Finding[] {
  const findings: Finding[] = [];
  for (const [key, signature] of Object.entries(rest.signatureDef)) {
    if (key.startsWith(RESERVED)) continue;
    for (const [name, info] of [...Object.entries(signature.inputs), ...Object.entries(signature.outputs)]) {
      if (info.dtype === DataType.DT_INVALID) findings.push({ check: 'signature', path: GRAPH_PATH, message: `signature ${key}: ${name} has no dtype` });
      if (tensorNames(info).length === 0) findings.push({ check: 'signature', path: GRAPH_PATH, message: `signature ${key}: ${name} names no tensor` });
    }
  }
  return findings;
}

function missingSignature({ rest }: MetaGraph, { signature }: GraphWanted): Finding[] {
  if (signature === undefined || Object.hasOwn(rest.signatureDef, signature)) return [];
  return [{ check: 'signature', path: GRAPH_PATH, message: `there is no signature ${signature}; found ${Object.keys(rest.signatureDef).slice(0, 20).join(', ') || 'none'}` }];
}

/** Valid (the server's own counter sample is such a one), but a client that names no signature gets an error. */
function missingDefault({ rest }: MetaGraph): Finding[] {
  const keys = Object.keys(rest.signatureDef).filter((key) => !key.startsWith(RESERVED));
  if (keys.includes('serving_default')) return [];
  return [{ check: 'signature', path: GRAPH_PATH, message: `there is no signature serving_default; found ${keys.length === 0 ? 'none' : keys.slice(0, 20).join(', ')}` }];
}

interface Scan {
  readonly present: ReadonlySet<string>;
  readonly ops: OpsUsed;
  readonly variableOp: string | undefined;
  readonly restoredKeys: readonly string[];
}

/** One pass for what is wanted, a second one for the constants that name the restored tensors. */
async function scanNodes({ graph, rest }: MetaGraph, wanted: ReadonlySet<string>, pace: Pace): Promise<Scan> {
  const present = new Set<string>();
  const functions = functionNames(graph);
  const ops = new Map<string, string>();
  const namesOfRestored = new Set<string>();
  let variableOp: string | undefined;
  let restoreFunction: string | undefined;
  const saver = rest.saverDef;
  await eachNode(graph, pace, (node) => {
    if (node.scope === undefined && wanted.has(node.name)) present.add(node.name);
    if (!ops.has(node.op) && !functions.has(node.op)) ops.set(node.op, node.name);
    if (VARIABLE_OPS.has(node.op)) variableOp ??= `${node.name}: ${node.op}`;
    if (saver === undefined) return;
    if (node.scope === undefined && node.name === nodeOf(saver.restoreOpName)) restoreFunction = functionCalledBy(node);
    // A graph may hold other restores (of a checkpoint it was once started from): only what reads the saver's own file name counts.
    const ours = node.scope === undefined ? nodeOf(inputOf(node, 0) ?? '') === nodeOf(saver.filenameTensorName) : node.scope === restoreFunction;
    if (node.op === 'RestoreV2' && ours && namesOfRestored.size < MAX_RESTORES) namesOfRestored.add(placeOf(node.scope, nodeOf(inputOf(node, 1) ?? '')));
  });
  const restoredKeys: string[] = [];
  if (namesOfRestored.size > 0) {
    await eachNode(graph, pace, (node) => {
      if (node.op === 'Const' && namesOfRestored.has(placeOf(node.scope, node.name))) collectStrings(node, restoredKeys);
    });
  }
  return { present, ops, variableOp, restoredKeys };
}

function placeOf(scope: string | undefined, name: string): string {
  return `${scope ?? ''}\0${name}`;
}

function functionCalledBy(node: GraphNode): string | undefined {
  const value = attrOf(node, 'f');
  const call = value === undefined ? undefined : lastField(value, AttrValueSchema.field.func.number);
  return call === undefined ? undefined : text(lastField(call, NameAttrListSchema.field.name.number));
}

function collectStrings(node: GraphNode, into: string[]): void {
  const value = attrOf(node, 'value');
  const tensor = value === undefined ? undefined : lastField(value, AttrValueSchema.field.tensor.number);
  if (tensor === undefined) return;
  for (const key of fieldsNumbered(tensor, TensorProtoSchema.field.stringVal.number)) {
    if (into.push(bundleKey(key)) > MAX_RESTORED_KEYS) throw invalid('limit', GRAPH_PATH, `more than ${MAX_RESTORED_KEYS} restored tensors`);
  }
}
