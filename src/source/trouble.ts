// What went wrong with a source, as a row of the failure table, and whether trying again can help. The one place that reads the SDK's and
// the network's errors. What it does not know stays what it is: a bug.

import { SegueError, fail } from '../domain/failures';
import type { FailureCode } from '../domain/failures';
import type { SourceRef } from '../domain/source';
import { endpointOf, parseS3Uri } from './uri';

/** Nothing will change by asking again. */
const ONCE = 1;
/** A damaged transfer is fetched again once; twice the same damage is in the object. */
const TWICE = 2;
/** With the backoff of retry.ts about 3 s of a source's bad weather; the workflow retries the whole step after that. */
export const MAX_TRIES = 5;

/** What was being done, for messages. `key`: of an object that a listing named. */
export interface Doing {
  readonly ref: SourceRef;
  readonly verb: 'list' | 'get';
  readonly key?: string;
}

export interface Trouble {
  readonly tries: number;
  /** The server has too much to do: whoever asks makes it worse. */
  readonly busy?: boolean;
  readonly failure: (tried: number) => SegueError;
}

/** No bytes, or too few, for too long: what the watchdog throws. */
export class StallError extends Error {
  override readonly name = 'StallError';
}

/** The answer contradicts what was listed, in a way that asking again may cure. */
export class BrokenBodyError extends Error {
  override readonly name = 'BrokenBodyError';
  readonly want: string | number;
  readonly found: string | number;
  constructor(what: string, want: string | number, found: string | number) {
    super(`${what}: want ${want}, found ${found}`);
    this.want = want;
    this.found = found;
  }
}

/** A success that no S3 server would have sent. */
export class NotS3Error extends Error {
  override readonly name = 'NotS3Error';
}

interface SdkError extends Error {
  readonly code?: unknown;
  readonly Code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly statusCode?: number };
}

/** Nothing for an error that is not about the source. */
export function troubleWith(error: unknown, doing: Doing): Trouble | undefined {
  if (error instanceof SegueError) return { tries: ONCE, failure: () => error };
  if (!isError(error)) return undefined;
  const row = (code: FailureCode, tries: number, found: string, detail: Readonly<Record<string, unknown>> = {}): Trouble => ({
    tries,
    failure: (tried) => fail(code, `${place(doing)}: ${found}${tried > 1 ? ` (${tried} tries)` : ''}`, { ...where(doing), why: found, tries: tried, ...detail }, error),
  });
  if (error instanceof StallError || error instanceof NotS3Error) return row('SourceUnreachable', MAX_TRIES, error.message);
  if (error instanceof BrokenBodyError) return row('IntegrityMismatch', TWICE, error.message, { file: doing.key, want: error.want, found: error.found });
  // The SDK's words where an object carries a checksum of its own.
  const mismatch = /^Checksum mismatch: expected "(.*?)" but received "(.*?)"/.exec(error.message);
  if (mismatch) return row('IntegrityMismatch', TWICE, error.message, { file: doing.key, want: mismatch[1], found: mismatch[2] });
  const sdk = error as SdkError;
  const status = sdk.$metadata?.httpStatusCode ?? sdk.$response?.statusCode;
  if (status !== undefined) return answered(status, sdk, doing, row);
  if (error.name === 'CredentialsProviderError') return row('SourceUnreachable', ONCE, `no credentials for ${doing.ref.credentials}: ${credentialsMessage(error)}${doing.ref.credentials === 'env' ? '; give the process that fetches AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a role, or say --credentials anonymous for a public bucket' : ''}`);
  if (isNetwork(sdk)) return row('SourceUnreachable', MAX_TRIES, `no answer, or a broken one: ${networkMessage(sdk)}`);
  return undefined;
}

/** Of an object that was listed a moment ago. */
const GONE: ReadonlySet<string> = new Set(['NoSuchKey', 'NoSuchVersion', 'InvalidRange', 'MethodNotAllowed']);

type Row = (code: FailureCode, tries: number, found: string, detail?: Readonly<Record<string, unknown>>) => Trouble;

