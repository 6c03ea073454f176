// The wire: ModelService and PredictionService over grpc-js, with the stock server's thread cap and cut messages (reference §1, §2 "Thread exhaustion").

import { statSync, unlinkSync } from 'node:fs';
import { fromBinary, toBinary, type DescMessage, type DescMethodUnary, type MessageShape } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type status as grpcStatus, type sendUnaryData, type ServerUnaryCall, type UntypedServiceImplementation, type ServiceDefinition } from '@grpc/grpc-js';
import { ServingError, wireMessage } from './status';
import type { ThreadCap } from './thread-cap';

/** One unary method: what it does with a request, and until when the caller waits. Throws ServingError. */
export interface Method<I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> {
  readonly description: DescMethodUnary<I, O>;
  readonly handle: (request: MessageShape<I>, remainingMs: number) => MessageShape<O> | Promise<MessageShape<O>>;
  /** Told when the call was refused for want of a thread. */
  readonly refused?: (request: MessageShape<I>, error: ServingError) => void;
}

export function method<I extends DescMessage, O extends DescMessage>(definition: Method<I, O>): Method {
  return definition as unknown as Method;
}

export function createGrpcServer(methods: readonly Method[], threads: ThreadCap): Server {
  const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1, 'grpc.so_reuseport': 0 });
  for (const typeName of new Set(methods.map(({ description }) => description.parent.typeName))) {
    const mine = methods.filter(({ description }) => description.parent.typeName === typeName);
    const definition: ServiceDefinition = Object.fromEntries(mine.map(({ description }) => [description.name, {
      path: `/${typeName}/${description.name}`,
      requestStream: false,
      responseStream: false,
      requestDeserialize: (bytes: Buffer) => fromBinary(description.input, bytes),
      requestSerialize: (request: MessageShape<DescMessage>) => Buffer.from(toBinary(description.input, request)),
      responseDeserialize: (bytes: Buffer) => fromBinary(description.output, bytes),
      responseSerialize: (reply: MessageShape<DescMessage>) => Buffer.from(toBinary(description.output, reply)),
    }]));
    const implementation: UntypedServiceImplementation = Object.fromEntries(mine.map((one) => [one.description.name, handler(one, threads)]));
    server.addService(definition, implementation);
  }
  return server;
}

/** `host:port` or `unix:PATH`; resolves with the port (0 for a socket). A socket left by an earlier process is replaced, as gRPC's C++ core does. */
export function bind(server: Server, address: string, log: (text: string) => void): Promise<number> {
  const socket = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  if (socket !== undefined && statSync(socket, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(socket);
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) {
        resolve(port);
        return;
      }
      log(error.message);
      reject(new ServingError('INVALID_ARGUMENT', 'Failed to BuildAndStart gRPC server'));
    });
  });
}

type Call = ServerUnaryCall<MessageShape<DescMessage>, MessageShape<DescMessage>>;
type Reply = sendUnaryData<MessageShape<DescMessage>>;

/** A handler keeps its thread until it returns; that its caller has left changes nothing. */
function handler(one: Method, threads: ThreadCap): (call: Call, reply: Reply) => void {
  return (call, reply) => {
    if (!threads.enter()) {
      const exhausted = new ServingError('RESOURCE_EXHAUSTED', 'Server Threadpool Exhausted');
      one.refused?.(call.request, exhausted);
      refuse(reply, exhausted);
      return;
    }
    void (async () => {
      try {
        reply(null, await one.handle(call.request, remainingMs(call.getDeadline())));
      } catch (error) {
        if (!(error instanceof ServingError)) throw error;
        refuse(reply, error);
      } finally {
        threads.leave();
      }
    })();
  };
}

function refuse(reply: Reply, error: ServingError): void {
  reply({ code: error.code as grpcStatus, details: wireMessage(error.message) });
}

function remainingMs(deadline: Date | number): number {
  return Math.max(0, Number(deadline) - Date.now());
}
