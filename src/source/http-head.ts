// The little of HTTP/1.1 that an answer to a GET needs: its head, and a body sent in chunks (RFC 9112 §4-7). Parsed by us because the bytes that follow a head shall
// go where we want them, not into a Buffer per read (performance reference §1).

/** Longer than any S3 server's; what goes on longer is no head. */
export const MAX_HEAD_BYTES = 32 * 1024;

export interface Head {
  readonly status: number;
  /** Names in lower case; of several with one name the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly framing: Framing;
  /** The server will answer another request on this connection. */
  readonly keepAlive: boolean;
}

/** How the end of the body is known. */
export type Framing = { readonly by: 'length'; readonly bytes: number } | { readonly by: 'chunks' } | { readonly by: 'close' };

/** What came is not HTTP. The code is the one node:http's own parser gives, so that it counts as trouble of the network. */
export class NotHttpError extends Error {
  override readonly name = 'NotHttpError';
  readonly code = 'HPE_INVALID';
}

/** @param text without the empty line that ends it. */
export function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n');
  const start = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first);
  if (start === null) throw new NotHttpError(`want an HTTP/1.1 answer, found ${JSON.stringify(first.slice(0, 60))}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) throw new NotHttpError(`want a header, found ${JSON.stringify(line.slice(0, 60))}`);
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const status = Number(start[2]);
  const connection = headers.get('connection')?.toLowerCase() ?? '';
  const framing = framingOf(status, headers);
  return { status, headers, framing, keepAlive: framing.by !== 'close' && (start[1] === '1' ? connection !== 'close' : connection === 'keep-alive') };
}

function framingOf(status: number, headers: ReadonlyMap<string, string>): Framing {
  if (status === 204 || status === 304) return { by: 'length', bytes: 0 };
  const coding = headers.get('transfer-encoding');
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked') throw new NotHttpError(`transfer-encoding ${coding}: want chunked`);
    return { by: 'chunks' };
  }
  const length = headers.get('content-length');
  if (length === undefined) return { by: 'close' };
  if (!/^\d{1,15}$/.test(length)) throw new NotHttpError(`content-length ${JSON.stringify(length.slice(0, 60))}: want a number`);
  return { by: 'length', bytes: Number(length) };
}

/** Takes chunks apart as they come, in pieces of any size. */
export class Unchunker {
  #line = '';
  #left = 0;
  #at: 'size' | 'data' | 'end of data' | 'trailer' | 'over' = 'size';

  get over(): boolean {
    return this.#at === 'over';
  }

  /** Hands every run of body bytes to `data`, a view of `bytes`. Gives how many bytes of `bytes` belong to this body. */
  feed(bytes: Buffer, data: (run: Buffer) => void): number {
    let at = 0;
    while (at < bytes.length && !this.over) {
      if (this.#at === 'data') {
        const run = bytes.subarray(at, at + this.#left);
        at += run.length;
        this.#left -= run.length;
        if (this.#left === 0) this.#at = 'end of data';
        data(run);
        continue;
      }
      const end = bytes.indexOf(10, at);
      this.#line += bytes.toString('latin1', at, end < 0 ? bytes.length : end + 1);
      if (this.#line.length > MAX_HEAD_BYTES) throw new NotHttpError('a line between chunks without an end');
      if (end < 0) return bytes.length;
      at = end + 1;
      this.#endOfLine(this.#line.trimEnd());
      this.#line = '';
    }
    return at;
  }

  #endOfLine(line: string): void {
    if (this.#at === 'size') {
      const size = /^([0-9a-f]{1,13})(?:;|$)/i.exec(line)?.[1];
      if (size === undefined) throw new NotHttpError(`want the size of a chunk, found ${JSON.stringify(line.slice(0, 60))}`);
      this.#left = Number.parseInt(size, 16);
      this.#at = this.#left === 0 ? 'trailer' : 'data';
    } else if (this.#at === 'end of data') {
      if (line !== '') throw new NotHttpError('a chunk longer than it said');
      this.#at = 'size';
    } else if (line === '') this.#at = 'over';
  }
}
