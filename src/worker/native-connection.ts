// The connection workers poll on. Apart from the client's, because it loads the SDK's native part, which no verb of the command line needs.

import { NativeConnection } from '@temporalio/worker';
import type { ConnectedClient, TemporalTarget } from './connection';
import { connectClient, noAnswer } from './connection';

/** Everything a worker process holds towards Temporal. */
export interface TemporalConnections extends ConnectedClient {
  readonly native: NativeConnection;
}

/** Throws NoTemporalError when nothing answers at the address. */
export async function connectTemporal(target: TemporalTarget): Promise<TemporalConnections> {
  const client = await connectClient(target);
  const native = await NativeConnection.connect({ address: target.address, ...nativeOptions(target) }).catch(async (error: unknown) => {
    await client.close();
    throw noAnswer(target, error);
  });
  const close = async (): Promise<void> => {
    await native.close();
    await client.close();
  };
  return { ...client, native, close };
}

/** A profile gives an API key as text, never as a function: both connections take the same. */
function nativeOptions(target: TemporalTarget): Pick<Parameters<typeof NativeConnection.connect>[0] & object, 'tls' | 'apiKey' | 'metadata'> {
  const { apiKey, tls, metadata } = target.connection;
  return {
    ...(typeof apiKey === 'string' ? { apiKey } : {}),
    ...(tls === undefined ? {} : { tls }),
    ...(metadata === undefined ? {} : { metadata }),
  };
}
