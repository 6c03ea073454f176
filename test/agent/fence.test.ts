// Who may act, row by row, and that two effects of one model never run at once.

import { Fence, type Caller } from '../../src/agent/fence';
import { Journal } from '../../src/agent/journal';
import { pause, whileLive, type Live } from '../../src/agent/live';
import type { Attempt } from '../../src/domain/host';
import type { FleetName, ModelName, ServerName, Token } from '../../src/domain/names';
import { removeScratch, scratch } from './scratch';

const model = 'half' as ModelName;
const attempt = (...token: [number, number]): Attempt => ({ fleet: 'f' as FleetName, server: 's' as ServerName, model, token, retain: [] });
const caller = (signal = new AbortController().signal): Caller => ({ signal, report: () => undefined });
const forever = (live: Live): Promise<never> => whileLive(new Promise<never>(() => undefined), live.signal);

async function fenceAt(token: Token, open: boolean): Promise<{ fence: Fence; journal: Journal; root: string }> {
  const root = await scratch();
  const journal = await Journal.open(root);
  await journal.update(model, (entry) => ({ ...entry, token, open }));
  return { fence: new Fence(journal), journal, root };
}
afterEach(removeScratch);

describe('against the journalled token [5, 2]', () => {
  type Verb = 'run' | 'open' | 'close';
  const rows: [reason: string, verb: Verb, token: [number, number], open: boolean, outcome: 'StaleAttempt' | { token: Token; open: boolean }][] = [
    ['an effect of the open token runs', 'run', [5, 2], true, { token: [5, 2], open: true }],
    ['an effect of a closed token does not: late work of the same token was seen to begin after its own abort', 'run', [5, 2], false, 'StaleAttempt'],
    ['an effect of a lower attempt does not', 'run', [5, 1], true, 'StaleAttempt'],
    ['an effect of a lower epoch does not, whatever its attempt', 'run', [4, 9], true, 'StaleAttempt'],
    ['an effect of a greater token does not, before it began here', 'run', [6, 0], true, 'StaleAttempt'],
    ['begin raises to a greater attempt', 'open', [5, 3], true, { token: [5, 3], open: true }],
    ['begin of a greater token opens what was closed', 'open', [6, 0], false, { token: [6, 0], open: true }],
    ['begin of the equal open token changes nothing', 'open', [5, 2], true, { token: [5, 2], open: true }],
    ['begin of the equal closed token is refused: only a greater one opens again', 'open', [5, 2], false, 'StaleAttempt'],
    ['begin of a lower token is refused', 'open', [5, 1], true, 'StaleAttempt'],
    ['abort closes the equal token', 'close', [5, 2], true, { token: [5, 2], open: false }],
    ['abort twice is once', 'close', [5, 2], false, { token: [5, 2], open: false }],
    ['an abort that overtakes its begin closes the token it names', 'close', [6, 1], true, { token: [6, 1], open: false }],
    ['an abort of a lower token leaves the newer one alone', 'close', [5, 1], true, { token: [5, 2], open: true }],
  ];
  test.each(rows)('%s', async (_reason, verb, token, open, outcome) => {
    const { fence, journal, root } = await fenceAt([5, 2], open);
    let ran = false;
    const act = async (): Promise<void> => (verb === 'run' ? fence.run(attempt(...token), caller(), async () => { ran = true; }) : fence[verb](attempt(...token)));
    if (outcome === 'StaleAttempt') {
      await expect(act()).rejects.toMatchObject({ code: 'StaleAttempt' });
      expect(ran).toBe(false);
      expect(journal.entry(model)).toMatchObject({ token: [5, 2], open });
    } else {
      await act();
      expect(ran).toBe(verb === 'run');
      expect((await Journal.open(root)).entry(model)).toMatchObject(outcome); // On the disk, not only in memory.
    }
  });
});

test('a greater token of the same model forgets what a restart lost: it is a new decision', async () => {
  const { fence, journal } = await fenceAt([5, 2], true);
  await journal.update(model, (entry) => ({ ...entry, lost: { version: '2' as never, message: 'restarted' } }));
  await fence.open(attempt(5, 2));
  expect(journal.entry(model).lost).toBeDefined();
  await fence.open(attempt(5, 3));
  expect(journal.entry(model).lost).toBeUndefined();
});

