// One part over one lane: asked for from where it stands, held against what was listed, and into the lane's slabs.

import { fail } from '../domain/failures';
import type { Head } from './http-head';
import type { Lane, Receiver } from './lane';
import type { ListedFile } from '../domain/source';
import type { Range } from './part-file';
import type { Part } from './part-plan';
import type { RateLimit } from './rate-limit';
import type { SignedRequests } from './signed-requests';
import type { SlabRing } from './slabs';
import { BrokenBodyError, NotS3Error } from './trouble';

/** Longer than any S3 error document. */
const MAX_ERROR_BYTES = 64 * 1024;
/** So that one read is a small part of what a second may bring. */
const LIMITED_READ_BYTES = 64 * 1024;
const EXPIRED: ReadonlySet<string> = new Set(['ExpiredToken', 'ExpiredTokenException', 'RequestExpired']);

/** This server cannot be read in parts over a connection of ours: the SDK's body is used instead. */
export class OwnPathCannotError extends Error {
  override readonly name = 'OwnPathCannotError';
}

/** What an S3 server says went wrong, shaped as the SDK's errors are, so that trouble.ts reads both. */
class AnswerError extends Error {
  readonly Code: string;
  readonly $metadata: { readonly httpStatusCode: number };
  constructor(status: number, code: string, text: string, readonly date: string | undefined) {
    super(text);
    this.name = this.Code = code;
    this.$metadata = { httpStatusCode: status };
  }
}

export interface Place {
  readonly lane: Lane;
  readonly ring: SlabRing;
  readonly requests: SignedRequests;
  /** For all lanes together; nothing: as fast as they come. */
  readonly limit: RateLimit | undefined;
  readonly received: ((bytes: number) => void) | undefined;
  /** These bytes of it are in the file. */
  readonly written: (part: Part, range: Range) => void;
}

/** Resolves when all of the part is read; it may still be on its way to the disk. Rejects with what trouble.ts understands, the part as far as it came. */
export async function requestPart(place: Place, part: Part): Promise<void> {
  try {
    await ask(place, part);
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error;
    if (error.Code === 'RequestTimeTooSkewed') place.requests.clockOffsetMs = clockOffset(error.date);
    if (!EXPIRED.has(error.Code)) throw error;
    await place.requests.refreshCredentials();
    await ask(place, part);
  }
}

async function ask(place: Place, part: Part): Promise<void> {
  const { file } = part;
  const receiver = new PartReceiver(place, part);
  try {
    await place.lane.exchange(await place.requests.get(file.listed, part.at, part.to), receiver);
    receiver.failAnswer();
  } finally {
    receiver.flush();
  }
  if (part.at < part.to) throw new BrokenBodyError('bytes', part.file.listed.size, part.at);
}

/** What the server says of a whole object, or of one of the parts it was put in, in headers alone. */
export async function requestHead({ lane, requests }: Pick<Place, 'lane' | 'requests'>, listed: ListedFile, partNumber?: number): Promise<ReadonlyMap<string, string>> {
  let found: Head | undefined;
  await lane.exchange(await requests.head(listed, partNumber), { bodyless: true, head: (head) => { found = head; }, space: () => undefined, took: () => undefined });
  // What is wrong, a GET will say, with a reason.
  return found?.status === 200 || (found?.status === 206 && partNumber !== undefined) ? found.headers : new Map<string, string>();
}

class PartReceiver implements Receiver {
  readonly #place: Place;
  readonly #part: Part;
  #answer: { readonly head: Head; readonly text: Buffer; bytes: number } | undefined;

  constructor(place: Place, part: Part) {
    this.#place = place;
    this.#part = part;
    if (!part.file.isWhole) place.ring.drop();
  }

  head(head: Head): void {
    if (head.status < 200 || head.status >= 300) this.#answer = { head, text: Buffer.alloc(MAX_ERROR_BYTES), bytes: 0 };
    else this.#accept(head);
  }

