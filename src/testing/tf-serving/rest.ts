// The HTTP port: model status and metadata as the stock server prints them (reference §1 "REST"). Predictions over REST are not simulated.

import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, toJson, type DescMessage, type JsonValue, type MessageShape } from '@bufbuild/protobuf';
import { anyUnpack, Int64ValueSchema } from '@bufbuild/protobuf/wkt';
import { GetModelMetadataRequestSchema, SignatureDefMapSchema } from '../../proto/gen/tensorflow_serving/apis/get_model_metadata_pb';
import { GetModelStatusRequestSchema, GetModelStatusResponseSchema } from '../../proto/gen/tensorflow_serving/apis/get_model_status_pb';
import { ModelSpecSchema, type ModelSpec } from '../../proto/gen/tensorflow_serving/apis/model_pb';
import type { ServerCore } from './core';
import { getModelStatus } from './model-service';
import { getModelMetadata, type PredictableServable } from './prediction-service';
import { CODE_NAMES, ServingError, type CodeName } from './status';

/** Resolves with the server and its port. */
export function serveRest(core: ServerCore<PredictableServable>, address: string, port: number): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => answer(core, request.method ?? '', request.url ?? '', response));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => resolve({ server, port: (server.address() as AddressInfo).port }));
  });
}

function answer(core: ServerCore<PredictableServable>, method: string, url: string, response: ServerResponse): void {
  const path = url.replace(/\?.*$/s, '');
  if (!/^\/v1\//i.test(path)) {
    response.writeHead(404, { 'content-type': 'text/html' }).end('<html><head>\n<title>404 Not Found</title>\n</head><body>\n<h1>Not Found</h1>\n</body></html>\n');
    return;
  }
  try {
    reply(response, 200, `${JSON.stringify(ask(core, method, path), undefined, 1)}\n`);
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
    reply(response, HTTP_STATUS[CODE_NAMES[error.code] ?? 'UNKNOWN'], JSON.stringify({ error: error.message }));
  }
}

function ask(core: ServerCore<PredictableServable>, method: string, path: string): JsonValue {
  if (method === 'POST' && PREDICTION.test(path)) throw new ServingError('UNIMPLEMENTED', 'the simulator answers predictions over gRPC only');
  const match = method === 'GET' ? STATUS.exec(path) : null;
  if (match === null) throw new ServingError('INVALID_ARGUMENT', `Malformed request: ${method} ${path}`);
  const [, name, version, label, metadata] = match;
  if (name === undefined) throw new ServingError('INVALID_ARGUMENT', 'Missing model name in request.');
  const modelSpec = specOf(decoded(name), version, label);
  if (metadata === undefined) {
    return printed(GetModelStatusResponseSchema, getModelStatus(core.monitor, create(GetModelStatusRequestSchema, { modelSpec })));
  }
  const found = getModelMetadata(core, create(GetModelMetadataRequestSchema, { modelSpec, metadataField: ['signature_def'] }));
  const signatures = found.metadata['signature_def'] && anyUnpack(found.metadata['signature_def'], SignatureDefMapSchema);
  if (signatures === undefined || found.modelSpec === undefined) throw new Error('metadata without signatures');
  return { model_spec: printed(ModelSpecSchema, found.modelSpec), metadata: { signature_def: printed(SignatureDefMapSchema, signatures) } };
}

const PREDICTION = /^\/v1\/models\/([^/:]+)(?:\/versions\/([0-9]+)|\/labels\/([^/:]+))?:(classify|regress|predict)$/i;
const STATUS = /^\/v1\/models(?:\/([^/:]+))?(?:\/versions\/([0-9]+)|\/labels\/([^/:]+))?(?:\/(metadata))?$/i;

const INT64_MAX = 2n ** 63n - 1n;

function specOf(name: string, version: string | undefined, label: string | undefined): ModelSpec {
  if (version !== undefined) {
    if (BigInt(version) > INT64_MAX) throw new ServingError('INVALID_ARGUMENT', `Failed to convert version: ${version} to numeric.`);
    return create(ModelSpecSchema, { name, versionChoice: { case: 'version', value: create(Int64ValueSchema, { value: BigInt(version) }) } });
  }
  return create(ModelSpecSchema, { name, versionChoice: label === undefined ? { case: undefined } : { case: 'versionLabel', value: decoded(label) } });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Snake case, defaults included, int64 as text. */
function printed<D extends DescMessage>(schema: D, message: MessageShape<D>): JsonValue {
  return toJson(schema, message, { alwaysEmitImplicit: true, useProtoFieldName: true });
}

function reply(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
}

const HTTP_STATUS: Readonly<Record<CodeName, number>> = {
  OK: 200, CANCELLED: 499, UNKNOWN: 500, INVALID_ARGUMENT: 400, DEADLINE_EXCEEDED: 504, NOT_FOUND: 404, ALREADY_EXISTS: 409, PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429, FAILED_PRECONDITION: 400, ABORTED: 409, OUT_OF_RANGE: 400, UNIMPLEMENTED: 501, INTERNAL: 500, UNAVAILABLE: 503,
  DATA_LOSS: 500, UNAUTHENTICATED: 401,
};
