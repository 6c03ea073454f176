import { Command } from 'commander';
import { name } from '../arguments';
import { outputOption, type OutputFlags } from '../output-flag';
import { type ReasonFlags, whoAndWhy, withReasonFlags } from '../rollout/reason-flags';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Verb } from '../verb';
import { askFleet, followOwn } from './ask';

interface RetireFlags extends ReasonFlags, TemporalFlags, OutputFlags {
  readonly detach?: boolean;
}

export function fleetRetireCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(withReasonFlags(new Command('retire')))
    .description('serve nothing of a model any more, on every server; what was stable is forgotten')
    .argument('<fleet>', "the fleet's name", name)
    .argument('<model>', 'the model')
    .option('--detach', 'do not follow the rollout that does it')
    .addOption(outputOption())
    .action(async (fleet: string, model: string, flags: RetireFlags) => endWith(await withClient(flags, async (connected) =>
      followOwn(connected, await askFleet(connected, fleet, 'retire', { model, ...whoAndWhy(flags) }), flags, terminal))))
    .addHelpText('after', `
The rollout that does it is followed, and the exit code is its.

Examples:
  $ segue fleet retire demo half --reason "replaced by half2"

The same with the temporal command line:
  $ temporal workflow signal --workflow-id fleet/demo --name retire --input '{"model": "half", "reason": "replaced by half2"}'`);
}
