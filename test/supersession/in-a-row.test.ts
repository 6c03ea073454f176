// Three wishes for one model, one right after the other: exactly the one started last is served, although their claims may overtake each other; the others say by whom they were superseded and prove
// that they stopped. On real parts.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { Verdict } from '../../src/domain/verdict';
import { mustBeServed, probe, Stage } from '../integration/stage';
import { HALF_PLUS_THREE, HALF_PLUS_TWO, upload } from '../integration/world';
import { until } from '../setup/until';

const on = Stage.forThisFile();
const NAMES = ['a', 'b', 'c'];
const all = { strategy: { maxUnavailable: 3 } };

const reads = (prefix: string): readonly string[] => on.store.log().filter((line) => line.operation === 'GetObject' && line.key.startsWith(prefix)).map(({ key }) => key);
const versions = (name: string): readonly string[] => readdirSync(join(on.world.server(name).root, 'models/half')).sort();
const proven = (verdict: Verdict): boolean => Object.values(verdict.servers).filter(({ end }) => end === 'stopped').every(({ proof }) => proof?.sockets === 0 && proof.writers === 0 && !proof.aspired);

/** Started one right after the other, some milliseconds apart; as they ended. */
async function inARow(requests: readonly Record<string, unknown>[]) {
  const handles: WorkflowHandle[] = [];
  for (const request of requests) handles.push(await on.world.start(request));
  return Promise.all(handles.map(async (handle) => ({ id: handle.workflowId, ...await on.world.end(handle) })));
}
const newer = (ends: readonly { readonly id: string }[], than: number): readonly string[] => ends.slice(than + 1).map(({ id }) => `superseded by ${id}`);

test('three versions in a row: exactly the last is served, and nothing is left of the two before it', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  for (const version of ['2', '3', '4']) await upload(on.store, `half/${version}/`, HALF_PLUS_THREE);
  const ends = await inARow(['2', '3', '4'].map((version) => ({ model: 'half', version, ...on.from(`half/${version}/`), ...probe(3), ...all })));
  expect(ends.map(({ type }) => type)).toEqual(['Superseded', 'Superseded', undefined]);
  for (const at of [0, 1]) expect(newer(ends, at)).toContain(ends[at]?.message);
  expect(ends.slice(0, 2).map(({ verdict }) => proven(verdict))).toEqual([true, true]);
  mustBeServed(ends[2]!);
  for (const name of NAMES) {
    expect(await on.valueOf(name, 2)).toEqual({ version: '4', y: 4 });
    expect(versions(name)).toEqual(['1', '4']);
    expect(readdirSync(join(on.world.server(name).root, 'staging/half'))).toEqual([]);
  }
  await until(async () => await on.store.connections() === 0);
});

test('the newer ones find the whole version on the disks: no object is read twice by a server', async () => {
  await on.serve('1', HALF_PLUS_TWO, 2);
  await upload(on.store, 'half/2/', HALF_PLUS_THREE);
  for (const name of NAMES) on.world.server(name).faults.delay({ what: 'load', model: 'half', version: 2n, ms: 1500 });
  const request = { model: 'half', version: '2', ...on.from('half/2/'), ...all };
  const first = await on.world.start(request);
  await until(async () => { const { servers } = await on.world.status(first); return NAMES.every((name) => servers[name as never]?.step === 'awaitAvailable'); });
  const [second, third] = await inARow([request, request]);
  const ends = [{ id: first.workflowId, ...await on.world.end(first) }, second!, third!];
  expect(ends.map(({ type }) => type)).toEqual(['Superseded', 'Superseded', undefined]);
  expect(proven(ends[0]!.verdict)).toBe(true);
  expect(Object.values(ends[0]!.verdict.servers).map(({ end }) => end)).toEqual(['stopped', 'stopped', 'stopped']);
  mustBeServed(ends[2]!);
  const counts = new Map<string, number>();
  for (const key of reads('half/2/')) counts.set(key, (counts.get(key) ?? 0) + 1);
  // A manifest is looked for with each listing; it is not there, and no part of the version.
  counts.delete('half/2/manifest.json');
  expect(new Set(counts.values())).toEqual(new Set([NAMES.length]));
  for (const name of NAMES) expect(await on.valueOf(name, 2)).toEqual({ version: '2', y: 4 });
}, 60_000);
