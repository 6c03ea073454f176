// grpc.health.v1, only with --enable_grpc_healthcheck_service: set to SERVING once, never tied to models (reference §1).

import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { status, type sendUnaryData, type Server, type ServerUnaryCall, type ServerWritableStream, type ServiceDefinition } from '@grpc/grpc-js';

const KNOWN = ['', 'ModelService', 'PredictionService'];
const SERVING = 1;
const SERVICE_UNKNOWN = 3;

interface Request { readonly service: string }

export function addHealthService(server: Server): void {
  server.addService(HEALTH, {
    Check: (call: ServerUnaryCall<Request, number>, reply: sendUnaryData<number>) => {
      if (KNOWN.includes(call.request.service)) reply(null, SERVING);
      else reply({ code: status.NOT_FOUND, details: 'service name unknown' });
    },
    // Answers once; nothing ever changes. The stream stays open, as it should.
    Watch: (call: ServerWritableStream<Request, number>) => { call.write(KNOWN.includes(call.request.service) ? SERVING : SERVICE_UNKNOWN); },
  });
}

/** HealthCheckRequest { string service = 1 } and HealthCheckResponse { ServingStatus status = 1 }, too small for a schema of their own. */
const MESSAGES = {
  requestSerialize: ({ service }: Request) => Buffer.from(new BinaryWriter().tag(1, 2).string(service).finish()),
  requestDeserialize: (bytes: Buffer): Request => ({ service: firstField(bytes, (reader) => reader.string()) ?? '' }),
  responseSerialize: (state: number) => Buffer.from(new BinaryWriter().tag(1, 0).int32(state).finish()),
  responseDeserialize: (bytes: Buffer) => firstField(bytes, (reader) => reader.int32()) ?? 0,
};

export const HEALTH: ServiceDefinition = {
  Check: { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false, ...MESSAGES },
  Watch: { path: '/grpc.health.v1.Health/Watch', requestStream: false, responseStream: true, ...MESSAGES },
};

function firstField<T>(bytes: Buffer, read: (reader: BinaryReader) => T): T | undefined {
  const reader = new BinaryReader(bytes);
  let found: T | undefined;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) found = read(reader);
    else reader.skip(wireType);
  }
  return found;
}
