// A few at once, in order, and those who leave the queue never begin.

import { Slots } from '../../src/agent/slots';

test('no more than the slots, first come first served, and who waits is told how many are ahead', async () => {
  const slots = new Slots(2);
  const ends: (() => void)[] = [];
  const began: number[] = [];
  const waited: [number, number][] = [];
  const all = [0, 1, 2, 3].map((number) => slots.run(new AbortController().signal, (ahead) => waited.push([number, ahead]), () => { began.push(number); return new Promise<void>((resolve) => ends.push(resolve)); }));
  await Promise.resolve();
  expect(began).toEqual([0, 1]);
  expect(waited).toEqual([[2, 1], [3, 2]]);
  ends[0]?.();
  await all[0];
  await Promise.resolve();
  expect(began).toEqual([0, 1, 2]);
  ends[1]?.();
  ends[2]?.();
  await all[2];
  ends[3]?.();
  await Promise.all(all);
  expect(began).toEqual([0, 1, 2, 3]);
});

test('leaving the queue gives the place to the next, and a failure gives the slot back', async () => {
  const slots = new Slots(1);
  let fail: (error: Error) => void = () => undefined;
  const first = slots.run(new AbortController().signal, () => undefined, () => new Promise<void>((_resolve, reject) => { fail = reject; }));
  const leaver = new AbortController();
  let leftRan = false;
  const second = slots.run(leaver.signal, () => undefined, async () => { leftRan = true; });
  const third = slots.run(new AbortController().signal, () => undefined, async () => 'ran');
  leaver.abort(new Error('left'));
  await expect(second).rejects.toThrow('left');
  fail(new Error('broken'));
  await expect(first).rejects.toThrow('broken');
  await expect(third).resolves.toBe('ran');
  expect(leftRan).toBe(false);
});
