// `segue adopt`: a host without a journal becomes ours with the list its server has. A real model server, real files.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgent } from '../../src/agent/agent';
import { run } from '../../src/cli/run';
import { startSimulator, type Simulator } from '../../src/testing/tf-serving/server';
import { until } from '../setup/until';
import { captured } from './captured';

const SAMPLE = join(__dirname, '../data/savedmodels/saved_model_half_plus_two_cpu/00000123');
let root: string;
let server: Simulator;
const list = (base = join(root, 'models/half')): string => `model_config_list { config { name: "half" base_path: "${base}" model_platform: "tensorflow" model_version_policy { specific { versions: 7 } } } }`;
const adopt = (text: string, where = root) => {
  writeFileSync(join(root, 'list.config'), text);
  return captured((terminal) => run(['adopt', join(root, 'list.config'), '--root', where, '--serving', `127.0.0.1:${server.port}`], terminal));
};

beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'segue-adopt-')));
  mkdirSync(join(root, 'models/half'), { recursive: true });
  cpSync(SAMPLE, join(root, 'models/half/7'), { recursive: true });
  server = await startSimulator({ port: 0, modelConfig: list(), numLoadThreads: 2, numUnloadThreads: 2, maxNumLoadRetries: 0, fileSystemPollWaitSeconds: 0.2 });
});
afterEach(async () => {
  await server.stop();
  rmSync(root, { recursive: true, force: true });
});

test('what the server has AVAILABLE is promoted and in the boot file, and an agent started then goes on from there without unloading anything', async () => {
  expect(await adopt(list())).toMatchObject({ code: 0, out: expect.stringContaining('half/7: adopted, and in the boot file') as string });
  expect(readFileSync(join(root, 'boot.config'), 'utf8')).toContain('half');
  const agent = await startAgent({ fleet: 'demo' as never, server: 'edge' as never, root, serving: `127.0.0.1:${server.port}`, pollSeconds: 0.2, seeding: 'fleet' });
  try {
    await until(() => agent.facts().models?.['half' as never]?.version === '7');
    expect(agent.facts().models?.['half' as never]).not.toHaveProperty('drift');
    expect(server.core.monitor.state({ name: 'half', version: 7n })?.state.toUpperCase()).toBe('AVAILABLE');
  } finally {
    await agent.close();
  }
  expect((await adopt(list())).err).toMatch(/has a journal with half; there is nothing to adopt/);
});

test.each([
  ['another base path', () => list('/elsewhere/half'), /half: want base_path .*models\/half, found \/elsewhere\/half; put its versions there/],
  ['a model the server does not know', () => list().replaceAll('half', 'hafl'), /hafl: the model server at .* does not know it/],
  ['an empty list', () => 'model_config_list {}', /the list is empty/],
  ['something else', () => '{"json": true}', /want a list as TensorFlow Serving reads it/],
])('%s is refused, with what to do, and nothing is written', async (_what, text, message) => {
  const { code, err } = await adopt(text());
  expect({ code, err }).toEqual({ code: 3, err: expect.stringMatching(message) as string });
  expect(() => readFileSync(join(root, 'journal.json'))).toThrow('ENOENT');
});

test('while an agent runs there is nothing to adopt behind its back', async () => {
  const agent = await startAgent({ fleet: 'demo' as never, server: 'edge' as never, root, serving: `127.0.0.1:${server.port}`, pollSeconds: 0.2, seeding: 'fleet' });
  try {
    expect((await adopt(list())).err).toMatch(/StoreBusy.*held by another agent/);
  } finally {
    await agent.close();
  }
});
