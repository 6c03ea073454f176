// `segue demo`: the verb; what it runs is in run-demo.ts, loaded only then, so that `--help` stays quick.

import { Command } from 'commander';
import type { Verb } from '../verb';
import type * as RunDemo from './run-demo';

/** Apart from the codes of a rollout's ends (exit.ts): something that was promised did not hold. */
const SOMETHING_DID_NOT_HOLD = 1;

export function demoCommand({ terminal, endWith }: Verb): Command {
  return new Command('demo')
    .description('the main job, proven: versions rolled out under load, a stale load stopped, a broken model refused, a server killed')
    .option('--json', 'one JSON object as the last line of stdout; what a person reads goes to stderr')
    .option('--keep', 'keep the directory with models, journals and logs, and print where it is')
    .action(async (flags: RunDemo.DemoFlags) => {
      const { runDemo } = require('./run-demo') as typeof RunDemo;
      const holds = await runDemo(flags, terminal);
      endWith(holds ? 0 : SOMETHING_DID_NOT_HOLD);
    })
    .addHelpText('after', `
Starts a Temporal dev server, two S3 endpoints, a control worker and three model servers (simulated) with their agents, on free loopback ports,
and ends all of them. Exit code 0 only if every verdict holds.

Examples:
  $ segue demo
  $ segue demo --json | tail -n 1`);
}
