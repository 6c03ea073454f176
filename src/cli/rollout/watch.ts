import { Command } from 'commander';
import { durationMs } from '../arguments';
import { outputOption, type OutputFlags } from '../output-flag';
import type { Verb } from '../verb';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import { follow } from './follow';

interface WatchFlags extends TemporalFlags, OutputFlags {
  readonly timeout?: number;
}

export function rolloutWatchCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('watch'))
    .description('follow a rollout, printing only what changes, and end as it ends')
    .argument('<id>', "the rollout's workflow ID")
    .option('--timeout <duration>', 'give up following after, such as 10m; the rollout goes on and the exit code is 6', durationMs)
    .addOption(outputOption())
    .action(async (id: string, flags: WatchFlags) => endWith(await withClient(flags, (connected) =>
      follow(connected, { workflowId: id, json: flags.output === 'json', ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }) }, terminal))))
    .addHelpText('after', `
Examples:
  $ segue rollout watch rollout/demo/half/2/ci-1
  $ segue rollout watch rollout/demo/half/2/ci-1 --timeout 10m && echo served

The same end with the temporal command line:
  $ temporal workflow result --workflow-id rollout/demo/half/2/ci-1`);
}