test('a newer call stops the older and begins only when it has ended', async () => {
  const { fence } = await fenceAt([1, 1], true);
  const order: string[] = [];
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => { begin = resolve; });
  const older = fence.run(attempt(1, 1), caller(), async (live) => {
    try {
      begin();
      await forever(live);
    } finally {
      await pause(20, new AbortController().signal); // Cleaning up takes a while.
      order.push('older ended');
    }
  });
  await begun;
  const newer = fence.run(attempt(1, 1), caller(), async () => { order.push('newer began'); });
  await expect(older).rejects.toMatchObject({ code: 'StaleAttempt' });
  await newer;
  expect(order).toEqual(['older ended', 'newer began']);
});

test('of three calls only the last runs, and the one between never begins', async () => {
  const { fence } = await fenceAt([1, 1], true);
  const ran: number[] = [];
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => { begin = resolve; });
  const call = (number: number): Promise<number> => fence.run(attempt(1, 1), caller(), async (live) => { ran.push(number); begin(); return number < 3 ? forever(live) : number; });
  const first = call(1);
  await begun;
  const calls = [first, call(2), call(3)];
  expect((await Promise.allSettled(calls)).map((one) => one.status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  expect(ran).toEqual([1, 3]);
});

test('models do not wait for each other', async () => {
  const { fence, journal } = await fenceAt([1, 1], true);
  const other = { ...attempt(1, 1), model: 'other' as ModelName };
  await journal.update(other.model, (entry) => ({ ...entry, token: [1, 1], open: true }));
  const stop = new AbortController();
  const first = fence.run(attempt(1, 1), caller(stop.signal), forever);
  await expect(fence.run(other, caller(), async () => 'done')).resolves.toBe('done');
  stop.abort(new Error('the caller left'));
  await expect(first).rejects.toThrow('the caller left');
});

test('an effect that runs on after its token was closed is refused at its next irreversible act', async () => {
  const { fence } = await fenceAt([1, 1], true);
  let closed: Promise<void> | undefined;
  await fence.run(attempt(1, 1), caller(), (live) => {
    live.assert();
    closed = fence.close(attempt(1, 1));
    expect(() => live.assert()).toThrow('the journal holds 1.1 closed');
    return Promise.resolve();
  });
  await closed;
});

test.each([
  ['an abort', (fence: Fence) => fence.close(attempt(1, 1)), { found: '1.1 closed', holds: [1, 1] }],
  ['the next attempt of its rollout', (fence: Fence) => fence.open(attempt(1, 2)), { found: '1.2 open', holds: [1, 2] }],
  ['a newer rollout', (fence: Fence) => fence.open(attempt(2, 1)), { found: '2.1 open', holds: [2, 1] }],
] as const)('what %s stops is told by whom', async (_by, ends, detail) => {
  const { fence } = await fenceAt([1, 1], true);
  let reason: unknown;
  let written: Promise<void> | undefined;
  await fence.run(attempt(1, 1), caller(), (live) => {
    written = ends(fence);
    reason = live.signal.reason;
    return Promise.resolve();
  });
  await written;
  expect(reason).toMatchObject({ code: 'StaleAttempt', detail });
});

test.each([['an abort', (fence: Fence) => fence.close(attempt(1, 1))], ['a greater token', (fence: Fence) => fence.open(attempt(1, 2))]])('%s stops what runs at once, while the disk is still told; asked again, it stops nobody', async (_by, ends) => {
  const { fence } = await fenceAt([1, 1], true);
  let written: Promise<void> | undefined;
  await fence.run(attempt(1, 1), caller(), (live) => {
    written = ends(fence);
    expect(live.signal.aborted).toBe(true);
    return Promise.resolve();
  });
  await written;
  await fence.exclusively(attempt(1, 2), caller(), () => undefined, async (live) => {
    await ends(fence);
    expect(live.signal.aborted).toBe(false);
  });
});

test('the fence falls at once, before the disk has it', async () => {
  const { fence } = await fenceAt([1, 1], true);
  const raised = fence.open(attempt(1, 2));
  await expect(fence.run(attempt(1, 1), caller(), async () => undefined)).rejects.toMatchObject({ code: 'StaleAttempt' });
  await raised;
});

test('once it is being closed nothing begins, also what was waiting for an older effect to end', async () => {
  const { fence } = await fenceAt([1, 1], true);
  let end: () => void = () => undefined;
  const running = fence.run(attempt(1, 1), caller(), () => new Promise<void>((resolve) => { end = resolve; }));
  await new Promise(setImmediate);
  const waiting = fence.run(attempt(1, 1), caller(), () => Promise.resolve('it ran'));
  const closing = fence.stopAll(new Error('the agent is stopping'));
  end();
  await Promise.all([running, closing]);
  await expect(waiting).rejects.toThrow('the agent is stopping');
  await expect(fence.run(attempt(1, 1), caller(), () => Promise.resolve('it ran'))).rejects.toThrow('the agent is stopping');
});
