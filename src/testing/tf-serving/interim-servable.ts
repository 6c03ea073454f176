// Until the graph evaluator is there: models that are y = a x + b by two variables, read from the checkpoint. Replaced by servable.ts.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { TensorProtoSchema } from '../../proto/gen/tensorflow/core/framework/tensor_pb';
import { INDEX_PATH, readBundleIndex, shardPath } from '../../savedmodel/bundle';
import { pickMetaGraph, readGraphFile } from '../../savedmodel/saved-model';
import type { PredictableServable } from './prediction-service';
import { ServingError } from './status';

export async function loadServable(dir: string, tags: readonly string[]): Promise<PredictableServable> {
  const file = await readGraphFile(dir);
  if (file === undefined) {
    throw new ServingError('NOT_FOUND', `Specified file path does not appear to contain a SavedModel bundle (should have a file called \`saved_model.pb\`)\nSpecified file path: ${dir}`);
  }
  const graph = await pickMetaGraph(file, tags);
  const index = readBundleIndex(readFileSync(join(dir, INDEX_PATH)));
  const scalar = (name: string): number => {
    const entry = index.entries.get(name);
    if (entry === undefined) throw new ServingError('NOT_FOUND', `Key ${name} not found in checkpoint`);
    return readFileSync(join(dir, shardPath(entry.shard, index.shards))).readFloatLE(entry.offset);
  };
  const suffix = '/.ATTRIBUTES/VARIABLE_VALUE';
  const tf2 = index.entries.has(`a${suffix}`);
  const [a, b] = [scalar(tf2 ? `a${suffix}` : 'a'), scalar(tf2 ? `b${suffix}` : 'b')];
  return {
    signatures: graph.rest.signatureDef,
    predict(signatureName, inputs) {
      const signature = graph.rest.signatureDef[signatureName];
      if (signature === undefined) throw new ServingError('FAILED_PRECONDITION', `Serving signature key "${signatureName}" not found.`);
      const x = inputs['x'];
      if (x === undefined) {
        const sent = Object.keys(inputs);
        throw new ServingError('INVALID_ARGUMENT', `input size does not match signature: ${sent.length}!=1 len({${sent.join(',')}}) != len({x}). Sent extra: {${sent.join(',')}}. Missing but required: {x}.`);
      }
      return { y: create(TensorProtoSchema, { ...x, floatVal: x.floatVal.map((value) => Math.fround(Math.fround(a * value) + b)) }) };
    },
  };
}
