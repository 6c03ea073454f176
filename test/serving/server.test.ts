// The simulator, always; a real TensorFlow Serving where SEGUE_TEST_TFS=host:port and SEGUE_TEST_TFS_ROOT=a directory it sees under the same path say where.

import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSimulator } from '../../src/testing/tf-serving/server';
import { serverSuite } from './server-suite';

serverSuite('the simulator', async () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'segue-suite-')));
  const simulator = await startSimulator({ port: 0, modelConfig: 'model_config_list {}', numLoadThreads: 2, numUnloadThreads: 2, maxNumLoadRetries: 0, fileSystemPollWaitSeconds: 0.2 });
  return { address: `127.0.0.1:${simulator.port}`, root, stop: async () => { await simulator.stop(); rmSync(root, { recursive: true, force: true }); } };
});

const { SEGUE_TEST_TFS: address, SEGUE_TEST_TFS_ROOT: root } = process.env;
if (address !== undefined && address !== '') {
  serverSuite(`TensorFlow Serving at ${address}`, async () => {
    if (root === undefined || root === '') throw new Error('SEGUE_TEST_TFS needs SEGUE_TEST_TFS_ROOT: a directory that the server sees under the same path');
    mkdirSync(root, { recursive: true });
    return { address, root: realpathSync(root), stop: async () => undefined };
  });
}
