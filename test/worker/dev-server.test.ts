import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { FleetName, ServerName } from '../../src/domain/names';
import { connectClient, temporalTarget } from '../../src/worker/connection';
import type { DevServer } from '../../src/worker/dev-server';
import { startDevServer } from '../../src/worker/dev-server';
import { NoTemporalError } from '../../src/worker/no-temporal';
import { createCommand, ensureSearchAttributes } from '../../src/worker/search-attributes';
import { startChild } from '../../src/worker/child-process';
import { fleetContact } from '../../src/worker/announcer';
import { freePorts } from '../../src/worker/free-port';
import { temporalCli } from '../setup/shared';
import { until } from '../setup/until';

const root = resolve(__dirname, '../..');

describe('a dev server of ours', () => {
  let server: DevServer;
  beforeAll(async () => {
    server = await startDevServer({ cli: temporalCli(), namespaces: ['bare'] });
  });
  afterAll(() => server.stop());

  test('knows the search attributes the moment it counts as started, so that the first rollout can write them', async () => {
    const connected = await connectClient(server.target);
    await expect(ensureSearchAttributes(connected.connection, 'default')).resolves.toEqual([]);
    await connected.close();
  });

  test('shows its web page', async () => {
    expect((await fetch(`${server.uiUrl}/namespaces/default/workflows`)).status).toBe(200);
  });

  test('a fleet that was never there, and one that has ended, are both no fleet; a running one nobody works on is not seen', async () => {
    const connected = await connectClient(server.target);
    const contact = fleetContact(connected.connection, 'default', 'announced' as FleetName);
    const edge = 'edge-a' as ServerName;
    await expect(contact.look(edge)).resolves.toBe('noFleet');
    await contact.announce({ server: edge, incarnation: 'i1' });
    await contact.announce({ server: edge, incarnation: 'i2' });
    const history = await connected.client.workflow.getHandle('fleet/announced').fetchHistory();
    const signals = (history.events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes?.signalName === 'announce');
    expect(signals).toHaveLength(2);
    await connected.client.workflow.getHandle('fleet/announced').terminate();
    await expect(contact.look(edge)).resolves.toBe('noFleet');
    await connected.close();
  });

  test('a namespace without our attributes gets them, and they can be used at once', async () => {
    const connected = await connectClient({ ...server.target, namespace: 'bare' });
    // The dev server registers attributes given at its start for every namespace given then: take one away to see it made again.
    await connected.connection.operatorService.removeSearchAttributes({ namespace: 'bare', searchAttributes: ['SegueOutcome'] });
    await expect(ensureSearchAttributes(connected.connection, 'bare')).resolves.toEqual(['SegueOutcome']);
    await expect(connected.connection.workflowService.countWorkflowExecutions({ namespace: 'bare', query: 'SegueOutcome = "served"' })).resolves.toBeDefined();
    await expect(ensureSearchAttributes(connected.connection, 'bare')).resolves.toEqual([]);
    await connected.close();
  });

  test('a second one on the same port fails naming it, although the first one would answer in its place', async () => {
    const port = Number(server.address.split(':')[1]);
    await expect(startDevServer({ cli: temporalCli(), port, headless: true })).rejects.toThrow(`cannot have port ${port}`);
  });
});

test('nobody at the address is one error that names it and what to do, without the key it was given', async () => {
  const [port] = await freePorts(1);
  const target = temporalTarget({}, { TEMPORAL_ADDRESS: `127.0.0.1:${port}`, TEMPORAL_API_KEY: 'hush-hush', TEMPORAL_TLS: 'false' });
  const error: unknown = await connectClient(target, 500).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(NoTemporalError);
  expect((error as Error).message).toContain(`no Temporal server answers at 127.0.0.1:${port}`);
  expect((error as Error).message).toContain('TEMPORAL_ADDRESS');
  expect((error as Error).message).not.toContain('hush-hush');
});

test('somebody else at the address is told from a Temporal server', async () => {
  const other = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
  const target = temporalTarget({ address: `127.0.0.1:${(other.address() as AddressInfo).port}` }, {});
  await expect(connectClient(target, 500)).rejects.toThrow(NoTemporalError);
  other.close();
});

test('where we may not create attributes, a person can run the command we print', () => {
  expect(createCommand('prod', ['SegueFleet', 'SegueModel'])).toBe('temporal operator search-attribute create --namespace prod --name SegueFleet --type Keyword --name SegueModel --type Keyword');
});

test('a child of ours ends even when we are killed with -9', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'segue-orphan-'));
  const script = `const { startChild } = require(${JSON.stringify(join(root, 'src/worker/child-process.ts'))});
    startChild({ name: 'sleeper', command: 'sleep', args: ['600'] }).then((child) => console.log(child.pid)); setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['-r', join(root, 'tools/ts.cjs'), '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = await new Promise<number>((done) => parent.stdout.once('data', (chunk: Buffer) => done(Number(chunk.toString()))));
  expect(isAlive(pid)).toBe(true);
  parent.kill('SIGKILL');
  await until(() => !isAlive(pid));
  rmSync(scratch, { recursive: true });
});

test('a child that ends by itself rejects with what it said last; one that was stopped does not', async () => {
  const failing = await startChild({ name: 'the failing one', command: 'sh', args: ['-c', 'echo no port for me >&2; exit 4'] });
  await expect(failing.ended).rejects.toThrow(/the failing one ended by itself \(code 4\).*no port for me/s);
  const stopped = await startChild({ name: 'the stopped one', command: 'sleep', args: ['600'] });
  await stopped.stop();
  await expect(stopped.ended).resolves.toBeUndefined();
});

test('a child deaf to SIGTERM is killed after its grace time', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'segue-deaf-'));
  const ready = join(scratch, 'ready');
  const deaf = await startChild({ name: 'the deaf one', command: 'sh', args: ['-c', `trap "" TERM; touch ${ready}; while :; do sleep 1; done`], graceMs: 50 });
  await until(() => existsSync(ready));
  await deaf.stop();
  expect(isAlive(deaf.pid)).toBe(false);
  rmSync(scratch, { recursive: true });
});

/** A zombie has ended: it only waits to be asked for its exit code. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
