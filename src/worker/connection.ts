// Which Temporal we talk to, read exactly as the temporal command line reads it: TEMPORAL_ADDRESS, _NAMESPACE, _PROFILE, _TLS…, _API_KEY, and temporal.toml.

import type { ConnectionOptions } from '@temporalio/client';
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { endableRetries } from './endable-retries';
import { errorLine } from './error-text';
import { NoTemporalError } from './no-temporal';

export const DEFAULT_ADDRESS = 'localhost:7233';
export const DEFAULT_NAMESPACE = 'default';

/** A server and a namespace, with what is needed to reach them. May hold an API key: never print it whole. */
export interface TemporalTarget {
  readonly address: string;
  readonly namespace: string;
  readonly connection: Pick<ConnectionOptions, 'tls' | 'apiKey' | 'metadata'>;
}

/** What a person gives on the command line; wins over the environment and the profile. */
export interface TargetOverrides {
  readonly address?: string;
  readonly namespace?: string;
  readonly profile?: string;
}

/** Throws NoTemporalError when the profile or its files cannot be read. */
export function temporalTarget(overrides: TargetOverrides = {}, env?: Record<string, string>): TemporalTarget {
  const config = load(overrides, env);
  const { address, tls, apiKey, metadata } = config.connectionOptions;
  return {
    address: overrides.address ?? address ?? DEFAULT_ADDRESS,
    namespace: overrides.namespace ?? config.namespace ?? DEFAULT_NAMESPACE,
    connection: {
      ...(tls === undefined ? {} : { tls }),
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(metadata === undefined ? {} : { metadata }),
    },
  };
}

/** A client on one connection of its own. */
export interface ConnectedClient {
  readonly client: Client;
  readonly connection: Connection;
  readonly target: TemporalTarget;
  readonly close: () => Promise<void>;
}

/** A server that is there answers within milliseconds; this is for slow networks and TLS. */
const CONNECT_DEADLINE_MS = 5_000;

/** Throws NoTemporalError when nothing answers at the address. */
export async function connectClient(target: TemporalTarget, deadlineMs = CONNECT_DEADLINE_MS): Promise<ConnectedClient> {
  const retries = endableRetries();
  const connection = await Connection.connect({ address: target.address, connectTimeout: deadlineMs, interceptors: [retries.interceptor], ...target.connection }).catch((error: unknown) => {
    throw noAnswer(target, error);
  });
  const client = new Client({ connection, namespace: target.namespace });
  const close = async (): Promise<void> => {
    await retries.end();
    await connection.close();
  };
  return { client, connection, target, close };
}

export function noAnswer(target: TemporalTarget, error: unknown): NoTemporalError {
  return new NoTemporalError(
    `no Temporal server answers at ${target.address} (namespace ${target.namespace}): ${errorLine(error)}\n` +
      'Start one with `segue dev` or `temporal server start-dev`, or set TEMPORAL_ADDRESS or TEMPORAL_PROFILE.',
    { cause: error },
  );
}

function load(overrides: TargetOverrides, env: Record<string, string> | undefined): ReturnType<typeof loadClientConnectConfig> {
  try {
    return loadClientConnectConfig({
      ...(overrides.profile === undefined ? {} : { profile: overrides.profile }),
      ...(env === undefined ? {} : { overrideEnvVars: env }),
    });
  } catch (error) {
    throw new NoTemporalError(`the Temporal configuration cannot be read: ${errorLine(error)}`, { cause: error });
  }
}
