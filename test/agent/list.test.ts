// The sole writer of the list, against servers that refuse, hang, or go away at the worst moment.

import { Journal } from '../../src/agent/journal';
import type { ModelEntry } from '../../src/agent/journal-format';
import { ModelList } from '../../src/agent/model-list';
import { Observer } from '../../src/agent/observe';
import type { ModelName, ServerName, Version } from '../../src/domain/names';
import type { ReloadConfigRequest } from '../../src/proto/gen/tensorflow_serving/apis/model_management_pb';
import { ServingClient } from '../../src/serving/client';
import { ServingRefusal, startScripted, type Script, type ScriptedServer } from '../serving/scripted-server';
import { removeScratch, scratch } from './scratch';
import { until } from './world';

const model = 'half' as ModelName;
const v1 = '1' as Version;
const v2 = '2' as Version;
const free = { signal: new AbortController().signal, assert: (): void => undefined };
const serving = (entry: ModelEntry): ModelEntry => ({ ...entry, token: [1, 1], open: true, registered: 'yes', aspired: [v1], promoted: v1 });
const withV2 = (entry: ModelEntry): ModelEntry => ({ ...entry, aspired: [v1, v2], candidate: { version: v2, token: [1, 1], sinceMs: 1, accepted: false } });

/** A server that knows version 1 and the sentinel's history, and answers reloads as the test says. */
class Bench {
  server: ScriptedServer | undefined;
  client: ServingClient | undefined;
  readonly reloads: string[] = [];
  history: bigint[] = [0n, 1n];
  answer: (number: number) => ReturnType<NonNullable<Script['handleReloadConfigRequest']>> = () => ({});

  async start(entry: (entry: ModelEntry) => ModelEntry = serving): Promise<{ list: ModelList; journal: Journal; root: string }> {
    this.server = await startScripted({
      getModelStatus: (name) => (name === model && this.history.length > 0 ? { modelVersionStatus: this.history.map((version) => ({ version, state: 30 })) } : new ServingRefusal('NOT_FOUND', `Could not find any versions of model ${name}`)),
      handleReloadConfigRequest: (request) => { this.reloads.push(textOf(request)); return this.answer(this.reloads.length); },
    });
    this.client = new ServingClient(this.server.address);
    const root = await scratch();
    const journal = await Journal.open(root);
    await journal.update(model, entry);
    return { list: new ModelList('s' as ServerName, root, journal, this.client, new Observer(1)), journal, root };
  }

  async stop(): Promise<void> {
    this.client?.close();
    await this.server?.stop();
  }
}

function textOf(request: ReloadConfigRequest): string {
  const config = request.config?.config;
  return (config?.case === 'modelConfigList' ? config.value.config : []).map((one) => {
    const policy = one.modelVersionPolicy?.policyChoice;
    return `${one.name}@${one.basePath.endsWith('/.sentinel') ? 'sentinel' : 'real'}[${policy?.case === 'specific' ? policy.value.versions.join(',') : '?'}]`;
  }).join(' ');
}

let bench: Bench;
beforeEach(() => { bench = new Bench(); });
afterEach(async () => { await bench.stop(); await removeScratch(); });

test('after a start the whole list is asserted before anything is changed', async () => {
  const { list } = await bench.start();
  await list.change(model, free, withV2);
  expect(bench.reloads).toEqual(['half@real[1]', 'half@real[1,2]']);
  expect(list.doubt).toBeUndefined();
});

test('what was accepted is journalled as accepted, and nothing is unsure', async () => {
  const { list, root } = await bench.start();
  await list.change(model, free, withV2);
  expect((await Journal.open(root)).entry(model)).toMatchObject({ aspired: ['1', '2'], unsure: [], candidate: { version: '2', accepted: true } });
});

test('the journal says it before the server hears it', async () => {
  const { list, root } = await bench.start();
  await list.settle(free.signal);
  let onDisk: ModelEntry | undefined;
  bench.answer = async () => { onDisk = (await Journal.open(root)).entry(model); return {}; };
  await list.change(model, free, withV2);
  expect(onDisk).toMatchObject({ aspired: ['1', '2'], candidate: { accepted: false } });
  await list.change(model, free, (entry) => ({ ...entry, aspired: [v1], candidate: undefined }));
  expect(onDisk).toMatchObject({ aspired: ['1'], unsure: ['2'] }); // Until the server took the list without it, it may be listed.
});

test('a new name goes by the sentinel, whose UNKNOWN is the answer that was wanted; then by its real path', async () => {
  bench.history = [];
  const { list, journal } = await bench.start((entry) => ({ ...entry, token: [1, 1], open: true }));
  bench.answer = (number) => {
    if (number > 1) return {};
    bench.history = [0n];
    return new ServingRefusal('UNKNOWN', '1 model(s) did not become available: {{{name: half version: 0} due to error: NOT_FOUND: …}, }');
  };
  await list.change(model, free, (entry) => ({ ...entry, aspired: [v1] }));
  expect(bench.reloads).toEqual(['half@sentinel[0]', 'half@real[1]']);
  expect(journal.entry(model)).toMatchObject({ registered: 'yes', aspired: ['1'] });
});

test('a crash between the sentinel and its answer: the next agent finds the name known and never blocks on it', async () => {
  const { list, journal } = await bench.start((entry) => ({ ...entry, token: [1, 1], open: true, registered: 'asked' }));
  await list.change(model, free, (entry) => ({ ...entry, aspired: [v1] }));
  expect(bench.reloads).toEqual(['half@real[]', 'half@real[1]']);
  expect(journal.entry(model).registered).toBe('yes');
});

