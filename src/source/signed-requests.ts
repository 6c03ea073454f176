// GETs of objects as text for a connection of our own: the SDK says where the endpoint is and how a bucket is addressed there, the SDK's signer signs, with the SDK's
// credentials. We only write it down.

import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { ListedFile } from '../domain/source';
import type { Connect } from './lane';
import { CONNECT_TIMEOUT_MS } from './s3-client';
import type { S3Handle } from './s3-client';

/** Of no body. */
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** Stands for every key while the SDK is asked for the URL of one. */
const SOME_KEY = 'k';

interface Request {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

interface Signer {
  sign(request: Request, options?: { readonly signingDate: Date }): Promise<Request>;
}

/** The parts of the SDK's resolved configuration that it does not declare for every kind of signer. */
interface SigningConfig {
  readonly region: () => Promise<string>;
  readonly signer: (scheme: { readonly name: string; readonly signingName: string; readonly signingRegion: string; readonly properties: object }) => Promise<Signer>;
  readonly credentials: (options: { readonly forceRefresh: boolean }) => Promise<unknown>;
}

export class SignedRequests {
  /** How far the server's clock is ahead of ours, where it told. */
  clockOffsetMs = 0;
  readonly #s3: S3Handle;
  readonly #signer: Signer;
  /** Where objects of this bucket are, up to the key. */
  readonly #place: Pick<Request, 'protocol' | 'hostname' | 'port' | 'path'>;
  #refreshing: Promise<unknown> | undefined;

  private constructor(s3: S3Handle, signer: Signer, place: Pick<Request, 'protocol' | 'hostname' | 'port' | 'path'>) {
    this.#s3 = s3;
    this.#signer = signer;
    this.#place = place;
  }

  /** Asks the SDK for endpoint and signer; no connection is opened. */
  static async of(s3: S3Handle): Promise<SignedRequests> {
    const config = s3.client.config as unknown as SigningConfig;
    const [place, signingRegion] = await Promise.all([placeOf(s3), config.region()]);
    return new SignedRequests(s3, await config.signer({ name: 'sigv4', signingName: 's3', signingRegion, properties: {} }), place);
  }

  /** GET of the bytes from `from` up to and without `to`; of the whole object where that is what they are. Pinned to what was listed. */
  get(file: ListedFile, from: number, to: number): Promise<string> {
    return this.#signed('GET', file, from === 0 && to === file.size ? {} : { range: `bytes=${from}-${to === file.size ? '' : to - 1}` }, {});
  }

  /** HEAD of the whole object, or of one of the parts it was put in. */
  head(file: ListedFile, partNumber?: number): Promise<string> {
    return this.#signed('HEAD', file, {}, partNumber === undefined ? {} : { partNumber: String(partNumber) });
  }

  async #signed(method: 'GET' | 'HEAD', file: ListedFile, more: Readonly<Record<string, string>>, asked: Readonly<Record<string, string>>): Promise<string> {
    const host = this.#place.port === undefined ? this.#place.hostname : `${this.#place.hostname}:${this.#place.port}`;
    const headers: Record<string, string> = {
      host,
      'x-amz-content-sha256': EMPTY_SHA256,
      'x-amz-checksum-mode': 'ENABLED',
      ...more,
      ...(file.etag === undefined ? {} : { 'if-match': file.etag }),
    };
    const query: Record<string, string> = { ...asked, ...(file.versionId === undefined ? {} : { versionId: file.versionId }) };
    const request: Request = { ...this.#place, method, path: this.#place.path + file.key.split('/').map(escaped).join('/'), query, headers };
    const signed = await this.#signer.sign(request, { signingDate: new Date(Date.now() + this.clockOffsetMs) });
    const search = Object.entries(signed.query).map(([name, value]) => `${escaped(name)}=${escaped(value)}`).join('&');
    const lines = Object.entries(signed.headers).map(([name, value]) => `${name}: ${value}`);
    for (const line of lines) if (/[\r\n]/.test(line)) throw new Error(`a header of the request for ${file.key} would be two`);
    return `${method} ${request.path}${search === '' ? '' : `?${search}`} HTTP/1.1\r\n${lines.join('\r\n')}\r\nuser-agent: segue\r\n\r\n`;
  }

  /** New credentials from the provider, once for all lanes that ask at the same time. */
  async refreshCredentials(): Promise<void> {
    const config = this.#s3.client.config as unknown as SigningConfig;
    this.#refreshing ??= config.credentials({ forceRefresh: true }).finally(() => { this.#refreshing = undefined; });
    await this.#refreshing;
  }

  /** Opens a connection to the bucket, known to the client that closes all. */
  readonly connect: Connect = (onread) => {
    const { protocol, hostname, port } = this.#place;
    const host = hostname.replace(/^\[|\]$/g, '');
    const tls = protocol === 'https:';
    const where = { host, port: port ?? (tls ? 443 : 80), onread };
    // The certificate is held against the name, which an address is not.
    const socket = tls ? connectTls({ ...where, ...(isIP(host) === 0 ? { servername: host } : {}), ALPNProtocols: ['http/1.1'] }) : connectTcp(where);
    socket.setNoDelay(true);
    const late = setTimeout(() => socket.destroy(Object.assign(new Error(`no connection within ${CONNECT_TIMEOUT_MS} ms`), { code: 'ETIMEDOUT' })), CONNECT_TIMEOUT_MS);
    socket.once(tls ? 'secureConnect' : 'connect', () => clearTimeout(late)).once('close', () => clearTimeout(late));
    this.#s3.track(socket);
    return socket;
  };
}

/** Where the SDK would send a GET of a key of this bucket. It serialises the request; nothing is signed or sent. */
async function placeOf(s3: S3Handle): Promise<Pick<Request, 'protocol' | 'hostname' | 'port' | 'path'>> {
  const command = new GetObjectCommand({ Bucket: s3.location.bucket, Key: SOME_KEY });
  let found: Request | undefined;
  command.middlewareStack.add(() => ({ request }) => {
    found = request as Request;
    return Promise.reject(new Asked());
  }, { step: 'build', priority: 'low' });
  await s3.client.send(command).catch((error: unknown) => {
    if (!(error instanceof Asked)) throw error;
  });
  if (found === undefined || !found.path.endsWith(`/${SOME_KEY}`)) throw new Error(`the SDK gave no URL for a key of ${s3.location.bucket}`);
  const { protocol, hostname, port, path } = found;
  return { protocol, hostname, path: path.slice(0, -SOME_KEY.length), ...(port === undefined ? {} : { port }) };
}

class Asked extends Error {
  override readonly name = 'Asked';
}

/** As SigV4 wants it (RFC 3986): encodeURIComponent leaves five characters alone. */
function escaped(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