function answered(status: number, error: SdkError, doing: Doing, row: Row): Trouble {
  const serverCode = error.Code ?? error.name;
  const found = `answered ${status} ${serverCode}`;
  const detail = { status, serverCode };
  if (serverCode === 'RequestTimeTooSkewed') return row('SourceUnreachable', TWICE, `${found}: the clocks differ`, detail); // The SDK takes the time from the answer.
  if (status === 412) return row('SourceChanged', ONCE, `${found}: not the object that was listed`, detail);
  // By name, not by status alone: versitygw answers an unknown access key with 404, and so does any web server that is not S3.
  if (serverCode === 'NoSuchBucket') return row('SourceMissing', ONCE, found, detail);
  if (doing.verb === 'get' && GONE.has(serverCode)) return row('SourceChanged', ONCE, `${found}: it was listed and is no longer there`, detail);
  if (status >= 300 && status < 400) return row('SourceUnreachable', ONCE, `${found}: not the endpoint or region of this bucket; redirects are not followed`, detail);
  if (status === 401 || status === 403) return row('SourceUnreachable', ONCE, `refused with ${status} ${serverCode}, credentials ${doing.ref.credentials}`, detail);
  if (status === 408 || status === 429 || status >= 500) return { ...row('SourceUnreachable', MAX_TRIES, found, detail), busy: true };
  // A success that cannot be read: some proxy's page, or a listing cut short.
  if (status < 300) return row('SourceUnreachable', MAX_TRIES, `answered ${status}, but not as an S3 server does`, { status });
  return row('SourceUnreachable', ONCE, found, detail);
}

/** By its shape: an error that came from another realm, as in a test runner, is no instance of this one's Error. */
function isError(error: unknown): error is SdkError {
  return typeof error === 'object' && error !== null && typeof (error as Error).message === 'string';
}

/** Codes of connections, names, TLS and the HTTP parser. File system codes are not among them: a full disk is no network trouble. */
const NETWORK_CODE =
  /^(ECONN[A-Z]+|E(?:HOST|NET)(?:UNREACH|DOWN)|ETIMEDOUT|EPIPE|EPROTO|ENOTFOUND|EADDRNOTAVAIL|EAI_[A-Z]+|HPE_[A-Z_]+|ERR_(?:TLS|SSL)_[A-Z_0-9]+|ERR_STREAM_PREMATURE_CLOSE|CERT_[A-Z_]+|UNABLE_TO_[A-Z_]+|SELF_SIGNED_[A-Z_]+|DEPTH_ZERO_[A-Z_]+)$/;

/** Errors of another realm reach us wrapped by the SDK, with their message alone. */
const WRAPPED = /^AWS SDK error wrapper for Error: /;

function isNetwork(error: SdkError): boolean {
  return NETWORK_CODE.test(String(error.code)) || WRAPPED.test(error.message) || error.name === 'TimeoutError' || error.message.startsWith('Connection lost or stream closed');
}

function networkMessage(error: SdkError): string {
  const message = error.message.replace(/^@smithy\/node-http-handler - /, '').replace(WRAPPED, '').trim();
  return typeof error.code !== 'string' || message.includes(error.code) ? message : [error.code, message].filter(Boolean).join(' ');
}

/** Providers may quote a command line or its output; only sentences known to hold none are passed on. */
function credentialsMessage(error: SdkError): string {
  return /^Could not (load|resolve) credentials [\w\s:[\].,()/-]*$/.test(error.message) ? error.message : 'the provider failed';
}

function place({ ref, verb, key }: Doing): string {
  const { bucket, prefix } = parseS3Uri(ref.uri);
  return `${verb} s3://${bucket}/${key ?? prefix} at ${endpointOf(ref)}`;
}

function where({ ref, verb, key }: Doing): Readonly<Record<string, unknown>> {
  return { tried: verb, endpoint: endpointOf(ref), uri: ref.uri, bucket: parseS3Uri(ref.uri).bucket, ...(key === undefined ? {} : { key }) };
}
