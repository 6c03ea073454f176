// The client over real sockets: what each answer of a model server becomes, and what is never given up on.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { create } from '@bufbuild/protobuf';
import type { ListedModel } from '../../src/domain/list';
import type { ModelName, Version } from '../../src/domain/names';
import { DataType } from '../../src/proto/gen/tensorflow/core/framework/types_pb';
import { SignatureDefSchema } from '../../src/proto/gen/tensorflow/core/protobuf/meta_graph_pb';
import { SignatureDefMapSchema } from '../../src/proto/gen/tensorflow_serving/apis/get_model_metadata_pb';
import type { ReloadConfigRequest } from '../../src/proto/gen/tensorflow_serving/apis/model_management_pb';
import { ServingClient } from '../../src/serving/client';
import { RpcFailure } from '../../src/serving/rpc';
import { toTensorProto } from '../../src/serving/tensor';
import { ServingRefusal, startScripted, type ScriptedServer, type Script } from './scripted-server';

const model = 'half' as ModelName;
const listed: ListedModel = { name: 'half', basePath: '/srv/models/half', platform: 'tensorflow', versions: ['1', '9223372036854775807'], labels: { stable: '1' } };

let server: ScriptedServer | undefined;
let client: ServingClient | undefined;
const connect = async (script: Script): Promise<ServingClient> => {
  server = await startScripted(script);
  client = new ServingClient(server.address);
  return client;
};
afterEach(async () => {
  client?.close();
  await server?.stop();
});

test('every version with a history is told, int64 whole, with the server\'s own text', async () => {
  const it = await connect({ getModelStatus: () => ({ modelVersionStatus: [
    { version: 9223372036854775807n, state: 30, status: { errorCode: 0, errorMessage: '' } },
    { version: 1n, state: 50, status: { errorCode: 5, errorMessage: 'no saved_model.pb' } },
    { version: 0n, state: 10 },
  ] }) });
  const status = await it.status(model);
  expect(status === 'unknown model' ? status : Object.fromEntries(status)).toEqual({
    '9223372036854775807': { state: 'AVAILABLE', code: 'OK', message: '' },
    1: { state: 'END', code: 'NOT_FOUND', message: 'no saved_model.pb' },
    0: { state: 'START', code: 'OK', message: '' },
  });
});

test('a model the server does not know is an answer, not a failure', async () => {
  const it = await connect({ getModelStatus: () => new ServingRefusal('NOT_FOUND', 'Could not find any versions of model half') });
  await expect(it.status(model)).resolves.toBe('unknown model');
});

