// One GET as it is on the wire: no retries, no validation, and an account of how it ended.

import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** complete, or the error code that ended it. */
  readonly end: string;
}

/** Ends the connection itself once it has `stopAfter` bytes, as a client that gave up. */
export function rawGet(port: number, path: string, options: { headers?: Record<string, string>; stopAfter?: number; method?: string; body?: string } = {}): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', path, method: options.method ?? 'GET', headers: options.headers ?? {}, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const done = (end: string): void => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks), end });
      const stopIfEnough = (): void => {
        if (options.stopAfter === undefined || bytes < options.stopAfter) return;
        done('stopped');
        asked.destroy();
      };
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        stopIfEnough();
      });
      response.on('end', () => done('complete'));
      response.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
      stopIfEnough();
    });
    asked.on('error', reject);
    asked.end(options.body);
  });
}
