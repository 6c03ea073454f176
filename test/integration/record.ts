// Keeps the histories of a scenario for the replay gate: SEGUE_RECORD=1 npx jest test/integration. Without it, only counts.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { temporal } from '@temporalio/proto';
import { temporalCli } from '../setup/shared';
import type { World } from './world';

const KEPT = join(__dirname, '../histories');

export interface Counted {
  readonly workflowId: string;
  readonly events: number;
  readonly activities: number;
}

/** The rollout's own history and those of its transitions; returns what the transitions took. */
export async function keepHistories(world: World, scenario: string, rolloutId: string): Promise<readonly Counted[]> {
  const counted: Counted[] = [];
  for (const [index, workflowId] of [rolloutId, ...await transitionsOf(world, rolloutId)].entries()) {
    const events = await eventsOf(world, workflowId);
    if (index > 0) counted.push({ workflowId, events: events.length, activities: events.filter((event) => event.activityTaskScheduledEventAttributes !== undefined && event.activityTaskScheduledEventAttributes !== null).length });
    if (process.env['SEGUE_RECORD'] !== undefined) keep(world, scenario, index === 0 ? 'rollout' : `transition-${index}`, workflowId);
  }
  if (process.env['SEGUE_RECORD'] !== undefined) keep(world, scenario, 'fleet', `fleet/${world.fleet}`);
  return counted;
}

/** In the order they were started. */
export async function transitionsOf(world: World, rolloutId: string): Promise<readonly string[]> {
  return (await eventsOf(world, rolloutId)).flatMap((event) => event.childWorkflowExecutionStartedEventAttributes?.workflowExecution?.workflowId ?? []);
}

export async function eventsOf(world: World, workflowId: string): Promise<readonly temporal.api.history.v1.IHistoryEvent[]> {
  return (await world.temporal.client.workflow.getHandle(workflowId).fetchHistory()).events ?? [];
}

/** As the CLI exports it, without what belongs to the machine that recorded it. */
function keep(world: World, scenario: string, name: string, workflowId: string): void {
  const text = execFileSync(temporalCli(), ['workflow', 'show', '--address', world.dev.address, '--workflow-id', workflowId, '--output', 'json'], { encoding: 'utf8', maxBuffer: 64 << 20 });
  const history = JSON.parse(text, (key, value: unknown) => (key === 'stackTrace' ? undefined : key === 'identity' ? 'recorded' : typeof value === 'string' ? value.replace(/\d+@[\w.-]+/, 'recorded') : value)) as unknown;
  mkdirSync(join(KEPT, scenario), { recursive: true });
  writeFileSync(join(KEPT, scenario, `${name}.json`), `${JSON.stringify(history)}\n`);
}
