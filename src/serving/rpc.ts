// Unary calls over grpc-js, built from protobuf-es service descriptors: one schema for wire, text and JSON (DESIGN §13).

import { create, fromBinary, toBinary, type DescMessage, type DescMethodUnary, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { Metadata, status, type Client, type ServiceError } from '@grpc/grpc-js';

/** gRPC's own names of its status codes. */
export type RpcCode = keyof typeof status;

/** What the server, or the way to it, answered instead of a reply. Not a row of the failure table: the same code means different things to different callers. */
export class RpcFailure extends Error {
  override readonly name = 'RpcFailure';
  constructor(readonly code: RpcCode, /** The server's own text. */ readonly details: string, method: string) {
    super(`${method}: ${code}: ${details}`);
  }

  /** The server was not heard: nothing is known about what it did. */
  get unanswered(): boolean {
    return this.code === 'UNAVAILABLE' || this.code === 'DEADLINE_EXCEEDED' || this.code === 'CANCELLED';
  }
}

export interface CallLimits {
  /** From now to the answer, milliseconds. Without one the call is never given up on. */
  readonly deadlineMs?: number;
  /** Gives the call up: only for calls that change nothing. */
  readonly signal?: AbortSignal;
}

/** One call, no retry. Fails with RpcFailure, or with the signal's reason. */
export function callUnary<I extends DescMessage, O extends DescMessage>(client: Client, method: DescMethodUnary<I, O>, request: MessageInitShape<I>, limits: CallLimits): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    if (limits.signal?.aborted === true) {
      reject(limits.signal.reason as Error);
      return;
    }
    const path = `/${method.parent.typeName}/${method.name}`;
    const abort = (): void => call.cancel();
    const call = client.makeUnaryRequest(
      path,
      (value: MessageShape<I>) => Buffer.from(toBinary(method.input, value)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      create(method.input, request),
      new Metadata(),
      limits.deadlineMs === undefined ? {} : { deadline: Date.now() + limits.deadlineMs },
      (error: ServiceError | null, answer?: MessageShape<O>) => {
        limits.signal?.removeEventListener('abort', abort);
        if (limits.signal?.aborted === true) reject(limits.signal.reason as Error);
        else if (error !== null) reject(new RpcFailure(codeName(error.code), error.details, method.name));
        else resolve(answer as MessageShape<O>);
      },
    );
    limits.signal?.addEventListener('abort', abort, { once: true });
  });
}

function codeName(code: number): RpcCode {
  return (status[code] as RpcCode | undefined) ?? 'UNKNOWN';
}
