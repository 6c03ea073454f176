// One S3 client per source and use: its own endpoint, region, credentials and sockets. Nothing here is process-wide, so several
// endpoints are read at once in one process and the sockets of one attempt can be counted, and ended, apart from all others.

import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { S3Client } from '@aws-sdk/client-s3';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import type { SourceRef } from '../domain/source';
import { credentialsFor } from './credentials';
import { SocketLedger } from './sockets';
import { parseEndpoint, parseS3Uri } from './uri';
import type { S3Location } from './uri';

/** A TCP and TLS handshake that takes longer will not carry gigabytes either; also bounds the wait for an endpoint that drops packets. */
export const CONNECT_TIMEOUT_MS = 5_000;

export interface S3Options {
  /** Where `file:NAME` credentials are. */
  readonly credentialsDir?: string;
  /** Remembers every socket this client opens; by default its own. */
  readonly sockets?: SocketLedger;
  readonly connectTimeoutMs?: number;
}

export interface S3Handle {
  readonly client: S3Client;
  readonly ref: SourceRef;
  readonly location: S3Location;
  readonly sockets: SocketLedger;
  /** Takes a socket opened beside the SDK for one of this client's: remembered, and closed with it. */
  track(socket: Socket): void;
  /** Destroys every socket at once, in use or not, and resolves when all are closed. No new one can be opened. */
  close(): Promise<void>;
}

/** Opens nothing yet. Throws InvalidInput for a reference nobody could use. */
export function openS3(ref: SourceRef, options: S3Options = {}): S3Handle {
  const location = parseS3Uri(ref.uri);
  const endpoint = ref.endpoint === undefined ? undefined : parseEndpoint(ref.endpoint);
  const sockets = options.sockets ?? new SocketLedger();
  const tracker = new SocketTracker(sockets);
  const client = new S3Client({
    region: ref.region,
    // Path style wherever an endpoint is named: a host name per bucket needs DNS and certificates that only AWS and few others have.
    ...(endpoint ? { endpoint: endpoint.href, forcePathStyle: true } : { forcePathStyle: false }),
    ...NOTHING_PROCESS_WIDE,
    ...credentialsFor(ref.credentials, options.credentialsDir),
    // Every retry is ours: bounded and abortable in one place (retry.ts).
    maxAttempts: 1,
    // An object that carries a checksum is held against it by the SDK, so that a flipped bit fails without a manifest too; we send no bodies.
    responseChecksumValidation: 'WHEN_SUPPORTED',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      // Lanes bound how many sockets there are; a queue inside the agent would open one after close().
      httpAgent: new TrackedHttpAgent(tracker),
      httpsAgent: new TrackedHttpsAgent(tracker),
    },
  });
  return {
    client,
    ref,
    location,
    sockets,
    track: (socket) => void tracker.track(socket),
    close: async () => {
      await tracker.close();
      client.destroy();
    },
  };
}

/** AWS_ENDPOINT_URL and its like in the agent's environment would send a source elsewhere, past the allow-list. */
const NOTHING_PROCESS_WIDE: Partial<S3ClientConfig> & { readonly ignoreConfiguredEndpointUrls: boolean } = {
  ignoreConfiguredEndpointUrls: true,
  useFipsEndpoint: false,
  useDualstackEndpoint: false,
  useAccelerateEndpoint: false,
  useArnRegion: false,
  followRegionRedirects: false,
};

class SocketTracker {
  readonly #live = new Set<Socket>();
  readonly #ledger: SocketLedger;
  #closed = false;

  constructor(ledger: SocketLedger) {
    this.#ledger = ledger;
  }

  track(stream: Duplex | null | undefined): Duplex | null | undefined {
    const socket = stream as Socket | null | undefined;
    if (!socket) return socket;
    if (this.#closed) return socket.destroy(new Error('this S3 client is closed'));
    this.#live.add(socket);
    this.#ledger.add(socket);
    socket.once('close', () => this.#live.delete(socket));
    return socket;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(
      [...this.#live].map(
        (socket) =>
          new Promise<void>((resolve) => {
            socket.once('close', () => resolve());
            socket.destroy();
          }),
      ),
    );
  }
}

class TrackedHttpAgent extends HttpAgent {
  readonly #tracker: SocketTracker;
  constructor(tracker: SocketTracker) {
    super({ keepAlive: true });
    this.#tracker = tracker;
  }
  override createConnection(...args: Parameters<HttpAgent['createConnection']>): Duplex | null | undefined {
    return this.#tracker.track(super.createConnection(...args));
  }
}

class TrackedHttpsAgent extends HttpsAgent {
  readonly #tracker: SocketTracker;
  constructor(tracker: SocketTracker) {
    super({ keepAlive: true });
    this.#tracker = tracker;
  }
  override createConnection(...args: Parameters<HttpsAgent['createConnection']>): Duplex | null | undefined {
    return this.#tracker.track(super.createConnection(...args));
  }
}
