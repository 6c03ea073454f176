// A part of the stage as a process that can be killed: `control ADDRESS BUNDLE`, or `agent ADDRESS FLEET ROOT SERVING EFFECTS`.

import { startAgentWorker } from '../../src/worker/agent-worker';
import { startControlWorker } from '../../src/worker/control-worker';
import { DEFAULT_NAMESPACE } from '../../src/worker/connection';
import { connectTemporal, type TemporalConnections } from '../../src/worker/native-connection';
import { installRuntime } from '../../src/worker/process-log';
import { untilStopped, type Running } from '../../src/worker/running';
import { recordEffects } from './effects';

export const SERVER = 'edge';

const connect = (address: string): Promise<TemporalConnections> => connectTemporal({ address, namespace: DEFAULT_NAMESPACE, connection: {} });

async function start([role, address = '', ...rest]: readonly string[]): Promise<Running> {
  const temporal = await connect(address);
  if (role === 'control') return startControlWorker({ temporal, workflowBundle: rest[0] ?? '' });
  const [fleet, root = '', serving = '', effects = ''] = rest;
  recordEffects(effects);
  return startAgentWorker({ fleet: fleet as never, server: SERVER as never, root, serving, allowEndpoints: [], report: () => undefined, connect: () => Promise.resolve(temporal) });
}

async function main(): Promise<void> {
  installRuntime({ format: 'text', level: 'ERROR' });
  const running = await start(process.argv.slice(2));
  process.stdout.write('ready\n');
  await untilStopped(running, () => undefined);
  process.exit(0); // The connection would keep it.
}

if (require.main === module) main().catch((error: unknown) => { console.error(error); process.exit(1); });
