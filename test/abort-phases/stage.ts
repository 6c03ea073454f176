// The stage of every phase: two servers that serve version 1, a rollout of the next version that is aborted somewhere on its way, and what must be true afterwards wherever that was.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Status } from '../../src/domain/status';
import type { TransitionInput, TransitionResult } from '../../src/domain/transition-io';
import type { Verdict } from '../../src/domain/verdict';
import type { S3Server } from '../../src/testing/s3/server';
import { mustBeServed } from '../integration/stage';
import { HALF_PLUS_THREE, HALF_PLUS_TWO, upload, type Server, type World } from '../integration/world';
import { until } from '../setup/until';
import { Watch } from './watch';

export class PhaseStage {
  version = 1;
  /** Whose open files are looked at: this process, in which agents run unless a test gave one a process of its own. */
  readonly agentPids: Record<string, number> = {};
  #late = 0;
  #watches: Readonly<Record<string, Watch>> = {};

  private constructor(readonly world: World, readonly store: S3Server) {}

  /** Version 1 is served by all, as every phase finds it and leaves it. */
  static async start(whole: World, fleet: string, names: readonly string[]): Promise<PhaseStage> {
    const world = await whole.inFleet(fleet, names);
    const stage = new PhaseStage(world, await world.store());
    await upload(stage.store, 'half/1/', HALF_PLUS_TWO);
    mustBeServed(await world.end(await world.start({ model: 'half', version: '1', ...stage.from('half/1/'), strategy: { maxUnavailable: names.length } })));
    stage.#watches = Object.fromEntries(names.map((name) => [name, new Watch(world.server(name).port)]));
    return stage;
  }

  async stop(): Promise<void> {
    for (const watch of Object.values(this.#watches)) await watch.stop();
    await this.world.stopFleet();
  }

  /** Another version nobody has seen, in the bucket. */
  async next(extra: Readonly<Record<string, Buffer>> = {}, store = this.store): Promise<string> {
    this.version += 1;
    await upload(store, `half/${this.version}/`, HALF_PLUS_THREE, { extra });
    return String(this.version);
  }

  from(prefix: string, endpoint = this.store.url): object {
    return { source: { uri: `s3://models/${prefix}`, endpoint, credentials: 'anonymous' } };
  }

  watch(name: string): Watch {
    const found = this.#watches[name];
    if (found === undefined) throw new Error(`nobody watches ${name}`);
    return found;
  }

  async reset(): Promise<void> {
    this.store.clearFaults();
    for (const server of Object.values(this.world.servers)) server.faults.clear();
    for (const watch of Object.values(this.#watches)) watch.forget();
  }

  /** The list as the server has it, and as text that can be compared. */
  lists(): Readonly<Record<string, string>> {
    return Object.fromEntries(Object.values(this.world.servers).map(({ name, simulator }) => [name, JSON.stringify(simulator.config(), (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))]));
  }

  step(handle: WorkflowHandle, server = 'a'): Promise<string | undefined> {
    return this.status(handle).then(({ servers }) => servers[server as never]?.step);
  }

  status(handle: WorkflowHandle): Promise<Status> {
    return this.world.status(handle);
  }

  /** Files of the model below staging that the agent's process holds open. */
  openBelowStaging({ name, root }: Server): readonly string[] {
    const descriptors = `/proc/${this.agentPids[name] ?? 'self'}/fd`;
    return readdirSync(descriptors).flatMap((fd) => {
      try {
        const target = readlinkSync(`${descriptors}/${fd}`);
        return target.startsWith(join(root, 'staging/half')) ? [target] : [];
      } catch {
        return [];
      }
    });
  }

  /** What its last transition forward would do, done again by somebody who is late: how it ends, and what its host refused it by. */
  async lateAttempt(handle: WorkflowHandle, server = 'a'): Promise<{ readonly end: TransitionResult['end']; readonly refused: readonly string[] } | undefined> {
    const { client } = this.world.temporal;
    const events = (await handle.fetchHistory()).events ?? [];
    const workflowId = events.map((event) => event.childWorkflowExecutionStartedEventAttributes?.workflowExecution?.workflowId).find((id) => id?.includes(`/${server}/`));
    if (workflowId === undefined || workflowId === null) return undefined;
    const [first] = (await client.workflow.getHandle(workflowId).fetchHistory()).events ?? [];
    const payload = first?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
    if (payload === undefined || payload === null) throw new Error(`${workflowId} had no input`);
    const { reportTo: _nobody, ...input } = defaultPayloadConverter.fromPayload<TransitionInput>(payload);
    this.#late += 1;
    const late = await client.workflow.start('transition', { workflowId: `late/${this.world.fleet}/${this.#late}`, taskQueue: 'segue', args: [input] });
    const { end } = (await late.result()) as TransitionResult;
    const refused = ((await late.fetchHistory()).events ?? []).flatMap((event) => event.activityTaskFailedEventAttributes?.failure?.applicationFailureInfo?.type ?? []);
    return { end, refused };
  }
}

/** Nothing is left below staging, but whole files of a partial that the proof calls kept. */
export function leftoversOf({ root }: Server, verdict: Verdict, server = 'a', model = 'half'): readonly string[] {
  const staging = join(root, 'staging', model);
  const found = below(staging);
  if (verdict.servers[server as never]?.proof?.partial !== 'kept') return found;
  const [record] = found.filter((path) => /^[^/]+\.json$/.test(path));
  const { files } = JSON.parse(readFileSync(join(staging, record ?? ''), 'utf8')) as { files: readonly { path: string; size: number }[] };
  const kept = new Set([record, ...files.filter(({ path, size }) => statSync(join(staging, (record ?? '').slice(0, -'.json'.length), path)).size === size).map(({ path }) => `${(record ?? '').slice(0, -'.json'.length)}/${path}`)]);
  return found.filter((path) => !kept.has(path));
}

function below(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
  } catch {
    return [];
  }
}

/** What must be true wherever it was stopped. `before` are the lists as they were. */
export async function expectCleanAbort(stage: PhaseStage, handle: WorkflowHandle, before: Readonly<Record<string, string>>, options: { readonly available?: readonly string[]; readonly end: string; readonly proof?: boolean }): Promise<Verdict> {
  const { verdict, type } = await stage.world.end(handle);
  expect({ type, outcome: verdict.outcome, end: verdict.servers['a' as never]?.end, message: verdict.message }).toMatchObject({ type: 'Aborted', outcome: 'aborted', end: options.end });
  if (options.proof ?? true) expect(verdict.servers['a' as never]?.proof).toMatchObject({ sockets: 0, writers: 0, aspired: false });
  expect(stage.lists()).toEqual(before);
  for (const server of Object.values(stage.world.servers)) {
    expect(leftoversOf(server, verdict, server.name)).toEqual([]);
    expect(stage.openBelowStaging(server)).toEqual([]);
    const watch = stage.watch(server.name);
    await until(() => watch.looks > 2);
    expect(watch.without(...options.available ?? ['1'])).toEqual([]);
  }
  await until(async () => await stage.store.connections() === 0);
  const late = await stage.lateAttempt(handle);
  if (late !== undefined) expect(late).toEqual({ end: { kind: 'stopped' }, refused: ['StaleAttempt'] });
  expect(stage.lists()).toEqual(before);
  return verdict;
}
