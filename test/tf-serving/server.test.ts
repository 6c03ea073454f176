import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { SignatureDefMapSchema } from '../../src/proto/gen/tensorflow_serving/apis/get_model_metadata_pb';
import { ModelService } from '../../src/proto/gen/tensorflow_serving/apis/model_service_pb';
import { PredictionService } from '../../src/proto/gen/tensorflow_serving/apis/prediction_service_pb';
import { HEALTH } from '../../src/testing/tf-serving/health';
import { failure, Fixture, HALF_PLUS_THREE } from './fixture';

// Real directories, real sockets, the machine's clock; polls come quickly so that the tests do.
const QUICK = { fileSystemPollWaitSeconds: 0.05 };

let fixture: Fixture;
beforeEach(() => { fixture = new Fixture(); });
afterEach(() => fixture.close());

const specific = (...versions: number[]): string => `model_version_policy { specific { ${versions.map((version) => `versions: ${version}`).join(' ')} } }`;
const until = (model: string, version: bigint, state: 'Loading' | 'Available' | 'Unloading' | 'End'): Promise<void> => fixture.simulator.core.monitor.untilState({ name: model, version }, state);

test('predictions come from the loaded files: additive transitions move callers without a version to the highest number', async () => {
  fixture.stage('half', '1');
  fixture.stage('half', '2', HALF_PLUS_THREE);
  await fixture.start(QUICK);
  await fixture.reload(fixture.list({ half: specific(1) }));
  expect(await fixture.answered('half', [1, 2, 5])).toBe('v1 2.5 3 4.5');
  await fixture.reload(fixture.list({ half: specific(1, 2) }));
  await until('half', 2n, 'Available');
  expect(await fixture.answered('half', [1, 2, 5])).toBe('v2 3.5 4 5.5');
  expect(await fixture.answered('half', [1, 2, 5], 1n)).toBe('v1 2.5 3 4.5');
  await fixture.reload(fixture.list({ half: specific(2) }));
  await until('half', 1n, 'End');
  expect(await failure(fixture.predict('half', [1], 1n))).toBe('NOT_FOUND: Servable not found for request: Specific(half, 1)');
  expect(fixture.simulator.counts()).toEqual({
    received: 4, ok: 3, failed: 1, byCode: { NOT_FOUND: 1 },
    byServable: [{ model: 'half', version: '1', ok: 2, failed: 0 }, { model: 'half', version: '2', ok: 1, failed: 0 }, { model: 'half', version: '', ok: 0, failed: 1 }],
  });
});

test('what callers get wrong is told in the words of the real server (§7)', async () => {
  fixture.stage('half', '1');
  await fixture.start(QUICK);
  await fixture.reload(fixture.list({ half: '' }));
  const ask = (request: Parameters<typeof fixture.call<typeof PredictionService.method.predict.input, typeof PredictionService.method.predict.output>>[1]): Promise<string> => failure(fixture.call(PredictionService.method.predict, request));
  expect(await ask({})).toBe('INVALID_ARGUMENT: Missing ModelSpec');
  expect(await ask({ modelSpec: {} })).toBe('INVALID_ARGUMENT: ModelSpec has no name specified.');
  expect(await ask({ modelSpec: { name: 'none' } })).toBe('NOT_FOUND: Servable not found for request: Latest(none)');
  expect(await ask({ modelSpec: { name: 'half', versionChoice: { case: 'versionLabel', value: 'canary' } } })).toBe('INVALID_ARGUMENT: Unrecognized servable version label: canary');
  expect(await ask({ modelSpec: { name: 'half', signatureName: 'S' } })).toBe('FAILED_PRECONDITION: Serving signature key "S" not found.');
  expect(await ask({ modelSpec: { name: 'half' } })).toBe('INVALID_ARGUMENT: input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.');
});

test('metadata names the version that answered and carries its signatures', async () => {
  fixture.stage('half', '00000123');
  await fixture.start(QUICK);
  await fixture.reload(fixture.list({ half: '' }));
  const reply = await fixture.call(PredictionService.method.getModelMetadata, { modelSpec: { name: 'half' }, metadataField: ['signature_def'] });
  expect(reply.modelSpec?.versionChoice).toMatchObject({ case: 'version', value: { value: 123n } });
  const signatures = anyUnpack(reply.metadata['signature_def']!, SignatureDefMapSchema);
  expect(Object.keys(signatures?.signatureDef ?? {})).toContain('serving_default');
  expect(await failure(fixture.call(PredictionService.method.getModelMetadata, { modelSpec: { name: 'half' }, metadataField: ['x'] }))).toMatch(/^INVALID_ARGUMENT: /);
});

