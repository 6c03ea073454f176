// Which lanes are ended, and why: by the clock of the test alone.

import type { Lane } from '../../src/source/lane';
import { LaneWatch } from '../../src/source/lane-watch';
import type { WatchdogLimits } from '../../src/source/watchdog';
import { Weather } from '../../src/source/weather';

interface Fake {
  readonly ended: string[];
  replaced: number;
  /** Bytes it reads each second. */
  perSecond: number;
  readonly lane: { lastByteMs: number; bodyBytes: number; exchanges: number; waiting: boolean };
}

let watch: LaneWatch;
beforeEach(() => { jest.useFakeTimers({ now: 0 }); });
afterEach(() => {
  watch.stop();
  jest.useRealTimers();
});

function watched(rates: readonly number[], limits: WatchdogLimits = {}): readonly Fake[] {
  const fakes = rates.map((perSecond): Fake => ({ ended: [], replaced: 0, perSecond, lane: { lastByteMs: 0, bodyBytes: 0, exchanges: 1, waiting: true } }));
  watch = new LaneWatch(fakes.map((fake) => ({
    lane: Object.assign(fake.lane, { destroy: (why: Error) => { fake.ended.push(why.message); } }) as unknown as Lane,
    progress: () => `byte ${fake.lane.bodyBytes} of 9`, replace: () => { fake.replaced++; },
  })), limits);
  return fakes;
}

function pass(fakes: readonly Fake[], seconds: number): void {
  for (let s = 0; s < seconds * 10; s++) {
    for (const { lane, perSecond } of fakes) {
      if (perSecond === 0) continue;
      lane.bodyBytes += perSecond / 10;
      lane.lastByteMs = performance.now();
    }
    jest.advanceTimersByTime(100);
  }
}

test('a silent lane is ended after the idle time, a busy one never', () => {
  const [silent, busy] = watched([0, 1_000_000], { idleTimeoutMs: 20_000 }) as [Fake, Fake];
  pass([silent, busy], 19);
  expect([silent.ended, busy.ended]).toEqual([[], []]);
  pass([silent, busy], 3);
  expect([silent.ended[0], busy.ended]).toEqual(['stalled at byte 0 of 9: nothing for 20000 ms', []]);
});

test('a trickle below the floor is ended although bytes come', () => {
  const [trickle] = watched([500]) as [Fake];
  pass([trickle], 40);
  expect(trickle.ended[0]).toMatch(/stalled at byte \d+(\.\d+)? of 9: \d+ bytes\/s, less than 1024/);
});

test('while a lane waits for our own disk, and between requests, the source owes nothing', () => {
  const [paused, next] = watched([0, 0], { idleTimeoutMs: 5_000 }) as [Fake, Fake];
  paused.lane.waiting = false;
  for (let i = 0; i < 20; i++) {
    next.lane.exchanges++;
    pass([paused, next], 2);
  }
  expect([paused.ended, next.ended]).toEqual([[], []]);
});

test('while this process itself was held up nothing counts as silence', () => {
  const [fake] = watched([0], { idleTimeoutMs: 20_000 }) as [Fake];
  pass([fake], 5);
  const now = performance.now.bind(performance);
  const later = jest.spyOn(performance, 'now').mockImplementation(() => now() + 60_000);
  pass([fake], 5);
  later.mockRestore();
  expect(fake.ended).toEqual([]);
});

test('one lane far behind the others gets another connection; a merely slow one does not', () => {
  const fakes = watched([10_000_000, 10_000_000, 9_000_000, 2_000_000, 500_000]);
  pass(fakes, 12);
  expect(fakes.map(({ replaced }) => replaced > 0)).toEqual([false, false, false, false, true]);
  expect(fakes.flatMap(({ ended }) => ended)).toEqual([]);
});

test('of three lanes none is called slow', () => {
  const fakes = watched([10_000_000, 10_000_000, 100_000]);
  pass(fakes, 25);
  expect(fakes.map(({ replaced }) => replaced)).toEqual([0, 0, 0]);
});

test('"slow down" is for all who ask, and has an end', () => {
  const weather = new Weather();
  expect(weather.leftMs()).toBe(0);
  weather.storm(1_000);
  weather.storm(10);
  expect(weather.leftMs()).toBeGreaterThan(900);
  weather.storm(1e9);
  expect(weather.leftMs()).toBeLessThanOrEqual(5_000);
});
