// Calls to a Temporal that is sometimes away: made again until there is an answer, of whatever kind.

import { setTimeout as delay } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { isGrpcServiceError, type Client } from '@temporalio/client';

const CALL_MS = 3_000;
const AGAIN_MS = 200;
const PATIENCE_MS = 90_000;
/** What a server says that is away, stopping, or just starting. */
const NO_ANSWER: readonly status[] = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED, status.CANCELLED, status.INTERNAL, status.UNKNOWN, status.RESOURCE_EXHAUSTED, status.ABORTED];

/** Rejects with the first real answer that is a refusal, or with the last failure when patience ends. The call may be made more than once. */
export async function patiently<T>(client: Client, call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await client.withDeadline(Date.now() + CALL_MS, call);
    } catch (error) {
      if (!isNoAnswer(error) || Date.now() > deadline) throw error;
    }
    await delay(AGAIN_MS);
  }
}

function isNoAnswer(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause)) return NO_ANSWER.includes(cause.code);
    if (/deadline|unavailable/i.test(cause.message)) return true;
  }
  return false;
}