test('a label is moved only to an AVAILABLE version and answers by it', async () => {
  fixture.stage('half', '1');
  await fixture.start(QUICK);
  await fixture.reload(fixture.list({ half: specific(1) }));
  const labelled = (version: number): string => `${specific(1)} version_labels { key: "stable" value: ${version} }`;
  expect(await failure(fixture.reload(fixture.list({ half: labelled(2) })))).toBe(
    'FAILED_PRECONDITION: Request to assign label to version 2 of model half, which is not currently available for inference');
  await fixture.reload(fixture.list({ half: labelled(1) }));
  const reply = await fixture.call(PredictionService.method.predict, {
    modelSpec: { name: 'half', versionChoice: { case: 'versionLabel', value: 'stable' } }, inputs: { x: { dtype: 1, tensorShape: {}, floatVal: [1] } },
  });
  expect(reply.outputs['y']?.floatVal).toEqual([2.5]);
});

test('a request in flight holds an unload until it ends or its deadline has passed; new ones to that version are refused meanwhile', async () => {
  fixture.stage('half', '1');
  fixture.stage('half', '2');
  await fixture.start(QUICK);
  await fixture.reload(fixture.list({ half: specific(1, 2) }));
  await until('half', 1n, 'Available');
  await until('half', 2n, 'Available');
  fixture.simulator.faults.delay({ what: 'predict', model: 'half', version: 1n, ms: 60_000 });
  const long = failure(fixture.predict('half', [1], 1n, { deadlineMs: 700 }));
  await fixture.reload(fixture.list({ half: specific(2) }));
  await until('half', 1n, 'Unloading');
  expect(await failure(fixture.predict('half', [1], 1n))).toBe('NOT_FOUND: Servable not found for request: Specific(half, 1)');
  expect(await fixture.answered('half', [1])).toBe('v2 2.5');
  expect(await long).toMatch(/^DEADLINE_EXCEEDED/);
  await until('half', 1n, 'End');
});

