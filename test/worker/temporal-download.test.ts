import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { downloadTemporal } from '../../src/worker/temporal-download';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'segue-download-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

test('asks the service as the SDK does, and unpacks the program it names', async () => {
  writeFileSync(join(scratch, 'temporal'), 'a program');
  const archive = execFileSync('tar', ['-czf', '-', '-C', scratch, 'temporal']);
  rmSync(join(scratch, 'temporal'));
  const asked: string[] = [];
  const service = await serve((request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/archive') response.end(archive);
    else response.end(JSON.stringify({ archiveUrl: `http://${request.headers.host}/archive`, fileToExtract: 'temporal' }));
  });
  await downloadTemporal('v1.5.1', join(scratch, 'temporal'), () => undefined, service.url);
  service.close();
  expect(asked[0]).toMatch(/^\/cli\/v1\.5\.1\?arch=(amd64|arm64)&platform=(linux|darwin|windows)&format=tar\.gz$/);
  expect(readFileSync(join(scratch, 'temporal'), 'utf8')).toBe('a program');
  expect(statSync(join(scratch, 'temporal')).mode & 0o111).toBe(0o111);
});

test.each([
  ['a refusal', (_: unknown, response: { statusCode: number; end: () => void }) => { response.statusCode = 503; response.end(); }, '503'],
  ['an answer of another shape', (_: unknown, response: { end: (text: string) => void }) => response.end('{"url": "x"}'), 'did not answer with an archive'],
  ['a file outside of the archive', (_: unknown, response: { end: (text: string) => void }) => response.end('{"archiveUrl": "http://127.0.0.1:1/a", "fileToExtract": "../temporal"}'), 'did not answer with an archive'],
])('%s is said', async (_, answer, expected) => {
  const service = await serve(answer as unknown as RequestListener);
  await expect(downloadTemporal('v1.5.1', join(scratch, 'temporal'), () => undefined, service.url)).rejects.toThrow(expected);
  service.close();
});

test('nobody there is said with its cause, not as "fetch failed"', async () => {
  await expect(downloadTemporal('v1.5.1', join(scratch, 'temporal'), () => undefined, 'http://127.0.0.1:1')).rejects.toThrow(/127\.0\.0\.1:1.*(ECONNREFUSED|bad port)/);
});

async function serve(listener: RequestListener): Promise<{ url: string; close: () => void }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => { server.closeAllConnections(); server.close(); } };
}
