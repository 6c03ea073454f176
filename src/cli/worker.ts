import { Command } from 'commander';
import { processes } from './heavy';
import { type ProcessFlags, withProcessFlags } from './process-flags';
import type { Verb } from './verb';

export function workerCommand({ terminal }: Verb): Command {
  return withProcessFlags(new Command('worker'))
    .description('control worker: runs the workflows; holds nothing, so run any number of them')
    .action((flags: ProcessFlags) => processes().runControl(flags, terminal))
    .addHelpText('after', `
Examples:
  $ segue worker
  $ TEMPORAL_ADDRESS=temporal.internal:7233 TEMPORAL_NAMESPACE=models segue worker --log-format json --metrics 0.0.0.0:9464`);
}