test('one reload in flight ever: the second change waits for the answer to the first', async () => {
  const { list } = await bench.start();
  await list.settle(free.signal);
  let answerFirst: () => void = () => undefined;
  bench.answer = (number) => (number === 2 ? new Promise((resolve) => { answerFirst = () => resolve({}); }) : {});
  const first = list.change(model, free, withV2);
  await until(() => bench.reloads.length === 2, 'the first is sent');
  const second = list.change(model, free, (entry) => ({ ...entry, aspired: [v1], candidate: undefined }));
  expect(list.unansweredMs).toBeGreaterThanOrEqual(0);
  await bench.client?.status(model); // Time for a second reload to arrive, had one been sent.
  expect(bench.reloads.length).toBe(2);
  answerFirst();
  await Promise.all([first, second]);
  expect(bench.reloads.slice(1)).toEqual(['half@real[1,2]', 'half@real[1]']);
  expect(list.unansweredMs).toBeUndefined();
});

test('a caller who leaves before its turn changes nothing; one who leaves after the reload is sent leaves it to its answer', async () => {
  const { list, journal } = await bench.start();
  await list.settle(free.signal);
  let answerFirst: () => void = () => undefined;
  bench.answer = (number) => (number === 2 ? new Promise((resolve) => { answerFirst = () => resolve({}); }) : {});
  const sender = new AbortController();
  const first = list.change(model, { signal: sender.signal, assert: () => sender.signal.throwIfAborted() }, withV2);
  await until(() => bench.reloads.length === 2, 'the first is sent');
  const waiter = new AbortController();
  const second = list.change(model, { signal: waiter.signal, assert: () => waiter.signal.throwIfAborted() }, (entry) => ({ ...entry, aspired: [] }));
  waiter.abort(new Error('left'));
  await expect(second).rejects.toThrow('left');
  sender.abort(new Error('left too'));
  answerFirst();
  await first;
  expect(journal.entry(model)).toMatchObject({ aspired: ['1', '2'], candidate: { accepted: true } });
});

test('a fence that falls while the change is journalled: nothing is sent, the journal is as before', async () => {
  const { list, journal } = await bench.start();
  await list.settle(free.signal);
  const before = journal.entry(model);
  let asked = 0;
  const falling = { signal: free.signal, assert: () => { asked += 1; if (asked > 1) throw new Error('stale'); } };
  await expect(list.change(model, falling, withV2)).rejects.toThrow('stale');
  expect(bench.reloads).toEqual(['half@real[1]']);
  expect(journal.entry(model)).toEqual(before);
});

test('a refused list: the failure carries the server\'s words, the journal is as before, and the list before is asserted again', async () => {
  const { list, journal } = await bench.start();
  await list.settle(free.signal);
  bench.answer = (number) => (number === 2 ? new ServingRefusal('FAILED_PRECONDITION', 'Request to assign label to version 2 of model half, which is not currently available for inference') : {});
  await expect(list.change(model, free, withV2)).rejects.toMatchObject({ code: 'ReloadRejected', message: expect.stringContaining('not currently available') as string });
  expect(journal.entry(model)).toMatchObject({ aspired: ['1'], candidate: undefined });
  expect(list.doubt).toContain('FAILED_PRECONDITION');
  await list.settle(free.signal);
  expect(bench.reloads).toEqual(['half@real[1]', 'half@real[1,2]', 'half@real[1]']);
  expect(journal.entry(model)).toMatchObject({ unsure: [] });
});

test('a connection lost during a reload: nothing else is sent before the server answers and its history is read', async () => {
  const { list, journal } = await bench.start();
  await list.settle(free.signal);
  bench.answer = (number) => (number === 2 ? new Promise(() => undefined) : {});
  const change = list.change(model, free, withV2).catch((error: unknown) => error);
  await until(() => bench.reloads.length === 2, 'the reload is sent');
  const { address } = bench.server ?? { address: '' };
  await bench.server?.stop();
  expect(await change).toMatchObject({ code: 'ServerUnreachable' });
  expect(journal.entry(model)).toMatchObject({ aspired: ['1', '2'], unsure: [] });
  await expect(list.change(model, free, withV2)).rejects.toMatchObject({ code: 'ServerUnreachable' });
  expect(bench.reloads.length).toBe(2);

  bench.server = await startScripted({
    getModelStatus: () => ({ modelVersionStatus: [0n, 1n].map((version) => ({ version, state: 30 })) }), // It never took the list with version 2.
    handleReloadConfigRequest: (request) => { bench.reloads.push(textOf(request)); return {}; },
  }, address);
  await until(async () => list.settle(free.signal).then(() => true, () => false), 'the server answers again');
  expect(bench.reloads[2]).toBe('half@real[1]');
  expect(journal.entry(model)).toMatchObject({ aspired: ['1'], unsure: [] });
  expect(journal.entry(model).lost).toBeUndefined(); // Never confirmed, so not held against it.
});

test('without a journal of its own a list is never sent', async () => {
  const { list, journal } = await bench.start();
  await journal.updateAll((entry) => entry, { seeded: false });
  await expect(list.settle(free.signal)).rejects.toMatchObject({ code: 'ReloadRejected' });
  await expect(list.change(model, free, withV2)).rejects.toMatchObject({ code: 'ReloadRejected' });
  expect(bench.reloads).toEqual([]);
});

test('a server out of threads is wedged, and is not called again and again', async () => {
  const { list } = await bench.start();
  await list.settle(free.signal);
  bench.answer = () => new ServingRefusal('RESOURCE_EXHAUSTED', 'Server Threadpool Exhausted');
  await expect(list.change(model, free, withV2)).rejects.toMatchObject({ code: 'ServerWedged' });
  expect(bench.reloads.length).toBe(2);
});
