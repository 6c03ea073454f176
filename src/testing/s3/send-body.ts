// A body on its way, as a fault wants it: stopped, slowed, cut, lengthened or damaged. Ends early when the client goes away.

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './faults';
import type { LogLine } from './request-log';

/** Pieces of a trickle: often enough to look steady. */
const TRICKLE_TICK_MS = 50;

export interface Body {
  readonly chunks: AsyncIterable<Buffer>;
  /** How long it really is. */
  readonly size: number;
  readonly fault: Fault | undefined;
  /** Before the connection is cut on purpose. */
  readonly onCut?: () => void;
}

/** Headers are written already. */
export async function sendBody(response: ServerResponse, line: LogLine, { chunks, size, fault, onCut }: Body): Promise<void> {
  const gone = new AbortController();
  let release = (): void => undefined;
  response.once('close', () => {
    gone.abort();
    release();
  });
  const { signal } = gone;
  const write = async (bytes: Buffer): Promise<void> => {
    if (bytes.length === 0 || signal.aborted) return;
    // Until the kernel has it, so that a cut comes after these bytes and the log is exact.
    await new Promise<void>((resolve) => {
      release = resolve;
      response.write(bytes, () => resolve());
    });
    if (!signal.aborted) line.bytesSent += bytes.length;
  };
  const limit = limitOf(fault, size);
  response.flushHeaders();
  let sent = 0;
  for await (const whole of padded(chunks, limit - size)) {
    if (signal.aborted || sent >= limit) break;
    const chunk = flipped(whole, sent, fault).subarray(0, limit - sent);
    if (fault?.kind === 'trickle') await trickle(chunk, sent, fault, write, signal);
    else await write(chunk);
    sent += chunk.length;
  }
  if (signal.aborted) return;
  if (fault?.kind === 'stall' && limit < size) await once(response, 'close');
  else if (fault?.kind === 'reset' || fault?.kind === 'change') {
    onCut?.();
    await reset(response);
  }
  else if (fault?.kind === 'length' && fault.declare !== 'none' && limit < size + (fault.declare ?? 0)) response.destroy();
  else response.end();
}

function limitOf(fault: Fault | undefined, size: number): number {
  switch (fault?.kind) {
    case 'stall': case 'reset': return Math.min(fault.afterBytes, size);
    case 'change': return Math.min(fault.afterBytes ?? size, size);
    case 'length': return Math.max(0, size + (fault.send ?? 0));
    default: return size;
  }
}

async function* padded(chunks: AsyncIterable<Buffer>, excess: number): AsyncIterable<Buffer> {
  yield* chunks;
  if (excess > 0) yield Buffer.alloc(excess, '+');
}

function flipped(chunk: Buffer, at: number, fault: Fault | undefined): Buffer {
  if (fault?.kind !== 'flip' || fault.atByte < at || fault.atByte >= at + chunk.length) return chunk;
  const damaged = Buffer.from(chunk);
  damaged[fault.atByte - at]! ^= 1;
  return damaged;
}

async function trickle(chunk: Buffer, at: number, fault: Fault & { kind: 'trickle' }, write: (bytes: Buffer) => Promise<void>, signal: AbortSignal): Promise<void> {
  const free = Math.min(chunk.length, Math.max(0, (fault.afterBytes ?? 0) - at));
  await write(chunk.subarray(0, free));
  const piece = Math.max(1, Math.round((fault.bytesPerSecond * TRICKLE_TICK_MS) / 1000));
  for (let done = free; done < chunk.length && !signal.aborted; done += piece) {
    await sleep((piece / fault.bytesPerSecond) * 1000, undefined, { signal }).catch(() => undefined);
    await write(chunk.subarray(done, done + piece));
  }
}

/** RST. What was written has left; headers alone may still be corked until the next turn of the loop, and would be dropped. */
async function reset(response: ServerResponse): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  response.socket?.resetAndDestroy();
}
