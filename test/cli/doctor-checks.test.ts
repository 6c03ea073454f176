// What the doctor says of a disk and of Temporal: each finding once as it is on a host that is well, and once on one that is not. Real files, a real dev server.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkDisk } from '../../src/cli/doctor/disk-checks';
import type { Finding } from '../../src/cli/doctor/finding';
import { checkTemporal } from '../../src/cli/doctor/temporal-checks';
import { formatJournal, freshEntry } from '../../src/agent/journal-format';
import { startAgentWorker } from '../../src/worker/agent-worker';
import { startChild, type Child } from '../../src/worker/child-process';
import { startControlWorker } from '../../src/worker/control-worker';
import { startDevServer, type DevServer } from '../../src/worker/dev-server';
import { freePorts } from '../../src/worker/free-port';
import { connectTemporal, type TemporalConnections } from '../../src/worker/native-connection';
import { installRuntime } from '../../src/worker/process-log';
import type { Running } from '../../src/worker/running';
import { temporalCli, workflowBundle } from '../setup/shared';
import { until } from '../setup/until';

const scratch = mkdtempSync(join(tmpdir(), 'segue-doctor-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const said = (findings: readonly Finding[]): string => findings.map((one) => JSON.stringify(one)).join('\n');
const problems = (findings: readonly Finding[]): readonly string[] => findings.filter((one) => one.level === 'problem').map((one) => JSON.stringify(one));

describe('the disk', () => {
  let root: string;
  let count = 0;
  const journal = (text: string): void => writeFileSync(join(root, 'journal.json'), text);
  const content = (over: object = {}): string => formatJournal({ format: 1, seeded: true, incarnation: 'i', models: new Map([['half', { ...freshEntry, promoted: '1' }]]), ...over } as never);
  beforeEach(() => { root = join(scratch, `root-${count += 1}`); mkdirSync(join(root, 'models/half/1'), { recursive: true }); });

  test('a root that is well has no problem, and what the agent promoted is told', async () => {
    journal(content());
    const { findings, models } = await checkDisk(root);
    expect(problems(findings)).toEqual([]);
    expect(said(findings)).toContain('promoted: half 1');
    expect([...models.keys()]).toEqual(['half']);
  });
  test('nothing is left behind by the look', async () => {
    await checkDisk(root);
    expect(said((await checkDisk(root)).findings)).toContain('no journal');
  });
  test('a root that is not there', async () => expect(said((await checkDisk(join(root, 'no'))).findings)).toMatch(/problem.*not there, or this user may not write it.*ls -ld/));
  test.each([
    ['torn', () => journal(content().slice(0, 40)), /problem.*read .*journal\.json/],
    ['of an agent that does not know its list', () => journal(content({ seeded: false })), /problem.*the boot file names models and there was no journal/],
    ['from the future', () => journal(content({ models: new Map([['half', { ...freshEntry, leaving: { 1: { drainSinceMs: Date.now() + 60_000 } } }]]) })), /problem.*s in the future/],
  ])('a journal %s', async (_what, write, message) => {
    write();
    expect(said((await checkDisk(root)).findings)).toMatch(message);
  });
  test('models on another file system cannot become visible by one rename', async () => {
    rmSync(join(root, 'models'), { recursive: true });
    const other = mkdtempSync('/dev/shm/segue-doctor-');
    try {
      symlinkSync(other, join(root, 'models'));
      expect(said((await checkDisk(root)).findings)).toMatch(/problem.*EXDEV.*another file system/);
    } finally {
      rmSync(other, { recursive: true, force: true });
    }
  });
  test('no room for another version as large as the largest', async () => {
    writeFileSync(join(root, 'models/half/1/variables'), '');
    truncateSync(join(root, 'models/half/1/variables'), 2 ** 43); // Sparse: it has the size, not the blocks.
    expect(said((await checkDisk(root)).findings)).toMatch(/problem.*another one does not fit.*du -sh/);
  });
});

describe('Temporal', () => {
  let bare: Child;
  let bareAddress: string;
  let dev: DevServer;
  let temporal: TemporalConnections;
  const running: Running[] = [];
  beforeAll(async () => {
    installRuntime({ format: 'text', level: 'ERROR' });
    const [port] = await freePorts(1);
    bareAddress = `127.0.0.1:${port}`;
    // As somebody else would start it: nobody created our search attributes.
    bare = await startChild({ name: 'temporal', command: temporalCli(), args: ['server', 'start-dev', '--headless', '--port', String(port), '--log-level', 'never'], graceMs: 0 });
    dev = await startDevServer({ cli: temporalCli(), headless: true });
    temporal = await connectTemporal(dev.target);
    running.push(await startControlWorker({ temporal, workflowBundle: workflowBundle() }));
    running.push(await startAgentWorker({ fleet: 'demo' as never, server: 'edge-a' as never, root: join(scratch, 'agent'), serving: '127.0.0.1:1', report: () => undefined, connect: () => Promise.resolve(temporal) }));
  }, 60_000);
  afterAll(async () => {
    for (const one of running.reverse()) await one.stop();
    await temporal.close();
    await Promise.all([bare.stop(), dev.stop()]);
  });
  const look = (address: string, question: object = {}): Promise<readonly Finding[]> => checkTemporal({ address, namespace: 'default' } as never, question);

  test('one that is well, with both workers polling, has no problem', async () => {
    const findings = await until(async () => { const found = await look(dev.address, { fleet: 'demo', server: 'edge-a' }); return said(found).includes('fleet/demo runs') ? found : undefined; });
    expect(problems(findings)).toEqual([]);
    expect(said(findings)).toContain('search attributes SegueFleet');
    expect(said(findings)).toContain('the agent of edge-a polls segue/demo/edge-a');
  });
  test('a server nobody polls for, and a fleet that is none', async () => {
    const text = said(await look(dev.address, { fleet: 'demo', server: 'edge-z' }));
    expect(text).toMatch(/problem.*nobody polls segue\/demo\/edge-z: no agent of edge-z is connected.*segue agent --fleet demo --server edge-z/);
    expect(said(await look(dev.address, { fleet: 'dmeo' }))).toMatch(/fleet\/dmeo does not run: no agent has announced itself/);
  });
  test('a Temporal without our search attributes and without a control worker', async () => {
    const findings = await until(async () => { const found = await look(bareAddress); return /no Temporal server answers|not found/.test(said(found)) ? undefined : found; }, 30_000);
    expect(said(findings)).toMatch(/problem.*namespace default has no search attribute SegueFleet, SegueModel.*temporal operator search-attribute create/);
    expect(said(findings)).toMatch(/problem.*nobody polls segue: no control worker is connected.*segue worker/);
  });
  test('nobody at the address', async () => {
    const [port] = await freePorts(1);
    expect(said(await look(`127.0.0.1:${port}`))).toMatch(/problem.*no Temporal server answers.*temporal operator cluster health/);
  });
});
