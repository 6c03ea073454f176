import { formatEntry } from '../../src/worker/process-log';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

test('a line of text for a person, one a fact', () => {
  expect(formatEntry('text', AT, 'INFO', 'Worker state changed', { state: 'RUNNING', taskQueue: 'segue', slots: 200 })).toBe('2026-01-02T03:04:05.678Z INFO Worker state changed state=RUNNING taskQueue=segue slots=200');
});

test('one object a line for a collector', () => {
  expect(JSON.parse(formatEntry('json', AT, 'WARN', 'slow', { ms: 12n, error: new Error('why') }))).toMatchObject({ time: '2026-01-02T03:04:05.678Z', level: 'WARN', message: 'slow', ms: '12', error: expect.stringContaining('why') });
});

test('what is said stays one line', () => {
  expect(formatEntry('text', AT, 'ERROR', 'first\nsecond', { error: new Error('third\nfourth') })).not.toContain('\n');
});

test.each([
  [{ apiKey: 'hush' }], [{ secretAccessKey: 'hush' }], [{ Authorization: 'hush' }], [{ url: 'https://s3/x?X-Amz-Signature=hush&x=1' }], [{ header: 'Bearer hush' }],
  [{ error: new Error('GET https://s3/x?X-Amz-Credential=hush failed') }], [{ nested: { password: 'hush' } }], [{ list: ['Bearer hush'] }],
])('no secret is said: %j', (meta) => {
  for (const format of ['text', 'json'] as const) expect(formatEntry(format, AT, 'INFO', 'said', meta)).not.toContain('hush');
});

test('a token of an attempt is no secret: it is how a person finds the attempt', () => {
  expect(formatEntry('text', AT, 'INFO', 'said', { token: [7, 1] })).toContain('token=[7,1]');
});
