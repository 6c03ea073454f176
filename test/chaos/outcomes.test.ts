// What the chaos run concludes from the ends of rollouts: each sentence on ends written by hand, good ones and broken ones.

import type { Ended } from './histories';
import { outcomeViolations } from './outcomes';
import type { Plan, Wanted } from './plan';

const NO_STABLE = { half: undefined, third: undefined };
const CALM: Plan = { round: 1, stories: [], acts: [] };

test('nothing is said of ends as they should be', () => {
  const ends = [ended('11', 'superseded', 1, 1), ended('12', 'served', 2, 2)];
  expect(outcomeViolations(planOf({}), [ended('1', 'served', 1, 1)], ends, { ...NO_STABLE, half: '12' })).toEqual([]);
});

test('a wish that nobody knows of', () => {
  expect(outcomeViolations(planOf({}), [], [], NO_STABLE)).toEqual(['Intent: nothing is known of rollout/chaos/half/1/chaos']);
});

test.each([{ content: 'bad' }, { content: 'failing' }, { probe: 'wrong' }] as const)('served although it is %j', (wanted) => {
  const ends = [ended('1', 'served', 1, 1)];
  expect(outcomeViolations(planOf(wanted), ends, ends, { ...NO_STABLE, half: '1' })).toHaveLength(1);
  expect(outcomeViolations(planOf(wanted), [ended('1', 'failed', 1, 1)], [], NO_STABLE)).toEqual([]);
});

test('the one started last is superseded, unless none is newer than another, or the other is of another model', () => {
  expect(outcomeViolations(CALM, [ended('11', 'served', 10, 2), ended('12', 'superseded', 40, 1)], [], NO_STABLE)).toEqual(['Supersession: rollout/chaos/half/12/chaos was started last and is superseded: why']);
  expect(outcomeViolations(CALM, [ended('11', 'served', 10, 2), ended('12', 'superseded', 11, 1)], [], NO_STABLE)).toEqual([]);
  expect(outcomeViolations(CALM, [{ ...ended('11', 'served', 90, 2), model: 'third' }, ended('12', 'superseded', 40, 1), ended('13', 'aborted', 60, 3)], [], NO_STABLE)).toEqual([]);
});

test('stable is another than what was served with the highest epoch', () => {
  const all = [ended('11', 'served', 1, 5), ended('12', 'served', 2, 7), ended('13', 'aborted', 3, 9)];
  expect(outcomeViolations(CALM, [], all, { ...NO_STABLE, half: '12' })).toEqual([]);
  expect(outcomeViolations(CALM, [], all, { ...NO_STABLE, half: '11' })).toEqual(['Verdict: rollout/chaos/half/12/chaos was served with the highest epoch, yet stable is half/11']);
});

function planOf(wanted: Partial<Wanted>): Plan {
  return { ...CALM, acts: [{ atMs: 0, do: 'start', wanted: { model: 'half', version: '1', content: 'good', probe: 'right', onFailure: 'rollback', strategy: {}, ...wanted } }] };
}

function ended(version: string, outcome: Ended['verdict']['outcome'], startedMs: number, epoch: number): Ended {
  return { workflowId: `rollout/chaos/half/${version}/chaos`, model: 'half', version, startedMs, epoch, verdict: { outcome, message: 'why', servers: {}, notSeen: [] } };
}
