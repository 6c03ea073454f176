// When two answers are near enough, and who must give them.

import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { firstDifference, probeVersion } from '../../src/agent/probe';
import type { ModelName, ServerName, Version } from '../../src/domain/names';
import type { TensorValue } from '../../src/domain/request';
import { DataType } from '../../src/proto/gen/tensorflow/core/framework/types_pb';
import { SignatureDefSchema } from '../../src/proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { SignatureDefMapSchema } from '../../src/proto/gen/tensorflow_serving/apis/get_model_metadata_pb';
import { ServingClient } from '../../src/serving/client';
import { startScripted } from '../serving/scripted-server';

const rows: [reason: string, wanted: TensorValue, found: TensorValue, difference: string | undefined][] = [
  ['equal', [[1, 2], [3, 4]], [[1, 2], [3, 4]], undefined],
  ['within the tolerance', 1, 1.1, undefined],
  ['exactly at the tolerance', [0], [0.125], undefined],
  ['beyond it, named by place', [[1, 2], [3, 4]], [[1, 2], [3.2, 4]], 'y[1][0] = 3.2'],
  ['not a number is near nothing', [1], [Number.NaN], 'y[0] = NaN'],
  ['infinity is not near', 1, Number.POSITIVE_INFINITY, 'y = Infinity'],
  ['fewer values', [1, 2], [1], 'y has 1 values'],
  ['more values', [1], [1, 2], 'y has 2 values'],
  ['a number for an array', [1], 1, 'y is one number where 1 values were wanted'],
  ['an array for a number', 1, [1], 'y has 1 values where one number was wanted'],
  ['nothing is equal to nothing', [], [], undefined],
];
test.each(rows)('%s', (_reason, wanted, found, difference) => expect(firstDifference(wanted, found, 0.125, 'y')).toBe(difference));

test('an answer by another version than was asked is no answer', async () => {
  const def = create(SignatureDefSchema, { inputs: { x: { dtype: DataType.DT_FLOAT } } });
  const server = await startScripted({
    getModelMetadata: () => ({ metadata: { signature_def: anyPack(SignatureDefMapSchema, create(SignatureDefMapSchema, { signatureDef: { serving_default: def } })) } }),
    predict: () => ({ modelSpec: { name: 'half', versionChoice: { case: 'version', value: { value: 1n } } }, outputs: {} }),
  });
  const client = new ServingClient(server.address);
  const live = { signal: new AbortController().signal, assert: () => undefined, report: () => undefined };
  try {
    const asked = probeVersion({ client, server: 'edge-a' as ServerName }, 'half' as ModelName, '2' as Version, { inputs: { x: [1] }, tolerance: 0 }, live);
    await expect(asked).rejects.toMatchObject({ code: 'ProbeMismatch', detail: { want: 'an answer by version 2', found: 'one by 1' } });
  } finally {
    client.close();
    await server.stop();
  }
});
