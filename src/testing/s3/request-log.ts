// What happened, as seen from the server's side: one line per request, and when its connection was closed.

import type { Socket } from 'node:net';

export interface LoggedRequest {
  readonly id: number;
  /** Epoch milliseconds when the request's headers were there. */
  readonly atMs: number;
  readonly operation: string;
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly range?: string;
  /** 0 until answered. */
  readonly status: number;
  /** Of the body, handed to the connection. */
  readonly bytesSent: number;
  /** The fault that was applied. */
  readonly fault?: string;
  /** The client's end of the connection. */
  readonly remotePort: number;
  /** When the answer was complete. */
  readonly endedAtMs?: number;
  /** When the connection was closed, by whomever. */
  readonly closedAtMs?: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type LogLine = Mutable<LoggedRequest>;

export class RequestLog {
  readonly #lines: LogLine[] = [];
  readonly #open = new WeakMap<Socket, LogLine[]>();

  begin(socket: Socket, line: Omit<LoggedRequest, 'id' | 'atMs' | 'status' | 'bytesSent' | 'remotePort'>): LogLine {
    const logged: LogLine = { id: this.#lines.length + 1, atMs: Date.now(), status: 0, bytesSent: 0, remotePort: socket.remotePort ?? 0, ...line };
    this.#lines.push(logged);
    const lines = this.#open.get(socket);
    if (lines) lines.push(logged);
    else {
      const all = [logged];
      this.#open.set(socket, all);
      socket.once('close', () => {
        for (const one of all) one.closedAtMs = Date.now();
      });
    }
    return logged;
  }

  /** A copy: what was, not what will be. */
  list(): readonly LoggedRequest[] {
    return this.#lines.map((line) => ({ ...line }));
  }
}