  /** Headers held against the listing, as object-body.ts does for the SDK's answers. */
  #accept({ status, headers, framing }: Head): void {
    const part = this.#part;
    const { listed } = part.file;
    const etag = headers.get('etag');
    if (listed.etag !== undefined && etag === undefined) throw new NotS3Error(`answered ${status}, but not as an S3 server does: without an ETag`);
    // A server that ignores If-Match still says what it sends.
    if (listed.etag !== undefined && etag !== listed.etag) throw fail('SourceChanged', `get ${listed.key}: listed with ETag ${listed.etag}, found ${etag}`, { file: listed.path, key: listed.key, want: listed.etag, found: etag });
    if (headers.has('content-encoding') && framing.by !== 'length') throw new OwnPathCannotError(`the server sends ${listed.key} with content-encoding ${headers.get('content-encoding')}`);
    if (status === 206) this.#acceptRange(headers.get('content-range') ?? '');
    else if (part.at > 0 || part.to < listed.size) this.#acceptWhole();
    if (framing.by === 'length' && part.at + framing.bytes !== part.to) throw new BrokenBodyError('declared bytes', part.to, part.at + framing.bytes);
    part.file.decide(headers);
  }

  #acceptRange(range: string): void {
    const [, from, to, size] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
    const part = this.#part;
    if (from === undefined) throw new NotS3Error(`answered 206, but not as an S3 server does: content-range ${JSON.stringify(range)}`);
    if (Number(from) !== part.at) throw new BrokenBodyError('first byte of the answer', part.at, Number(from));
    if (Number(to) !== part.to - 1) throw new BrokenBodyError('last byte of the answer', part.to - 1, Number(to));
    if (size !== '*' && Number(size) !== part.file.listed.size) throw new BrokenBodyError('declared bytes', part.file.listed.size, Number(size));
  }

  /** 200 for a range: the server may do that. A file of one part begins anew; of many, each would be sent whole. */
  #acceptWhole(): void {
    const part = this.#part;
    if (part.from > 0 || part.to < part.file.listed.size) throw new OwnPathCannotError('the server answers a range with the whole object');
    this.#place.ring.drop();
    part.file.restart();
    part.at = part.written = 0;
  }

  space(): Uint8Array | undefined {
    const answer = this.#answer;
    if (answer !== undefined) return answer.text.subarray(answer.bytes);
    const { limit, lane, ring } = this.#place;
    const ms = limit?.leftMs() ?? 0;
    if (ms > 0) {
      setTimeout(() => lane.resume(), Math.ceil(ms)).unref();
      return undefined;
    }
    return limit === undefined ? ring.space() : ring.space()?.subarray(0, LIMITED_READ_BYTES);
  }

  took(bytes: number): void {
    const part = this.#part;
    if (this.#answer !== undefined) {
      this.#answer.bytes += bytes;
      if (this.#answer.bytes === MAX_ERROR_BYTES) this.failAnswer();
      return;
    }
    if (part.at + bytes > part.to) throw this.#tooMuch(part.at + bytes);
    const full = this.#place.ring.took(bytes);
    part.at += bytes;
    this.#place.limit?.take(bytes);
    this.#place.received?.(bytes);
    if (full || part.at === part.to) this.flush();
  }

  /** Nothing of an answer that is not the object's is kept, where it began with the object. */
  #tooMuch(found: number): Error {
    const part = this.#part;
    const { listed } = part.file;
    this.#place.ring.drop();
    if (part.from > 0 || part.to < listed.size) return fail('IntegrityMismatch', `get ${listed.key}: bytes: want ${part.to}, found ${found} and more, in answer to a range`, { file: listed.key, want: part.to, found });
    part.file.restart();
    part.at = part.written = 0;
    return new BrokenBodyError('bytes', listed.size, `${found} and more`);
  }

  /** What was read goes to the disk: also of a part that broke off, which goes on there. */
  flush(): void {
    const part = this.#part;
    const { ring, written } = this.#place;
    const run = part.file.restarts;
    const from = part.at - ring.filled;
    part.file.take(ring, from, (bytes) => {
      if (run !== part.file.restarts) return;
      part.written += bytes;
      written(part, { from, to: from + bytes });
    });
  }

  /** Throws what the server said, where that was no success. */
  failAnswer(): void {
    if (this.#answer === undefined) return;
    const { head, text, bytes } = this.#answer;
    const document = text.toString('utf8', 0, bytes);
    const code = /<Code>([A-Za-z0-9_.-]{1,100})<\/Code>/.exec(document)?.[1];
    throw new AnswerError(head.status, code ?? (head.status === 412 ? 'PreconditionFailed' : 'UnknownError'), /<Message>([^<]{0,500})/.exec(document)?.[1] ?? 'no message', head.headers.get('date'));
  }
}

function clockOffset(date: string | undefined): number {
  const theirs = Date.parse(date ?? '');
  return Number.isNaN(theirs) ? 0 : theirs - Date.now();
}
