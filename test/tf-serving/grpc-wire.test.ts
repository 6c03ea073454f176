import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toJson, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { create } from '@bufbuild/protobuf';
import { GetModelStatusResponseSchema } from '../../src/proto/gen/tensorflow_serving/apis/get_model_status_pb';
import { ReloadConfigResponseSchema } from '../../src/proto/gen/tensorflow_serving/apis/model_management_pb';
import { ModelService } from '../../src/proto/gen/tensorflow_serving/apis/model_service_pb';
import { RpcFailure } from '../../src/serving/rpc';
import { ServingError } from '../../src/testing/tf-serving/status';
import { Fixture } from './fixture';

// What a plain client saw of the real ModelServiceImpl with 8 threads, line by line (test/data/tfserving-core-traces/grpc-wire.txt).
const RECORDED = readFileSync(join(__dirname, '..', 'data', 'tfserving-core-traces', 'grpc-wire.txt'), 'utf8').trimEnd().split('\n').map((line) => {
  const at = line.indexOf('{');
  return { call: line.slice(0, at).trim(), saw: JSON.parse(line.slice(at)) as { ms: number; ok?: unknown; code?: string; details?: string } };
});

const fixture = new Fixture();
afterAll(() => fixture.close());

test('a plain gRPC client sees what it saw of the real server: replies, codes, texts, the cut message, and the threads running out', async () => {
  fixture.stage('m', '1');
  mkdirSync(join(fixture.root, 'bad', '1'), { recursive: true });
  await fixture.start({
    grpcMaxThreads: 8,
    modelConfig: fixture.list({ m: '' }),
    loadServable: (dir) => (dir.endsWith('/bad/1') ? Promise.reject(new ServingError('NOT_FOUND', `fake load failure ${dir}`)) : Promise.resolve({ signatures: {}, predict: () => ({}) })),
  });
  const status = (model: string, version?: bigint) => async () => json(GetModelStatusResponseSchema, await fixture.call(ModelService.method.getModelStatus, {
    modelSpec: { name: model, ...(version !== undefined && { versionChoice: { case: 'version' as const, value: { value: version } } }) },
  }));
  const reload = (text: string, deadlineMs = 5_000) => async () => json(ReloadConfigResponseSchema, await fixture.reload(text, { deadlineMs }));
  const custom = { config: { case: 'customModelConfig' as const, value: create(AnySchema, { typeUrl: 'type.googleapis.com/x' }) } };
  const bad = fixture.list({ m: '', bad: '' });
  const longName = 'n'.repeat(2_000);
  const calls: Record<string, () => Promise<unknown>> = {
    'status m': status('m'),
    'status m/7': status('m', 7n),
    'status no spec': () => fixture.call(ModelService.method.getModelStatus, {}),
    'reload none': () => fixture.call(ModelService.method.handleReloadConfigRequest, { config: {} }),
    'reload custom': () => fixture.call(ModelService.method.handleReloadConfigRequest, { config: custom }),
    'reload ok': reload(fixture.list({ m: '' })),
    'reload bad': reload(bad),
    'reload bad again': reload(bad),
    'status bad': status('bad'),
    'long name dup': reload(`model_config_list { config { name: "${longName}" base_path: "/x" } config { name: "${longName}" base_path: "/x" } }`),
    'reload missing base path': reload(fixture.list({ m: '', missing: '' }), 300),
    'status after': async () => { await status('m')(); return undefined; },
  };
  for (const { call, saw } of RECORDED) {
    const make = calls[call.replace(/ #[0-9]+$/, '')];
    expect(make).toBeDefined();
    const seen = await observed(make!);
    if (call === 'long name dup') expect(`${seen.details?.length} chars, ends ${seen.details?.slice(-24)}`).toBe(saw.details);
    else if (saw.ok !== undefined) expect([call, seen.ok]).toEqual([call, saw.ok]);
    else if (saw.code === 'DEADLINE_EXCEEDED') expect([call, seen.code]).toEqual([call, saw.code]); // The text is the client's own.
    else if (saw.code === 'OK') expect([call, seen]).toEqual([call, {}]);
    else expect([call, seen.code, seen.details?.replaceAll(fixture.root, '/models')]).toEqual([call, saw.code, saw.details]);
  }
}, 30_000);

async function observed(call: () => Promise<unknown>): Promise<{ ok?: unknown; code?: string; details?: string }> {
  try {
    const ok = await call();
    return ok === undefined ? {} : { ok: JSON.parse(JSON.stringify(ok).replaceAll(fixture.root, '/models')) as unknown };
  } catch (error) {
    if (error instanceof RpcFailure) return { code: error.code, details: error.details };
    throw error;
  }
}

function json<D extends DescMessage>(schema: D, message: MessageShape<D>): unknown {
  return toJson(schema, message, { alwaysEmitImplicit: true, useProtoFieldName: true });
}
