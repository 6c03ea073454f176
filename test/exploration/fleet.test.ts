// The fleet's planner is exhausted in small worlds: whatever drifts, falls silent, fails or is lost, everybody serves what is stable in the end, and nobody who is well is touched.

import { beginFleet, fleetEvents, wrongFleet, type FleetEvent, type FleetWorld } from './fleet-world';

interface Result { readonly states: number; readonly rests: number; readonly violation?: { readonly what: string; readonly path: readonly string[] } }

function explore(trouble: FleetWorld['trouble'], possible: (world: FleetWorld) => readonly FleetEvent[] = fleetEvents, limit = 200_000): Result {
  const first = beginFleet(trouble);
  const seen = new Map<string, { readonly from: string | undefined; readonly event: string }>([[JSON.stringify(first), { from: undefined, event: 'begin' }]]);
  const pathTo = (key: string): string[] => { const one = seen.get(key); return one === undefined ? [] : [...(one.from === undefined ? [] : pathTo(one.from)), one.event]; };
  let rests = 0;
  for (let frontier: [string, FleetWorld][] = [[JSON.stringify(first), first]]; frontier.length > 0;) {
    const next: [string, FleetWorld][] = [];
    for (const [key, world] of frontier) {
      const may = possible(world);
      const atRest = may.every(({ name }) => name.startsWith('somebody'));
      if (atRest) rests += 1;
      const what = wrongFleet(world, atRest);
      if (what !== undefined) return { states: seen.size, rests, violation: { what, path: pathTo(key) } };
      for (const event of may) {
        const after = JSON.stringify(event.world);
        if (seen.has(after)) continue;
        seen.set(after, { from: key, event: event.name });
        next.push([after, event.world]);
      }
      if (seen.size > limit) return { states: seen.size, rests, violation: { what: 'it does not come to an end', path: pathTo(key) } };
    }
    frontier = next;
  }
  return { states: seen.size, rests };
}

test.each<[string, FleetWorld['trouble']]>([
  ['a server wiped', ['drift']],
  ['two servers wiped', ['drift', 'drift']],
  ['a server wiped and a rollout', ['drift', 'rollout']],
  ['a server wiped, and a repair that fails', ['drift', 'failure']],
  ['a server wiped, and a repair that is terminated before it claims', ['drift', 'loss']],
  ['a server unplugged during a rollout', ['silence', 'rollout']],
  ['a server wiped, one unplugged, a rollout', ['drift', 'silence', 'rollout']],
  ['a server wiped, two rollouts', ['drift', 'rollout', 'rollout']],
])('%s: everybody comes to what is stable', (_what, trouble) => {
  const { violation, states, rests } = explore(trouble);
  expect(violation).toBeUndefined();
  expect(rests).toBeGreaterThan(0);
  expect(states).toBeGreaterThan(5);
});

describe('a broken fleet is found out', () => {
  const without = (name: string) => (world: FleetWorld): readonly FleetEvent[] => fleetEvents(world).filter((event) => !event.name.includes(name));
  test('one that never hears a server', () => expect(explore(['drift'], without('announces')).violation?.what).toMatch(/does not serve 1/));
  test('one that never starts what it wants', () => expect(explore(['drift'], without('the fleet: start')).violation?.what).toMatch(/does not serve 1/));
  test('one that never gives up what was lost', () => expect(explore(['drift', 'loss'], without('giveUp')).violation?.what).toMatch(/does not serve 1/));
});
