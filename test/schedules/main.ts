// npm run schedules [-- --count N]; SEED=… plays one, with its trace. The real workflow code, in an order that the seed decides.

import { parseArgs } from 'node:util';
import { resolve } from 'node:path';
import { bundleOnce } from '../setup/bundle-once';
import { play } from './play';
import { Sandbox } from './vm';

export const ACTIVITIES = ['parseRequest', 'parseUpdate', 'claimModel', 'settleClaim', 'startOwnRollout', 'checkRuns', 'checkPollers', 'resolveSource', 'beginAttempt', 'downloadVersion', 'verifyVersion', 'stageVersion', 'reloadConfig', 'awaitAvailable', 'drainVersion', 'unloadVersion', 'abortAttempt'];

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { count: { type: 'string', default: '20000' }, from: { type: 'string', default: '1' } } });
  const seed = process.env['SEED'];
  const [from, count] = seed === undefined ? [Number(values.from), Number(values.count)] : [Number(seed), 1];
  const sandbox = await Sandbox.load(await bundleOnce(resolve(__dirname, '../../src')), ACTIVITIES);
  const began = performance.now();
  const outcomes = new Map<string, number>();
  let [violations, steps] = [0, 0];
  for (let at = from; at < from + count; at += 1) {
    const played = await play(sandbox, { seed: at });
    steps += played.steps;
    for (const outcome of played.outcomes) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (seed !== undefined) for (const line of played.trace) console.log(line);
    if (played.violation === undefined) continue;
    violations += 1;
    console.log(`SEED=${at}: ${played.violation}`);
    if (violations >= 10) break;
  }
  await sandbox.destroy();
  const seconds = (performance.now() - began) / 1000;
  console.log(JSON.stringify(Object.fromEntries([...outcomes].sort(([, a], [, b]) => b - a))));
  console.log(`${count} schedules, ${steps} steps, ${violations} violations, ${seconds.toFixed(1)} s (${(count / seconds).toFixed(0)} a second)`);
  process.exitCode = violations === 0 ? 0 : 1;
}

if (require.main === module) main().catch((error: unknown) => { console.error(error); process.exitCode = 1; });
