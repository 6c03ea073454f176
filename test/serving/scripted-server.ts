// A gRPC server on a real socket that answers what a test tells it to: for answers no well-behaved server gives on request.

import { create, fromBinary, toBinary, type DescMethodUnary, type DescService, type Message, type MessageInitShape } from '@bufbuild/protobuf';
import { Server, ServerCredentials, status, type ServiceError, type UntypedHandleCall } from '@grpc/grpc-js';
import type { GetModelStatusResponseSchema } from '../../src/proto/gen/tensorflow_serving/apis/get_model_status_pb';
import type { GetModelMetadataResponseSchema } from '../../src/proto/gen/tensorflow_serving/apis/get_model_metadata_pb';
import type { ReloadConfigRequest, ReloadConfigResponseSchema } from '../../src/proto/gen/tensorflow_serving/apis/model_management_pb';
import { ModelService } from '../../src/proto/gen/tensorflow_serving/apis/model_service_pb';
import type { PredictRequest, PredictResponseSchema } from '../../src/proto/gen/tensorflow_serving/apis/predict_pb';
import { PredictionService } from '../../src/proto/gen/tensorflow_serving/apis/prediction_service_pb';

type Answer<T> = T | ServingRefusal | Promise<T | ServingRefusal>;

export interface Script {
  getModelStatus?(model: string): Answer<MessageInitShape<typeof GetModelStatusResponseSchema>>;
  handleReloadConfigRequest?(request: ReloadConfigRequest): Answer<MessageInitShape<typeof ReloadConfigResponseSchema>>;
  getModelMetadata?(model: string, version: bigint | undefined): Answer<MessageInitShape<typeof GetModelMetadataResponseSchema>>;
  predict?(request: PredictRequest): Answer<MessageInitShape<typeof PredictResponseSchema>>;
}

export class ServingRefusal {
  constructor(readonly code: keyof typeof status, readonly details: string) {}
}

export interface ScriptedServer {
  readonly address: string;
  stop(): Promise<void>;
}

/** @param at `127.0.0.1:0` for any free port, or `unix:PATH`. */
export async function startScripted(script: Script, at = '127.0.0.1:0'): Promise<ScriptedServer> {
  const server = new Server();
  serve(server, ModelService, {
    GetModelStatus: (request: { modelSpec?: { name: string } }) => script.getModelStatus?.(request.modelSpec?.name ?? ''),
    HandleReloadConfigRequest: (request: ReloadConfigRequest) => script.handleReloadConfigRequest?.(request),
  });
  serve(server, PredictionService, {
    GetModelMetadata: (request: PredictRequest) => {
      const version = request.modelSpec?.versionChoice;
      return script.getModelMetadata?.(request.modelSpec?.name ?? '', version?.case === 'version' ? version.value.value : undefined);
    },
    Predict: (request: PredictRequest) => script.predict?.(request),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(at, ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  return {
    address: at.startsWith('unix:') ? at : `127.0.0.1:${port}`,
    stop: () => new Promise((resolve) => { server.forceShutdown(); setImmediate(resolve); }),
  };
}

type Handlers = Record<string, (request: never) => unknown>;

function serve(server: Server, service: DescService, handlers: Handlers): void {
  const unary = service.methods.filter((method): method is DescMethodUnary => method.methodKind === 'unary' && handlers[method.name] !== undefined);
  server.addService(
    Object.fromEntries(unary.map((method) => [method.name, {
      path: `/${service.typeName}/${method.name}`, requestStream: false, responseStream: false,
      requestSerialize: (value: Message) => Buffer.from(toBinary(method.input, value)), requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
      responseSerialize: (value: Message) => Buffer.from(toBinary(method.output, value)), responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
    }])),
    Object.fromEntries(unary.map((method) => [method.name, ((call: { request: unknown }, callback: (error: Partial<ServiceError> | null, value?: unknown) => void) => {
      void Promise.resolve(handlers[method.name]?.(call.request as never)).then((answer) => {
        if (answer instanceof ServingRefusal) callback({ code: status[answer.code], details: answer.details });
        else if (answer === undefined) callback({ code: status.UNIMPLEMENTED, details: 'not in the script' });
        else callback(null, create(method.output, answer as Record<string, unknown>));
      });
    }) as UntypedHandleCall])),
  );
}
