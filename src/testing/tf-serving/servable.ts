// A SavedModel loaded as TensorFlow's own loader does it, and asked as the server does: same order, same codes, same texts (TF Serving reference §7, §9).

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { TensorProto } from '../../proto/gen/tensorflow/core/framework/tensor_pb';
import type { SignatureDef } from '../../proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { findingOf } from '../../savedmodel/finding';
import { GRAPH_PATH, pickMetaGraph, readGraphFile } from '../../savedmodel/saved-model';
import type { MetaGraph } from '../../savedmodel/saved-model';
import { readCheckpoint } from './checkpoint';
import { Session } from './evaluate';
import { nodeOf } from '../../savedmodel/graph';
import { DataType } from '../../proto/gen/tensorflow/core/framework/types_pb';
import { readGraph } from './graph';
import { ServingError } from './status';
import { tensorFromProto, tensorToProto } from './tensor';
import type { Tensor } from './tensor';
import { replayWarmup } from './warmup-requests';

export interface LoadedServable {
  /** Of the meta graph that was loaded, the loader's own included. */
  readonly signatures: Readonly<Record<string, SignatureDef>>;
  /** Bytes of graph and checkpoint that were read. */
  readonly bytes: number;
  /** An empty name means `serving_default`, an empty filter all outputs. Throws ServingError. */
  predict(signatureName: string, inputs: Readonly<Record<string, TensorProto>>, outputFilter: readonly string[]): Record<string, TensorProto>;
}

export interface LoadOptions {
  /** --enable_model_warmup. */
  readonly warmup: boolean;
}

/** Throws ServingError: whatever TensorFlow's loader would have failed the load with. What the files hold decides, never the version number. */
export async function loadServable(dir: string, tags: readonly string[], options: LoadOptions = { warmup: true }): Promise<LoadedServable> {
  try {
    return await load(dir, tags, options);
  } catch (error) {
    throw asServingError(error, dir, tags);
  }
}

async function load(dir: string, tags: readonly string[], { warmup }: LoadOptions): Promise<LoadedServable> {
  if (await exists(join(dir, 'export.meta'))) throw new ServingError('UNIMPLEMENTED', 'Session Bundle is deprecated and removed.');
  const file = await readGraphFile(dir);
  if (file === undefined) {
    if (await exists(join(dir, 'saved_model.pbtxt'))) throw new ServingError('UNIMPLEMENTED', 'saved_model.pbtxt is not simulated');
    throw new ServingError('NOT_FOUND', `Specified file path does not appear to contain a SavedModel bundle (should have a file called \`saved_model.pb\`)\nSpecified file path: ${dir}`);
  }
  const metaGraph = await pickMetaGraph(file, tags);
  const session = new Session(readGraph(metaGraph.graph));
  const assets = assetFeeds(metaGraph, dir);
  const checkpoint = await readCheckpoint(dir);
  const saver = metaGraph.rest.saverDef;
  // No index is no error: the model is AVAILABLE, and its predictions fail.
  if (checkpoint !== undefined) {
    const feeds = new Map([[saver?.filenameTensorName ?? '', stringTensor(checkpoint.prefix)], ...assets]);
    session.run(feeds, [], [nodeOf(saver?.restoreOpName ?? '')], checkpoint.restore);
  }
  if (metaGraph.initOp !== undefined) session.run(assets, [], [nodeOf(metaGraph.initOp)]);
  const signatures = metaGraph.rest.signatureDef;
  const predict: LoadedServable['predict'] = (name, inputs, filter) => runPredict(session, signatures, name === '' ? DEFAULT_SIGNATURE : name, inputs, filter);
  if (warmup) await replayWarmup(dir, (request) => predict(request.modelSpec?.signatureName ?? '', request.inputs, request.outputFilter));
  return { signatures, bytes: file.length + (checkpoint?.bytes ?? 0), predict };
}

const DEFAULT_SIGNATURE = 'serving_default';

function runPredict(session: Session, signatures: Readonly<Record<string, SignatureDef>>, name: string, inputs: Readonly<Record<string, TensorProto>>, filter: readonly string[]): Record<string, TensorProto> {
  const signature = Object.hasOwn(signatures, name) ? signatures[name] : undefined;
  if (signature === undefined) throw new ServingError('FAILED_PRECONDITION', `Serving signature key "${name}" not found.`);
  refuseWrongNumber(signature, inputs);
  const feeds = feedsOf(signature, inputs);
  const aliases = outputsWanted(signature, filter);
  const outputs = session.run(feeds, aliases.map((alias) => tensorName(signature.outputs[alias])));
  return Object.fromEntries(aliases.map((alias, at) => [alias, tensorToProto(outputs[at]!)]));
}

