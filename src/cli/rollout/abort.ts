import { Command } from 'commander';
import { EXIT } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import type { Verb } from '../verb';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import { askVerb } from './ask';
import { byOption, type ReasonFlags, whoAndWhy } from './reason-flags';

type AbortFlags = ReasonFlags & TemporalFlags & OutputFlags;

export function rolloutAbortCommand({ terminal, endWith }: Verb): Command {
  const command = new Command('abort');
  return withTemporalFlags(command)
    .description('stop a rollout: its loads are stopped and proven stopped, servers go back to what they served')
    .argument('<id>', "the rollout's workflow ID")
    .requiredOption('--reason <text>', 'why; kept in the history and in the verdict')
    .addOption(byOption(command))
    .addOption(outputOption())
    .action(async (id: string, flags: AbortFlags) => endWith(await abort(id, flags, terminal)))
    .addHelpText('after', `
A rollout that has ended is left as it is; that is no error.

Examples:
  $ segue rollout abort rollout/demo/half/2/ci-1 --reason "bucket moved"

The same with the temporal command line:
  $ temporal workflow signal --workflow-id rollout/demo/half/2/ci-1 --name abort --input '{"reason": "bucket moved"}'`);
}

async function abort(id: string, flags: AbortFlags, terminal: Terminal): Promise<number> {
  const answer = await withClient(flags, (connected) => askVerb(connected, id, 'abort', whoAndWhy(flags)));
  if (flags.output === 'json') terminal.out(JSON.stringify(answer === 'ended' ? { accepted: false, message: 'it has ended already' } : answer));
  else if (answer === 'ended') terminal.out(`nothing to abort: ${id} has ended\n how: segue rollout status ${id}`);
  else terminal.out(`accepted: ${answer.message}\n follow: segue rollout watch ${id}`);
  return EXIT.ok;
}
