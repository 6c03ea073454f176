// One GET of one object, or of its rest: pinned to what was listed, watched, and over at once when the signal says so.

import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { fail } from '../domain/failures';
import type { ListedFile } from '../domain/source';
import type { S3Handle } from './s3-client';
import { BrokenBodyError, NotS3Error } from './trouble';
import { orAbort, watched } from './watchdog';
import type { WatchdogLimits } from './watchdog';

export interface BodyOptions extends WatchdogLimits {
  readonly signal: AbortSignal;
  /** Continue after this many bytes; the server may refuse and begin at 0. */
  readonly from?: number;
}

export interface BodySink {
  /** Where the answer really begins: `from`, or 0 when the server sent the whole object. */
  readonly begin: (at: number) => Promise<void> | void;
  /** Not called again before it resolved. */
  readonly chunk: (bytes: Buffer) => Promise<void> | void;
}

/** Resolves when exactly the listed bytes went into the sink. Rejects with what trouble.ts understands; nothing reaches the sink after that. */
export async function readBody(s3: S3Handle, file: ListedFile, options: BodyOptions, sink: BodySink): Promise<void> {
  const from = options.from ?? 0;
  let at = from;
  await watched(options, () => `byte ${at} of ${file.size}`, async (signal, watchdog) => {
    watchdog.wait();
    const answer = await open(s3, file, from, signal);
    watchdog.got(0);
    const body = answer.Body as Readable;
    // Destroyed while nobody reads it (the sink still prepares), its error would have no listener and end the process.
    body.on('error', () => undefined);
    // Ends the socket under a body that is being waited for; the signal given to send() does not always.
    signal.addEventListener('abort', () => body.destroy(signal.reason as Error), { once: true });
    try {
      at = beginningOf(answer, file, from);
      await sink.begin(at);
      watchdog.wait();
      for await (const chunk of body as AsyncIterable<Buffer>) {
        watchdog.got(chunk.length);
        at += chunk.length;
        if (at > file.size) throw new BrokenBodyError('bytes', file.size, `${at} and more`);
        await sink.chunk(chunk);
        watchdog.wait();
      }
    } finally {
      body.destroy(); // Read to its end this does nothing: the socket goes back to the client's pool.
    }
    if (at < file.size) throw new BrokenBodyError('bytes', file.size, at);
  });
}

async function open(s3: S3Handle, file: ListedFile, from: number, signal: AbortSignal): Promise<GetObjectCommandOutput> {
  const command = new GetObjectCommand({
    Bucket: s3.location.bucket,
    Key: file.key,
    ...(file.versionId === undefined ? {} : { VersionId: file.versionId }),
    ...(file.etag === undefined ? {} : { IfMatch: file.etag }),
    ...(from === 0 ? {} : { Range: `bytes=${from}-` }),
  });
  const sent = s3.client.send(command, { abortSignal: signal });
  try {
    return await orAbort(sent, signal);
  } catch (error) {
    void sent.then(({ Body }) => (Body as Readable).destroy()).catch(() => undefined); // An answer that crossed the abort.
    throw error;
  }
}

/** The offset at which the answer begins, after its headers were held against the listing. */
function beginningOf(answer: GetObjectCommandOutput, file: ListedFile, from: number): number {
  const status = answer.$metadata.httpStatusCode;
  if (file.etag !== undefined && answer.ETag === undefined) throw new NotS3Error(`answered ${status}, but not as an S3 server does: without an ETag`);
  // A server that ignores If-Match still says what it sends.
  if (file.etag !== undefined && answer.ETag !== file.etag) {
    throw fail('SourceChanged', `get ${file.key}: listed with ETag ${file.etag}, found ${answer.ETag}`, { file: file.path, key: file.key, want: file.etag, found: answer.ETag });
  }
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(answer.ContentRange ?? '');
  const begins = status === 206 && range ? Number(range[1]) : 0;
  if (begins !== 0 && begins !== from) throw new BrokenBodyError('first byte of the answer', from, begins);
  const declared = answer.ContentLength;
  if (declared !== undefined && begins + declared !== file.size) {
    throw new BrokenBodyError('declared bytes', file.size, begins + declared);
  }
  return begins;
}
