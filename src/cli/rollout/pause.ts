import { Command } from 'commander';
import { EXIT, Exit } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import type { Verb } from '../verb';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import { askVerb } from './ask';
import { type ReasonFlags, whoAndWhy, withReasonFlags } from './reason-flags';

type PauseFlags = ReasonFlags & TemporalFlags & OutputFlags;

export function rolloutPauseCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(withReasonFlags(new Command('pause')))
    .description('begin nothing new and open no gate until resume; servers on their way go on to their gate')
    .argument('<id>', "the rollout's workflow ID")
    .addOption(outputOption())
    .action(async (id: string, flags: PauseFlags) => endWith(await pause(id, flags, terminal)))
    .addHelpText('after', `
Examples:
  $ segue rollout pause rollout/demo/half/2/ci-1 --reason "looking at the graphs"

The same with the temporal command line:
  $ temporal workflow signal --workflow-id rollout/demo/half/2/ci-1 --name pause --input '{"reason": "looking at the graphs"}'`);
}

async function pause(id: string, flags: PauseFlags, terminal: Terminal): Promise<number> {
  const answer = await withClient(flags, (connected) => askVerb(connected, id, 'pause', whoAndWhy(flags)));
  if (answer === 'ended') throw new Exit(EXIT.rejected, `refused: ${id} has ended; there is nothing to pause`);
  terminal.out(flags.output === 'json' ? JSON.stringify(answer) : `accepted: ${answer.message.replace(/\bID\b/, id)}`);
  return EXIT.ok;
}
