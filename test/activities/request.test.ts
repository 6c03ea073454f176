import { parseRequest, parseUpdate } from '../../src/activities/request';
import type { SegueError } from '../../src/domain/failures';

const least = { fleet: 'demo', model: 'half', version: '2', source: { uri: 's3://models/half/2' } };
const refusal = (input: unknown): { code: string; message: string; path: unknown } => {
  try { parseRequest(input); } catch (error) { const { code, message, detail } = error as SegueError; return { code, message, path: detail['path'] }; }
  throw new Error('was accepted');
};

test('only fleet, model, version and source.uri are required; the rest has the documented defaults', () => {
  expect(parseRequest(least)).toEqual({
    ...least, source: { uri: 's3://models/half/2/', region: 'us-east-1', credentials: 'env' },
    strategy: { waves: [{ percent: 100 }], maxUnavailable: 1, mode: 'availability', bakeSeconds: 0, drainSeconds: 0, loadDeadlineSeconds: 600, unloadDeadlineSeconds: 600 },
    onFailure: 'rollback', holdSeconds: 3600,
  });
});

test('the request of the contract is accepted as it stands', () => {
  expect(parseRequest({
    fleet: 'demo', model: 'half', version: '2', source: { uri: 's3://models/half/2/', endpoint: 'http://127.0.0.1:9000', region: 'us-east-1', credentials: 'env' },
    strategy: { waves: ['1', '100%'], maxUnavailable: 1, mode: 'availability', bakeSeconds: 5 },
    probe: { inputs: { x: [1.0, 2.0, 5.0] }, expect: { y: [3.5, 4.0, 5.5] }, tolerance: 1e-6 }, onFailure: 'rollback', reason: '…', requestedBy: '…', ciUrl: '…',
  })).toMatchObject({ strategy: { waves: [{ count: 1 }, { percent: 100 }], bakeSeconds: 5 }, probe: { expect: { y: [3.5, 4, 5.5] } } });
});

test('waves that stop short of every server are completed', () => expect(parseRequest({ ...least, strategy: { waves: ['1', '50%'] } }).strategy.waves).toEqual([{ count: 1 }, { percent: 50 }, { percent: 100 }]));

const source = (more: object): object => ({ ...least, source: { ...least.source, ...more } });
const bad: [why: string, input: unknown, path: string, message: RegExp][] = [
  ['nothing', undefined, '', /one JSON object; found nothing/],
  ['an array', [], '', /found an array/],
  ['text', 'x', '', /found string/],
  ['no version', { ...least, version: undefined }, 'version', /version: /],
  ['no fleet', { ...least, fleet: undefined }, 'fleet', /fleet: is required/],
  ['an empty model', { ...least, model: '' }, 'model', /1 to 128/],
  ['a model that climbs', { ...least, model: '../x' }, 'model', /begins with a letter or digit/],
  ['leading zeros', { ...least, version: '007' }, 'version', /did you mean "7"/],
  ['version 0', { ...least, version: '0' }, 'version', /begin at "1"/],
  ['a negative version', { ...least, version: '-3' }, 'version', /positive decimal/],
  ['a version above int64', { ...least, version: '9223372036854775808' }, 'version', /at most 9223372036854775807/],
  ['a version as a number', { ...least, version: 2 }, 'version', /write "2"/],
  ['a typo at the top', { ...least, verison: '3' }, 'verison', /unknown key; did you mean "version"\?/],
  ['a typo below', { ...least, strategy: { waevs: ['1'] } }, 'strategy.waevs', /did you mean "waves"/],
  ['a key one level too high', { ...least, drainSeconds: 2 }, 'drainSeconds', /did you mean "strategy.drainSeconds"/],
  ['an unknown word', { ...least, frobnicate: 1 }, 'frobnicate', /known keys: fleet, model/],
  ['another scheme', source({ uri: 'gs://models/half/2/' }), 'source.uri', /s3:\/\/BUCKET/],
  ['no prefix', source({ uri: 's3://models' }), 'source.uri', /prefix/],
  ['a climbing prefix', source({ uri: 's3://models/../x' }), 'source.uri', /"\.\."/],
  ['a presigned URL', source({ uri: 's3://models/half/2?X-Amz-Signature=abc' }), 'source.uri', /a secret/],
  ['no URL', source({ endpoint: 'minio' }), 'source.endpoint', /a URL such as/],
  ['another protocol', source({ endpoint: 'ftp://x' }), 'source.endpoint', /http/],
  ['a secret as credentials', source({ credentials: 'AKIA:secret' }), 'source.credentials', /never a secret/],
  ['a wave of nobody', { ...least, strategy: { waves: ['0'] } }, 'strategy.waves.0', /a wave is/],
  ['a wave as a number', { ...least, strategy: { waves: [1] } }, 'strategy.waves.0', /want a string, found 1/],
  ['nobody may be unavailable', { ...least, strategy: { maxUnavailable: 0 } }, 'strategy.maxUnavailable', /at least 1$/],
  ['another mode', { ...least, strategy: { mode: 'fast' } }, 'strategy.mode', /want one of "availability", "resource"; found "fast"/],
  ['negative seconds', { ...least, strategy: { bakeSeconds: -1 } }, 'strategy.bakeSeconds', /at least 0$/],
  ['a probe with text', { ...least, probe: { inputs: { x: 'a' } } }, 'probe.inputs.x', /want a number, or numbers in nested arrays; found "a"/],
  ['another policy', { ...least, onFailure: 'ignore' }, 'onFailure', /rollback/],
];
test.each(bad)('%s is refused, with its path', (_why, input, path, message) => {
  const found = refusal(input);
  expect(found).toMatchObject({ code: 'InvalidInput', path });
  expect(found.message).toMatch(message);
});