test('a status that does not come in time fails, and says the server was not heard', async () => {
  const it = await connect({ getModelStatus: () => new Promise(() => undefined) });
  const failure = await it.status(model, { deadlineMs: 100 }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(RpcFailure);
  expect(failure).toMatchObject({ code: 'DEADLINE_EXCEEDED', unanswered: true });
});

test('a caller who stops waiting gets the signal\'s reason', async () => {
  const it = await connect({ getModelStatus: () => new Promise(() => undefined) });
  const stop = new AbortController();
  const waiting = it.status(model, { signal: stop.signal });
  stop.abort(new Error('superseded'));
  await expect(waiting).rejects.toThrow('superseded');
});

test('a reload carries the whole list, platform, specific versions and labels', async () => {
  const seen: ReloadConfigRequest[] = [];
  const it = await connect({ handleReloadConfigRequest: (request) => { seen.push(request); return {}; } });
  await expect(it.reload([listed])).resolves.toBe('OK');
  const config = seen[0]?.config?.config;
  expect(config?.case === 'modelConfigList' ? config.value.config : config).toMatchObject([{
    name: 'half', basePath: '/srv/models/half', modelPlatform: 'tensorflow', modelVersionPolicy: { policyChoice: { case: 'specific', value: { versions: [1n, 9223372036854775807n] } } }, versionLabels: { stable: 1n },
  }]);
});

test('an empty list is a list: nothing set would be refused', async () => {
  const seen: ReloadConfigRequest[] = [];
  const it = await connect({ handleReloadConfigRequest: (request) => { seen.push(request); return {}; } });
  await it.reload([]);
  expect(seen[0]?.config?.config.case).toBe('modelConfigList');
});

test('a refused reload gives back code and text', async () => {
  const it = await connect({ handleReloadConfigRequest: () => new ServingRefusal('FAILED_PRECONDITION', 'Request to assign label to version 2') });
  await expect(it.reload([listed])).resolves.toMatchObject({ code: 'FAILED_PRECONDITION', details: 'Request to assign label to version 2' });
});

test('a reload waits as long as the server takes, past every deadline of reads', async () => {
  let answer: (value: object) => void = () => undefined;
  const it = await connect({ handleReloadConfigRequest: () => new Promise((resolve) => { answer = resolve; }), getModelStatus: () => ({ modelVersionStatus: [] }) });
  let settled = false;
  const reload = it.reload([listed]).then((value) => { settled = true; return value; });
  await expect(it.status(model)).resolves.toEqual(new Map()); // Reads pass while it hangs.
  expect(settled).toBe(false);
  answer({});
  await expect(reload).resolves.toBe('OK');
});

test('a server that goes away while it reloads is told as not heard, because it may apply the list all the same', async () => {
  let asked: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => { asked = resolve; });
  const it = await connect({ handleReloadConfigRequest: () => { asked(); return new Promise(() => undefined); } });
  const reload = it.reload([listed]);
  await arrived;
  await server?.stop();
  await expect(reload).resolves.toMatchObject({ unanswered: true });
});

test('losing the connection is noticed without asking, and the next server on the same address is found again', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'segue-serving-'));
  const address = `unix:${join(dir, 's.sock')}`;
  server = await startScripted({ getModelStatus: () => ({ modelVersionStatus: [{ version: 1n, state: 30 }] }) }, address);
  client = new ServingClient(address);
  const lost = new Promise<void>((resolve) => client?.onDisconnect(resolve));
  await client.status(model);
  await server.stop();
  await lost;
  await expect(client.status(model, { deadlineMs: 200 })).rejects.toMatchObject({ unanswered: true });
  server = await startScripted({ getModelStatus: () => new ServingRefusal('NOT_FOUND', 'gone') }, address);
  for (;;) {
    const answer = await client.status(model, { deadlineMs: 1000 }).catch((error: unknown) => error);
    if (!(answer instanceof RpcFailure)) { expect(answer).toBe('unknown model'); break; }
  }
  await rm(dir, { recursive: true });
});

test('metadata of exactly one version, and a Predict typed by its signature, answered by that version', async () => {
  const def = create(SignatureDefSchema, { inputs: { x: { dtype: DataType.DT_DOUBLE } }, outputs: { y: { dtype: DataType.DT_FLOAT } } });
  const it = await connect({
    getModelMetadata: (_name, version) => version === 2n
      ? { metadata: { signature_def: anyPack(SignatureDefMapSchema, create(SignatureDefMapSchema, { signatureDef: { serving_default: def } })) } }
      : new ServingRefusal('NOT_FOUND', 'Servable not found for request: Specific(half, 1)'),
    predict: (request) => request.inputs['x']?.doubleVal[1] === 2
      ? { modelSpec: { name: 'half', versionChoice: { case: 'version', value: { value: 2n } } }, outputs: { y: toTensorProto([2.5, 3]) } }
      : new ServingRefusal('INVALID_ARGUMENT', 'not doubles'),
  });
  const signatures = await it.metadata(model, '2' as Version);
  expect(Object.keys(signatures)).toEqual(['serving_default']);
  await expect(it.metadata(model, '1' as Version)).rejects.toMatchObject({ code: 'NOT_FOUND', details: 'Servable not found for request: Specific(half, 1)' });
  await expect(it.predict(model, '2' as Version, { name: 'serving_default', def: signatures['serving_default'] ?? def }, { x: [1, 2] })).resolves.toEqual({ version: '2', outputs: { y: [2.5, 3] } });
});