describe('loads', () => {
  /** The status text with which version 1 of a new model ended. */
  const loadError = async (): Promise<string> => (await failure(fixture.reload(fixture.list({ half: '' })))).replaceAll(fixture.root, '/models');

  test('a directory without saved_model.pb, a legacy bundle, a truncated graph, and wrong tags end the load (§9)', async () => {
    await fixture.start(QUICK);
    const dir = fixture.stage('half', '1');
    const graph = readFileSync(join(dir, 'saved_model.pb'));
    rmSync(join(dir, 'saved_model.pb'));
    expect(await loadError()).toBe('UNKNOWN: 1 model(s) did not become available: {{{name: half version: 1} due to error: NOT_FOUND: Specified file path does not appear to contain a SavedModel bundle (should have a file called `saved_model.pb`)\nSpecified file path: /models/half/1}, }');
    await fixture.reload('model_config_list {}');
    renameSync(dir, join(fixture.root, 'half', '2'));
    writeFileSync(join(fixture.root, 'half', '2', 'saved_model.pb'), graph.subarray(0, graph.length - 10));
    expect(await loadError()).toContain("DATA_LOSS: Can't parse /models/half/2/saved_model.pb as binary proto");
  });

  test('a missing variables.index loads, and then Predict fails (§9)', async () => {
    const dir = fixture.stage('half', '1');
    rmSync(join(dir, 'variables', 'variables.index'));
    await fixture.start(QUICK);
    await fixture.reload(fixture.list({ half: '' }));
    expect(await failure(fixture.predict('half', [1]))).toMatch(/^FAILED_PRECONDITION: /);
  });

  test('a plain file as a version ends in the resource estimate (§15 E1g)', async () => {
    mkdirSync(join(fixture.root, 'half'));
    writeFileSync(join(fixture.root, 'half', '1'), '');
    await fixture.start(QUICK);
    expect(await loadError()).toBe('UNKNOWN: 1 model(s) did not become available: {{{name: half version: 1} due to error: NOT_FOUND: Error while attempting to reserve resources to load servable {name: half version: 1}: /models/half/1; Not a directory}, }');
  });

  test('a partial directory loads if it is whole when its bytes are read, and fails if not (§3 "No completeness check")', async () => {
    const whole = fixture.stage('whole', '1');
    mkdirSync(join(fixture.root, 'half', '1'), { recursive: true });
    mkdirSync(join(fixture.root, 'half', '2'), { recursive: true });
    await fixture.start(QUICK);
    fixture.simulator.faults.delay({ what: 'load', model: 'half', version: 1n, ms: 400 });
    const first = failure(fixture.reload(fixture.list({ half: specific(1) })));
    await until('half', 1n, 'Loading');
    cpSync(whole, join(fixture.root, 'half', '1'), { recursive: true });
    expect(await first).toBe('OK');
    await fixture.reload(fixture.list({ half: specific(1, 2) }));
    await until('half', 2n, 'End');
    expect(await fixture.answered('half', [1])).toBe('v1 2.5');
  });

  test('a bad warm-up file fails the load unless warm-up is off', async () => {
    const dir = fixture.stage('half', '1');
    mkdirSync(join(dir, 'assets.extra'), { recursive: true });
    writeFileSync(join(dir, 'assets.extra', 'tf_serving_warmup_requests'), 'not a record file at all');
    await fixture.start(QUICK);
    expect(await loadError()).toContain('DATA_LOSS: ');
    await fixture.start({ ...QUICK, enableModelWarmup: false, modelConfig: fixture.list({ half: '' }) });
    expect(await fixture.answered('half', [1])).toBe('v1 2.5');
  });

  test('errors and delays on purpose hit what they name', async () => {
    fixture.stage('half', '1');
    await fixture.start({ ...QUICK, maxNumLoadRetries: 1, loadRetryIntervalMicros: 1000 });
    fixture.simulator.faults.error({ what: 'load', model: 'half', code: 'RESOURCE_EXHAUSTED', message: 'no memory', times: 1 });
    await fixture.reload(fixture.list({ half: '' })); // The retry succeeds.
    fixture.simulator.faults.error({ what: 'predict', model: 'half', version: 1n, code: 'INTERNAL', times: 1 });
    expect(await failure(fixture.predict('half', [1]))).toBe('INTERNAL: predict fails on purpose');
    expect(await fixture.answered('half', [1])).toBe('v1 2.5');
  });
});

test('a reload tells how often it made the loader try, when asked', async () => {
  fixture.stage('half', '1');
  await fixture.start(QUICK);
  const name = '/tensorflow/cc/saved_model/load_attempt_count';
  const reply = await fixture.call(ModelService.method.handleReloadConfigRequest, {
    metricNames: [name],
    config: { config: { case: 'modelConfigList', value: { config: [{ name: 'half', basePath: join(fixture.root, 'half'), modelPlatform: 'tensorflow' }] } } },
  });
  expect(reply.metric).toMatchObject([{ name, valueIncrease: { case: 'int64ValueIncrease', value: 1n } }]);
});

test('over a Unix socket alone, also in place of one that an earlier process left behind', async () => {
  fixture.stage('half', '1');
  const socketPath = join(fixture.root, 'serving.sock');
  const left = createServer().listen(socketPath);
  await once(left, 'listening');
  await fixture.start({ ...QUICK, socketPath, modelConfig: fixture.list({ half: '' }) });
  expect(fixture.simulator.port).toBe(0);
  expect(await fixture.answered('half', [1])).toBe('v1 2.5');
  left.close();
});

test('history is lost on restart: only what the new process loaded is known', async () => {
  fixture.stage('half', '1');
  fixture.stage('half', '2');
  await fixture.start({ ...QUICK, modelConfig: fixture.list({ half: specific(1) }) });
  const { port } = fixture.simulator;
  await fixture.reload(fixture.list({ half: specific(2) }));
  await until('half', 1n, 'End');
  await fixture.simulator.stop();
  await fixture.start({ ...QUICK, port, modelConfig: fixture.list({ half: specific(2) }) });
  const status = await fixture.call(ModelService.method.getModelStatus, { modelSpec: { name: 'half' } }, { deadlineMs: 10_000 });
  expect(status.modelVersionStatus.map(({ version }) => version)).toEqual([2n]);
});

