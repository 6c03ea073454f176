// An abort with the workflow engine restarted in between: a dev server with a database file, ended and started again on the same port.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControlWorker } from '../../src/worker/control-worker';
import { startDevServer, type DevServer } from '../../src/worker/dev-server';
import { freePorts } from '../../src/worker/free-port';
import { connectTemporal } from '../../src/worker/native-connection';
import { installRuntime } from '../../src/worker/process-log';
import { World } from '../integration/world';
import { temporalCli, workflowBundle } from '../setup/shared';
import { until } from '../setup/until';
import { expectCleanAbort, PhaseStage } from './stage';
import { stateOf } from './watch';

const directory = mkdtempSync(join(tmpdir(), 'segue-engine-'));
let port = 0;
let dev: DevServer;
let whole: World;
let on: PhaseStage;

const startEngine = (): Promise<DevServer> => startDevServer({ cli: temporalCli(), headless: true, port, dbFile: join(directory, 'temporal.db') });
async function restartEngine(): Promise<void> {
  await dev.stop();
  dev = await startEngine();
}

beforeAll(async () => {
  installRuntime({ format: 'text', level: 'ERROR' });
  [port] = await freePorts(1);
  dev = await startEngine();
  const temporal = await connectTemporal(dev.target);
  const control = await startControlWorker({ temporal, workflowBundle: workflowBundle() });
  // A world makes its own engine, in memory; all else of it is the same over this one.
  const NewWorld = World as unknown as new (fleet: string, directory: string, engine: DevServer, connections: typeof temporal, worker: typeof control) => World;
  whole = new NewWorld('none', directory, dev, temporal, control);
  on = await PhaseStage.start(whole, 'engine', ['a']);
}, 60_000);
afterAll(async () => {
  await on.stop();
  await whole.control.stop();
  await whole.temporal.close();
  await dev.stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);
beforeEach(() => on.reset());

test('restarted in the middle of a download, then aborted', async () => {
  const before = on.lists();
  const version = await on.next();
  on.store.fault({ fault: { kind: 'stall', afterBytes: 4 } });
  const handle = await on.world.start({ model: 'half', version, ...on.from(`half/${version}/`) });
  await until(() => on.store.log().some((line) => line.fault === 'stall'));
  await restartEngine();
  await handle.signal('abort', {});
  await expectCleanAbort(on, handle, before, { end: 'stopped' });
}, 90_000);

test('aborted while a version loads, and restarted before anybody acted on it', async () => {
  const before = on.lists();
  const version = await on.next();
  on.world.server('a').faults.delay({ what: 'load', model: 'half', version: BigInt(version), ms: 1500 });
  const handle = await on.world.start({ model: 'half', version, ...on.from(`half/${version}/`) });
  await until(async () => await stateOf(on.world.server('a').port, version) === 'LOADING');
  await handle.signal('abort', {});
  await restartEngine();
  await expectCleanAbort(on, handle, before, { end: 'wentBack' });
}, 90_000);
