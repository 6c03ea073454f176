// Signature Version 4 of a GET or HEAD, by the specification (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). The SDK's signer takes a dozen promises
// and six hashes, 0.1 ms of the thread that reads, for each of a thousand small files; signed-requests.ts uses this one only after both have said the same.

import { createHash, createHmac } from 'node:crypto';

/** Of no body. */
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface Unsigned {
  readonly method: string;
  /** Escaped. */
  readonly path: string;
  /** Escaped and sorted, without the question mark. */
  readonly search: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export class RequestSigner {
  readonly #region: string;
  /** Of one day and one secret. */
  #key: { readonly day: string; readonly secret: string; readonly bytes: Buffer } | undefined;

  constructor(region: string) {
    this.#region = region;
  }

  /** All headers to send. */
  sign({ method, path, search, headers }: Unsigned, keys: Keys, at: Date): Readonly<Record<string, string>> {
    const time = at.toISOString().replace(/[-:]|\.\d{3}/g, '');
    const day = time.slice(0, 8);
    const all: Record<string, string> = { ...headers, 'x-amz-date': time, ...((keys.sessionToken ?? '') === '' ? {} : { 'x-amz-security-token': keys.sessionToken }) };
    const names = Object.keys(all).sort();
    const signedNames = names.join(';');
    const lines = names.map((name) => `${name}:${(all[name] ?? '').trim().replace(/\s+/g, ' ')}`).join('\n');
    const canonical = `${method}\n${path}\n${search}\n${lines}\n\n${signedNames}\n${EMPTY_SHA256}`;
    const scope = `${day}/${this.#region}/s3/aws4_request`;
    const toSign = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
    const signature = createHmac('sha256', this.#keyOf(day, keys.secretAccessKey)).update(toSign).digest('hex');
    all['authorization'] = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${signedNames}, Signature=${signature}`;
    return all;
  }

  #keyOf(day: string, secret: string): Buffer {
    if (this.#key?.day === day && this.#key.secret === secret) return this.#key.bytes;
    const bytes = [day, this.#region, 's3', 'aws4_request'].reduce((key: string | Buffer, text) => createHmac('sha256', key).update(text).digest(), `AWS4${secret}`) as Buffer;
    this.#key = { day, secret, bytes };
    return bytes;
  }
}