test('the config-file poller undoes what came by RPC (§2)', async () => {
  fixture.stage('half', '1');
  fixture.stage('half', '2');
  const modelConfigFile = join(fixture.root, 'boot.config');
  writeFileSync(modelConfigFile, fixture.list({ half: specific(1) }));
  await fixture.start({ ...QUICK, modelConfigFile, modelConfigFilePollWaitSeconds: 1 });
  await fixture.reload(fixture.list({ half: specific(1, 2) }));
  await until('half', 2n, 'Available');
  await until('half', 2n, 'End');
});

describe('REST (§1)', () => {
  const get = async (path: string, method = 'GET'): Promise<{ status: number; body: string; type: string | null }> => {
    const response = await fetch(`http://127.0.0.1:${fixture.simulator.restPort}${path}`, { method });
    return { status: response.status, body: await response.text(), type: response.headers.get('content-type') };
  };

  beforeEach(async () => {
    fixture.stage('half', '00000123');
    await fixture.start({ ...QUICK, restPort: 0, modelConfig: fixture.list({ half: '' }) });
  });

  test('model status as the stock server prints it; labels are ignored', async () => {
    const available = { model_version_status: [{ version: '123', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } }] };
    for (const path of ['/v1/models/half', '/v1/models/half/versions/123', '/v1/models/half/labels/any', '/V1/Models/half']) {
      const { status, body } = await get(path);
      expect([path, status, JSON.parse(body)]).toEqual([path, 200, available]);
    }
  });

  test('errors have the code of the status and its text', async () => {
    const saw = async (path: string, method?: string): Promise<[number, unknown]> => {
      const { status, body } = await get(path, method);
      return [status, JSON.parse(body)];
    };
    expect(await saw('/v1/models/none')).toEqual([404, { error: 'Could not find any versions of model none' }]);
    expect(await saw('/v1/models/half/versions/7')).toEqual([404, { error: 'Could not find version 7 of model half' }]);
    expect(await saw('/v1/models')).toEqual([400, { error: 'Missing model name in request.' }]);
    expect(await saw('/v1/models/half/x/y')).toEqual([400, { error: 'Malformed request: GET /v1/models/half/x/y' }]);
    expect(await saw('/v1/models/half', 'POST')).toEqual([400, { error: 'Malformed request: POST /v1/models/half' }]);
    expect((await saw('/v1/models/half:predict', 'POST'))[0]).toBe(501);
    expect(await get('/elsewhere')).toMatchObject({ status: 404, type: 'text/html' });
  });

  test('metadata equals what the real server gave for the same files', async () => {
    const wanted = JSON.parse(readFileSync(join(__dirname, '..', 'data', 'savedmodels', '_configs', 'half_plus_two_model_metadata.json'), 'utf8')) as { metadata: unknown };
    const { body } = await get('/v1/models/half/metadata');
    const found = JSON.parse(body) as { model_spec: unknown; metadata: unknown };
    expect(found.model_spec).toEqual({ name: 'half', signature_name: '', version: '123' });
    expect(found.metadata).toEqual(wanted.metadata);
  });
});

test('the health service is there only when asked for, and then says SERVING for good', async () => {
  await fixture.start(QUICK);
  const check = (service: string): Promise<string> => new Promise((resolve) => {
    const { path, requestSerialize, responseDeserialize } = HEALTH['Check']!;
    fixture.client().makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, state) => resolve(error === null ? String(state) : `${error.code} ${error.details}`));
  });
  expect(await check('ModelService')).toMatch(/^12 /);
  await fixture.start({ ...QUICK, enableGrpcHealthcheckService: true });
  expect([await check(''), await check('ModelService'), await check('PredictionService'), await check('x')]).toEqual(['1', '1', '1', '5 service name unknown']);
});

test('the stats endpoint tells what was counted and what no RPC shows', async () => {
  fixture.stage('half', '1');
  await fixture.start({ ...QUICK, statsPort: 0, modelConfig: fixture.list({ half: specific(1) }) });
  await fixture.predict('half', [1]);
  const stats = await (await fetch(`http://127.0.0.1:${fixture.simulator.statsPort}/`)).json() as Record<string, unknown>;
  expect(stats).toMatchObject({
    pid: process.pid, predictions: { received: 1, ok: 1, failed: 0 }, handlesHeld: 0, reloading: false,
    config: { model_config_list: { config: [{ name: 'half', model_version_policy: { specific: { versions: ['1'] } } }] } },
  });
});
