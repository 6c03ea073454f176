import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Exit } from '../../src/cli/exit';
import { requestJson } from '../../src/cli/rollout/request-flags';
import { defaultWorkflowId, differentKeys } from '../../src/cli/rollout/start';
import type { Terminal } from '../../src/cli/terminal';

const terminal: Terminal = { out: () => undefined, err: () => undefined, live: false, columns: 80, readStdin: () => Promise.resolve('{"fleet": "piped"}') };

test('flags become the JSON that CI would send, and only what was given', async () => {
  const json = await requestJson({ fleet: 'demo', model: 'half', version: '2', source: 's3://models/half/2/', endpoint: 'http://127.0.0.1:9000', waves: ['1', '100%'], bakeSeconds: 5, onFailure: 'hold', probe: '{"inputs": {"x": [1]}}' }, terminal);
  expect(json).toEqual({
    fleet: 'demo', model: 'half', version: '2', onFailure: 'hold', probe: { inputs: { x: [1] } },
    source: { uri: 's3://models/half/2/', endpoint: 'http://127.0.0.1:9000' }, strategy: { waves: ['1', '100%'], bakeSeconds: 5 },
  });
});

test('what is asked for against the rules is passed on as asked, and a digest may stand for a source', async () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  await expect(requestJson({ digest, allowKnownBad: true, allowDowngrade: true, allowReuse: true }, terminal)).resolves.toEqual({ digest, allowKnownBad: true, allowDowngrade: true, allowReuse: true });
});

test.each([
  ['the same, whoever asks and why', { version: '2', reason: 'a', ciUrl: 'b' }, { version: '2', reason: 'c', requestedBy: 'd' }, []],
  ['the same in another order', { version: '2', source: { uri: 'u', region: 'r' } }, { source: { region: 'r', uri: 'u' }, version: '2' }, []],
  ['another source, and one key more', { version: '2', source: { uri: 'u' } }, { version: '2', source: { uri: 'v' }, digest: 'x' }, ['digest', 'source']],
  ['one key less', { version: '2', allowReuse: true }, { version: '2' }, ['allowReuse']],
  ['what was started without a request', undefined, { version: '2' }, ['version']],
])('is a request that runs the one asked for: %s', (_, running, asked, different) => {
  expect(differentKeys(running, asked)).toEqual(different);
});

test('a flag wins over the input, and leaves the rest of its object alone', async () => {
  const input = JSON.stringify({ fleet: 'demo', version: '1', source: { uri: 's3://models/half/1/', region: 'eu-1' }, strategy: { maxUnavailable: 2 } });
  await expect(requestJson({ input, version: '2', source: 's3://models/half/2/' }, terminal)).resolves.toEqual({
    fleet: 'demo', version: '2', source: { uri: 's3://models/half/2/', region: 'eu-1' }, strategy: { maxUnavailable: 2 },
  });
});

test('what is not understood is passed on: the rollout decides what is allowed, and names the path', async () => {
  await expect(requestJson({ input: '{"verison": "2", "strategy": "fast"}' }, terminal)).resolves.toEqual({ verison: '2', strategy: 'fast' });
});

test('input comes from an argument, a file or stdin', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'segue-input-'));
  writeFileSync(join(scratch, 'request.json'), '{"fleet": "filed"}');
  await expect(requestJson({ input: ' {"fleet": "typed"}' }, terminal)).resolves.toEqual({ fleet: 'typed' });
  await expect(requestJson({ input: join(scratch, 'request.json') }, terminal)).resolves.toEqual({ fleet: 'filed' });
  await expect(requestJson({ input: '-' }, terminal)).resolves.toEqual({ fleet: 'piped' });
  rmSync(scratch, { recursive: true });
});

test.each([['{"fleet": '], ['/nowhere/at/all.json'], ['{} {}']])('%s is told as usage, not as a stack', async (input) => {
  await expect(requestJson({ input }, terminal)).rejects.toThrow(Exit);
});

test.each([
  ['a CI run', { GITHUB_RUN_ID: '77' }, 'rollout/demo/half/2/77'],
  ['an empty variable, which is no run', { GITHUB_RUN_ID: '' }, 'rollout/demo/half/2/20260102-030405-678'],
  ['a person', {}, 'rollout/demo/half/2/20260102-030405-678'],
])('the default ID of %s', (_, env, id) => {
  expect(defaultWorkflowId({ fleet: 'demo', model: 'half', version: '2' }, env, new Date('2026-01-02T03:04:05.678Z'))).toBe(id);
});
