// Each scripted fault is on the wire what it is called, and the log tells it as it was.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startS3 } from '../../src/testing/s3/server';
import type { S3Server } from '../../src/testing/s3/server';
import type { Fault } from '../../src/testing/s3/faults';
import type { LoggedRequest } from '../../src/testing/s3/request-log';
import { rawGet } from './raw-get';

const SIZE = 300_000;
const BODY = Buffer.from(Array.from({ length: SIZE }, (_, i) => i % 251));
let s3: S3Server;
beforeEach(async () => {
  s3 = await startS3();
  await s3.put('models', 'big', BODY);
});
afterEach(() => s3.stop());

/** Waits for a fact about the last request in the log. */
async function logged(fact: (line: LoggedRequest) => boolean): Promise<LoggedRequest> {
  for (;;) {
    const line = s3.log().at(-1);
    if (line && fact(line)) return line;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function under(fault: Fault, options: Parameters<typeof rawGet>[2] = {}): ReturnType<typeof rawGet> {
  s3.fault({ key: 'big', times: 1, fault });
  return rawGet(s3.port, '/models/big', options);
}

test('stall: exactly so many bytes arrive, then silence on an open connection, until the client leaves', async () => {
  const answer = await under({ kind: 'stall', afterBytes: 100_001 }, { stopAfter: 100_001 });
  expect([answer.status, answer.body.length, answer.headers['content-length']]).toEqual([200, 100_001, String(SIZE)]);
  const line = await logged((one) => one.closedAtMs !== undefined);
  expect(line).toMatchObject({ operation: 'GetObject', bucket: 'models', key: 'big', status: 200, bytesSent: 100_001, fault: 'stall' });
  expect(line.endedAtMs).toBeUndefined();
});

test('stall at byte 0 still sends the headers, so that it is the body that hangs', async () => {
  expect(await under({ kind: 'stall', afterBytes: 0 }, { stopAfter: 0 })).toMatchObject({ status: 200, end: 'stopped' });
});

test('reset: so many bytes, then RST', async () => {
  const answer = await under({ kind: 'reset', afterBytes: 70_000 });
  expect([answer.body.equals(BODY.subarray(0, 70_000)), answer.end]).toEqual([true, 'ECONNRESET']);
});

test('trickle: free up to a point, then at the given rate', async () => {
  const began = performance.now();
  const answer = await under({ kind: 'trickle', bytesPerSecond: 10_000, afterBytes: SIZE - 2_000 });
  const ms = performance.now() - began;
  expect(answer.body.equals(BODY)).toBe(true);
  expect(ms).toBeGreaterThan(190);
});

test('answer: an S3 error, as often as asked, then the object', async () => {
  s3.fault({ key: 'b*', times: 2, fault: { kind: 'answer', status: 503, code: 'SlowDown' } });
  const answers = [await rawGet(s3.port, '/models/big'), await rawGet(s3.port, '/models/big'), await rawGet(s3.port, '/models/big')];
  expect(answers.map(({ status }) => status)).toEqual([503, 503, 200]);
  expect(answers[0]!.body.toString()).toContain('<Code>SlowDown</Code>');
});

test.each([
  ['declares more than it sends, and hangs up', { kind: 'length', declare: 10 }, String(SIZE + 10), SIZE, 'ECONNRESET'],
  ['sends less than it declares, and hangs up', { kind: 'length', send: -10 }, String(SIZE), SIZE - 10, 'ECONNRESET'],
  ['declares and sends less, in harmony', { kind: 'length', declare: -10, send: -10 }, String(SIZE - 10), SIZE - 10, 'complete'],
  ['declares and sends more, in harmony', { kind: 'length', declare: 10, send: 10 }, String(SIZE + 10), SIZE + 10, 'complete'],
  ['declares nothing and sends less', { kind: 'length', declare: 'none', send: -10 }, undefined, SIZE - 10, 'complete'],
  ['declares nothing and sends more', { kind: 'length', declare: 'none', send: 10 }, undefined, SIZE + 10, 'complete'],
] as const)('length: %s', async (_, fault, declared, received, end) => {
  const answer = await under(fault);
  expect([answer.headers['content-length'], answer.body.length, answer.end]).toEqual([declared, received, end]);
});

test('change before: the next GET finds other bytes under another ETag, and one pinned to the old is refused', async () => {
  const before = await rawGet(s3.port, '/models/big');
  const after = await under({ kind: 'change' });
  expect([after.headers.etag === before.headers.etag, after.body.length, after.body[0]]).toEqual([false, SIZE, BODY[0]! ^ 0xff]);
  expect((await rawGet(s3.port, '/models/big', { headers: { 'if-match': before.headers.etag! } })).status).toBe(412);
  await s3.put('models', 'big', BODY);
  expect((await rawGet(s3.port, '/models/big')).headers.etag).toBe(before.headers.etag);
});

test('change midway: old bytes up to a point, a reset, and other bytes from then on', async () => {
  const before = await rawGet(s3.port, '/models/big');
  const cut = await under({ kind: 'change', afterBytes: 1_000 });
  expect([cut.body.equals(BODY.subarray(0, 1_000)), cut.headers.etag, cut.end]).toEqual([true, before.headers.etag, 'ECONNRESET']);
  expect((await rawGet(s3.port, '/models/big')).headers.etag).not.toBe(before.headers.etag);
});

test('flip: one bit of one byte', async () => {
  const answer = await under({ kind: 'flip', atByte: 99_999 });
  const differing = [...answer.body.keys()].filter((i) => answer.body[i] !== BODY[i]);
  expect(differing).toEqual([99_999]);
});

test('slowHeaders: nothing for a while, then a proper answer', async () => {
  const began = performance.now();
  expect((await under({ kind: 'slowHeaders', ms: 100 })).body.length).toBe(SIZE);
  expect(performance.now() - began).toBeGreaterThan(99);
});

test('rules are for an operation, a bucket and a key pattern, and the first that matches decides', async () => {
  s3.fault({ on: 'ListObjectsV2', key: 'half/*', fault: { kind: 'answer', status: 403, code: 'AccessDenied' } });
  s3.fault({ bucket: 'others', fault: { kind: 'answer', status: 500, code: 'InternalError' } });
  s3.fault({ key: '*.pb', fault: { kind: 'answer', status: 503, code: 'SlowDown' } });
  expect((await rawGet(s3.port, '/models/?list-type=2&prefix=half%2F1')).status).toBe(403);
  expect((await rawGet(s3.port, '/models/?list-type=2&prefix=other')).status).toBe(200);
  expect((await rawGet(s3.port, '/models/big')).status).toBe(200);
  expect((await rawGet(s3.port, '/models/a/saved_model.pb')).status).toBe(503);
  expect(() => s3.fault({ fault: { kind: 'stal', afterBytes: 1 } } as never)).toThrow(/not a fault rule/);
});

test('a process of its own serves a directory and is steered and read from outside', async () => {
  const root = mkdtempSync(join(tmpdir(), 'segue-s3-'));
  mkdirSync(join(root, 'models'));
  writeFileSync(join(root, 'models/x'), 'hello');
  const run = `require(${JSON.stringify(join(__dirname, '../../src/testing/s3/main.ts'))}).runS3(process.argv.slice(1))`;
  const child = spawn(process.execPath, ['-r', join(__dirname, 'compile-on-load.cjs'), '-e', run, '--', '--root', root], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const port = Number(new URL((JSON.parse(line.toString()) as { url: string }).url).port);
    const added = await rawGet(port, '/_segue/faults', { method: 'POST', body: '{"key":"x","times":1,"fault":{"kind":"answer","status":503,"code":"SlowDown"}}' });
    expect(JSON.parse(added.body.toString())).toEqual([{ key: 'x', times: 1, left: 1, fault: { kind: 'answer', status: 503, code: 'SlowDown' } }]);
    expect((await rawGet(port, '/_segue/faults', { method: 'POST', body: '{"fault":{}}' })).status).toBe(400);
    expect([(await rawGet(port, '/models/x')).status, (await rawGet(port, '/models/x')).body.toString()]).toEqual([503, 'hello']);
    expect(JSON.parse((await rawGet(port, '/_segue/log')).body.toString())).toMatchObject([{ key: 'x', status: 503 }, { key: 'x', status: 200, bytesSent: 5 }]);
    child.kill('SIGTERM');
    expect((await once(child, 'exit'))[0]).toBe(0);
  } finally {
    child.kill('SIGKILL');
  }
});