test('every mistake is told at once', () => expect(refusal({ ...least, version: '007', model: '', verison: 1 }).message.split('; ')).toEqual(expect.arrayContaining([expect.stringMatching(/^model: /), expect.stringMatching(/^version: /), expect.stringMatching(/^verison: /)])));

test('a password in an endpoint is refused without being repeated', () => {
  const found = refusal(source({ endpoint: 'http://user:hunter2@host' }));
  expect(found.message).not.toContain('hunter2');
  expect(found.path).toBe('source.endpoint');
});

test('keys where a reference belongs are refused without being repeated', () => {
  const found = refusal(source({ credentials: { accessKeyId: 'AKIA123', secretAccessKey: 'hunter2' } }));
  expect(found.message).toBe('source.credentials: want a string, found an object');
});

test('a request too large for histories is refused', () => expect(refusal({ ...least, reason: 'x'.repeat(70_000) }).message).toMatch(/at most 65536/));

describe('updates', () => {
  const current = parseRequest({ ...least, source: { uri: 's3://models/half/2/', endpoint: 'http://old:9000', credentials: 'profile:ci' }, probe: { inputs: { x: 1 } } });
  test('what is given replaces, the rest stays', () => expect(parseUpdate(current, { source: { endpoint: 'http://new:9000' } })).toEqual({ ...current, source: { ...current.source, endpoint: 'http://new:9000' } }));
  test('null takes away', () => {
    const after = parseUpdate(current, { source: { endpoint: null }, probe: null });
    expect(after.source).toEqual({ uri: 's3://models/half/2/', region: 'us-east-1', credentials: 'profile:ci' });
    expect(after).not.toHaveProperty('probe');
  });
  test('one option of a strategy leaves the others', () => expect(parseUpdate(current, { strategy: { bakeSeconds: 9 } }).strategy).toEqual({ ...current.strategy, bakeSeconds: 9 }));
  test.each([[{}, /changes nothing/], [{ version: '3' }, /version: unknown key/], [{ soruce: {} }, /did you mean "source"/], [7, /one JSON object/], [{ source: { uri: 'x' } }, /source.uri/]])('%j is refused', (patch, message) => expect(() => parseUpdate(current, patch)).toThrow(message));
});
