// A world over a workflow engine that can be restarted: a dev server with a database file, ended and started again on the same port.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControlWorker } from '../../src/worker/control-worker';
import { startDevServer } from '../../src/worker/dev-server';
import { freePorts } from '../../src/worker/free-port';
import { connectTemporal } from '../../src/worker/native-connection';
import { World } from '../integration/world';
import { temporalCli, workflowBundle } from '../setup/shared';

export interface Engine {
  readonly world: World;
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export async function startEngine(): Promise<Engine> {
  const directory = mkdtempSync(join(tmpdir(), 'segue-engine-'));
  const [port] = await freePorts(1);
  const start = () => startDevServer({ cli: temporalCli(), headless: true, port, dbFile: join(directory, 'temporal.db') });
  let dev = await start();
  const temporal = await connectTemporal(dev.target);
  const control = await startControlWorker({ temporal, workflowBundle: workflowBundle() });
  // A world makes its own engine, in memory; all else of it is the same over this one.
  const NewWorld = World as unknown as new (fleet: string, directory: string, engine: typeof dev, connections: typeof temporal, worker: typeof control) => World;
  return {
    world: new NewWorld('none', directory, dev, temporal, control),
    restart: async () => {
      await dev.stop();
      dev = await start();
    },
    stop: async () => {
      await control.stop();
      await temporal.close();
      await dev.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
