import { allEnded } from '../../src/agent/live';

test('what goes on beside a failure is awaited, and the failure is told then', async () => {
  const order: string[] = [];
  let end: () => void = () => undefined;
  const slow = new Promise<void>((resolve) => { end = resolve; }).then(() => { order.push('ended'); });
  const all = allEnded([Promise.reject(new Error('the disk is full')), slow]).catch((error: unknown) => { order.push((error as Error).message); });
  await new Promise(setImmediate);
  end();
  await all;
  expect(order).toEqual(['ended', 'the disk is full']);
});