function refuseWrongNumber(signature: SignatureDef, inputs: Readonly<Record<string, TensorProto>>): void {
  const sent = Object.keys(inputs).sort();
  const wanted = Object.keys(signature.inputs).sort();
  if (sent.length <= wanted.length && (sent.length === wanted.length || Object.keys(signature.defaults).length > 0)) return;
  const extra = sent.filter((alias) => !wanted.includes(alias));
  const missing = wanted.filter((alias) => !sent.includes(alias));
  throw new ServingError('INVALID_ARGUMENT', `input size does not match signature: ${sent.length}!=${wanted.length} len({${sent.join(',')}}) != len({${wanted.join(',')}}). `
    + `Sent extra: {${extra.join(',')}}. Missing but required: {${missing.join(',')}}.`);
}

function feedsOf(signature: SignatureDef, inputs: Readonly<Record<string, TensorProto>>): Map<string, Tensor> {
  const feeds = new Map<string, Tensor>();
  const used: string[] = [];
  for (const alias of Object.keys(signature.inputs).sort()) {
    const given = Object.hasOwn(inputs, alias) ? inputs[alias] : undefined;
    const proto = given ?? signature.defaults[alias];
    const name = tensorName(signature.inputs[alias]);
    if (proto === undefined) {
      throw new ServingError('INVALID_ARGUMENT', `Signature input alias: ${alias}(feed name: ${name}) not found in request and no default value provided. `
        + `Inputs expected to be in the request {${Object.keys(inputs).sort().join(',')}}, or default input alias set: ${Object.keys(signature.defaults).sort().join(',')}`);
    }
    if (given !== undefined) used.push(alias);
    const tensor = tensorFromProto(proto);
    if (tensor === undefined) throw new ServingError('INVALID_ARGUMENT', `tensor parsing error: ${alias}`);
    feeds.set(name, tensor);
  }
  if (used.length !== Object.keys(inputs).length) {
    throw new ServingError('INVALID_ARGUMENT', `Inputs contains invalid name. Used request inputs: ${used.join(',')}, request input: ${Object.keys(inputs).sort().join(',')}`);
  }
  return feeds;
}

function outputsWanted(signature: SignatureDef, filter: readonly string[]): readonly string[] {
  const known = Object.keys(signature.outputs).sort();
  for (const [at, alias] of filter.entries()) {
    if (!known.includes(alias)) throw new ServingError('INVALID_ARGUMENT', `output tensor alias not found in signature: ${alias} Outputs expected to be in the set {${known.join(',')}}.`);
    if (filter.indexOf(alias) < at) throw new ServingError('INVALID_ARGUMENT', `duplicate output tensor alias: ${alias}`);
  }
  return filter.length > 0 ? filter : known;
}

function tensorName(info: SignatureDef['inputs'][string] | undefined): string {
  return info?.encoding.case === 'name' ? info.encoding.value : '';
}

function assetFeeds({ assets }: MetaGraph, dir: string): Map<string, Tensor> {
  return new Map(assets.map((asset) => [tensorName(asset.tensorInfo), stringTensor(join(dir, 'assets', asset.filename))]));
}

function stringTensor(value: string): Tensor {
  return { dtype: DataType.DT_STRING, shape: [], values: [Buffer.from(value)] };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false);
}

function asServingError(error: unknown, dir: string, tags: readonly string[]): unknown {
  if (error instanceof ServingError) return error;
  const finding = findingOf(error);
  if (finding !== undefined) {
    switch (finding.check) {
      case 'tags': return new ServingError('NOT_FOUND', `Could not find meta graph def matching supplied tags: { ${tags.join(' ')} }. To inspect available tag-sets in the SavedModel, please use the SavedModel CLI: \`saved_model_cli\``);
      case 'decode': return new ServingError('DATA_LOSS', `Can't parse ${join(dir, GRAPH_PATH)} as binary proto`);
      default: return new ServingError('FAILED_PRECONDITION', `${join(dir, finding.path)}; ${finding.message}`);
    }
  }
  // The directory may change under a load; errors of the file system are the load's.
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  const known = code === 'ENOENT' ? 'NOT_FOUND' : code === 'EACCES' || code === 'EPERM' ? 'PERMISSION_DENIED' : 'UNKNOWN';
  return new ServingError(known, `${path ?? dir}; ${(error as Error).message}`);
}
