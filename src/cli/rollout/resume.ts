import { Command } from 'commander';
import { EXIT, Exit } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import type { Verb } from '../verb';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import { askVerb } from './ask';
import { whoAndWhy } from './reason-flags';

type ResumeFlags = TemporalFlags & OutputFlags;

export function rolloutResumeCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('resume'))
    .description('go on after a pause')
    .argument('<id>', "the rollout's workflow ID")
    .addOption(outputOption())
    .action(async (id: string, flags: ResumeFlags) => endWith(await resume(id, flags, terminal)))
    .addHelpText('after', `
Examples:
  $ segue rollout resume rollout/demo/half/2/ci-1

The same with the temporal command line:
  $ temporal workflow signal --workflow-id rollout/demo/half/2/ci-1 --name resume --input '{}'`);
}

async function resume(id: string, flags: ResumeFlags, terminal: Terminal): Promise<number> {
  const answer = await withClient(flags, (connected) => askVerb(connected, id, 'resume', whoAndWhy({})));
  if (answer === 'ended') throw new Exit(EXIT.rejected, `refused: ${id} has ended; there is nothing to resume`);
  terminal.out(flags.output === 'json' ? JSON.stringify(answer) : `accepted: ${answer.message}\n follow: segue rollout watch ${id}`);
  return EXIT.ok;
}
