import { Command } from 'commander';
import { name } from '../arguments';
import { EXIT } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Verb } from '../verb';
import { endedAs, fleetState } from './ask';
import { lines } from './show';

type GetFlags = TemporalFlags & OutputFlags;

export function fleetGetCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('get'))
    .description('which servers it has and what they serve, what is stable, who holds which model, what drifted')
    .argument('<fleet>', "the fleet's name", name)
    .addOption(outputOption())
    .action(async (fleet: string, flags: GetFlags) => {
      const [state, over] = await withClient(flags, async (connected) => [await fleetState(connected, fleet), await endedAs(connected, fleet)] as const);
      if (over !== undefined) terminal.err(`fleet ${fleet} is over (${over}): this is what it knew then. The next agent that announces itself starts it anew.`);
      terminal.out(flags.output === 'json' ? JSON.stringify(state) : lines(state, Date.now()).join('\n'));
      endWith(EXIT.ok);
    })
    .addHelpText('after', `
Examples:
  $ segue fleet get demo
  $ segue fleet get demo -o json | jq .models

The same with the temporal command line:
  $ temporal workflow query --workflow-id fleet/demo --type status`);
}
