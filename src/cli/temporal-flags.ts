// The flags every verb that talks to Temporal has, named as the temporal command line names them.

import type { Command } from 'commander';
import type { ConnectedClient, TemporalTarget } from '../worker/connection';
import { connectClient, temporalTarget } from '../worker/connection';

export interface TemporalFlags {
  readonly address?: string;
  readonly namespace?: string;
  readonly profile?: string;
}

export function withTemporalFlags(command: Command): Command {
  return command
    .optionsGroup('Temporal:')
    .option('--address <host:port>', 'Temporal server (TEMPORAL_ADDRESS, else localhost:7233)')
    .option('--namespace <name>', 'Temporal namespace (TEMPORAL_NAMESPACE, else default)')
    .option('--profile <name>', 'profile of temporal.toml (TEMPORAL_PROFILE); TLS and API key come from it or from TEMPORAL_TLS…, TEMPORAL_API_KEY')
    .optionsGroup('Options:');
}

export function targetOf({ address, namespace, profile }: TemporalFlags): TemporalTarget {
  return temporalTarget({
    ...(address === undefined ? {} : { address }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(profile === undefined ? {} : { profile }),
  });
}

/** Connects, runs, and closes the connection whatever happens. */
export async function withClient<T>(flags: TemporalFlags, run: (connected: ConnectedClient) => Promise<T>): Promise<T> {
  const connected = await connectClient(targetOf(flags));
  try {
    return await run(connected);
  } finally {
    await connected.close();
  }
}
