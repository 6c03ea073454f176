// The planners are exhausted in small worlds: every state they can reach is held against the invariants of DESIGN §11.

import type { ServerName, Version } from '../../src/domain/names';
import { events, type Event } from './events';
import { explore } from './explore';
import { SHAPES } from './shapes';
import type { World } from './world';

test.each(Object.entries(SHAPES))('%s: no violation in any reachable state, and every way comes to rest', (_name, shape) => {
  const { violation, cut, endings } = explore(shape);
  expect(violation).toBeUndefined();
  expect(cut).toBe(false);
  expect(Object.keys(endings).length).toBeGreaterThan(0);
});

describe('a broken world is found out', () => {
  const shape = { servers: 1, mode: 'availability', waves: [], bake: false, faults: 0, wishes: [], broken: [] } as const;
  const found = (change: (event: Event) => readonly Event[], more: object = {}): string | undefined => explore({ ...shape, ...more }, Infinity, (world) => events(world).flatMap(change)).violation?.what;
  const hosts = (world: World, change: (host: World['hosts'][ServerName]) => Partial<World['hosts'][ServerName]>): World => ({ ...world, hosts: Object.fromEntries(Object.entries<World['hosts'][ServerName]>(world.hosts).map(([name, host]) => [name, { ...host, ...change(host) }])) });
  const v = (n: number): Version => String(n) as Version;

  test('a verdict that never reaches the fleet', () => expect(found((event) => (event.name === 'r1: served' ? [] : [event]))).toMatch(/^Convergence: r1 still holds/));
  test('an activity that never answers', () => expect(found((event) => (event.name.includes('stageVersion') ? [] : [event]))).toMatch(/^Intent: r1 neither ended/));
  test('a host that takes the old version off the list with the new one', () => expect(found((event) => [event.name.includes('reloadConfig') ? { ...event, world: hosts(event.world, () => ({ states: { [v(1)]: 'END', [v(2)]: 'LOADING' } })) } : event])).toMatch(/^a: Availability/));
  test('a host that lists what it has not staged', () => expect(found((event) => [event.name.includes('reloadConfig') ? { ...event, world: hosts(event.world, () => ({ staged: [v(1)] })) } : event])).toMatch(/^a: Order/));
  test('a host that lists both in resource mode', () => expect(found((event) => [event.name.includes('reloadConfig') ? { ...event, world: hosts(event.world, () => ({ states: { [v(1)]: 'AVAILABLE', [v(2)]: 'LOADING' } })) } : event], { mode: 'resource' })).toMatch(/^a: Resource/));
  test('a host that forgets to take an aborted candidate off its list', () => expect(found((event) => [event.name.includes('abortAttempt answers') ? { ...event, world: hosts(event.world, (host) => ({ aspired: [...new Set([...host.aspired, v(2)])], staged: [v(1), v(2)], states: { ...host.states, [v(2)]: 'AVAILABLE' } })) } : event], { bake: true, wishes: ['abort'] })).toMatch(/said to be gone|never comes to rest|Intent/));
  test('a server that answers and unlists for ever', () => {
    const restless = (event: Event): readonly Event[] => [event.name.includes('unloadVersion lists') ? { ...event, world: hosts(event.world, (host) => ({ aspired: [v(1), ...host.aspired.filter((one) => one !== v(1))], drained: [] })) } : event];
    expect(found(restless)).toMatch(/never comes to rest|Intent|Order/);
  });
});
