// A bounded run of `npm run terminated`.

import { temporalCli, workflowBundle } from '../setup/shared';
import { runTerminated } from './terminated';

const ROLLOUTS = 30;

test('rollouts of one model terminated, reset and cancelled from outside, their fleet lost, their workers killed: none hangs, a fresh one serves, nothing acts below a higher epoch', async () => {
  const lines: string[] = [];
  const result = await runTerminated({ rollouts: ROLLOUTS, seed: 1, cli: temporalCli(), bundle: workflowBundle(), report: (line) => { lines.push(line); } });
  expect({ stuck: result.stuck, violations: result.violations, unavailable: result.unavailable, lines: result.stuck.length === 0 ? [] : lines }).toEqual({ stuck: [], violations: [], unavailable: 0, lines: [] });
  // It did what it says.
  expect(Object.keys(result.did)).toEqual(expect.arrayContaining(['terminate', 'reset', 'cancel', 'control worker killed', 'fleet lost, agent killed', 'agent killed']));
  expect(result.effects).toBeGreaterThan(ROLLOUTS);
  expect(result.looks).toBeGreaterThan(100);
}, 300_000);
