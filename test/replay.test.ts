// The replay gate: yesterday's histories, recorded on the real dev server, must replay on today's workflow code, or running rollouts would break on the next start.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { workflowBundle } from './setup/shared';

const KEPT = join(__dirname, 'histories');
const recorded = readdirSync(KEPT, { recursive: true }).map(String).filter((name) => name.endsWith('.json')).sort();

interface History { events: { eventId: string; eventType: string; workflowExecutionStartedEventAttributes?: { workflowId: string }; activityTaskScheduledEventAttributes?: { activityType: { name: string } }; workflowTaskCompletedEventAttributes?: { sdkMetadata?: { coreUsedFlags?: number[] } } }[] }
const history = (name: string): History => JSON.parse(readFileSync(join(KEPT, name), 'utf8')) as History;
/** Under its own ID, because children are named after it. */
const replay = (kept: History): Promise<void> => Worker.runReplayHistory({ workflowBundle: { codePath: workflowBundle() } }, kept, kept.events[0]?.workflowExecutionStartedEventAttributes?.workflowId);

test('there is a history of every scenario and of every workflow', () => {
  expect(new Set(recorded.map((name) => name.split('/')[0])).size).toBeGreaterThanOrEqual(10);
  expect(new Set(recorded.map((name) => name.split('/')[1]?.replace(/-\d+\.json$|\.json$/, '')))).toEqual(new Set(['fleet', 'rollout', 'transition']));
});

test.each(recorded)('%s replays', async (name) => { await replay(history(name)); });

test('must fail: a history whose steps are exchanged does not replay', async () => {
  const name = recorded.find((one) => /waves\/transition/.test(one)) ?? '';
  const changed = history(name);
  const scheduled = changed.events.filter((event) => event.activityTaskScheduledEventAttributes !== undefined);
  const [first, second] = [scheduled[1]?.activityTaskScheduledEventAttributes, scheduled[2]?.activityTaskScheduledEventAttributes];
  if (first === undefined || second === undefined) throw new Error('no two steps to exchange');
  [first.activityType, second.activityType] = [second.activityType, first.activityType];
  await expect(replay(changed)).rejects.toThrow(DeterminismViolationError);
});

// Without these flags Core does not compare ids and types, and a wrong history would pass.
test('every history carries the flags that make the comparison strict', () => {
  for (const name of recorded) {
    const flags = history(name).events.flatMap((event) => event.workflowTaskCompletedEventAttributes?.sdkMetadata?.coreUsedFlags ?? []);
    expect({ name, flags: [1, 2, 3].every((flag) => flags.includes(flag)) }).toEqual({ name, flags: true });
  }
});
