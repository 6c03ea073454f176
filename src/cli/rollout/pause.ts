import { Command } from 'commander';
import { userInfo } from 'node:os';
import { EXIT, Exit } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import type { Verb } from '../verb';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import { askVerb } from './ask';

export interface ReasonFlags extends TemporalFlags, OutputFlags {
  readonly reason?: string;
  readonly by?: string;
}

export function withReasonFlags(command: Command): Command {
  return withTemporalFlags(command)
    .option('--reason <text>', 'why; kept in the history')
    .option('--by <who>', 'who (default: your user name; unauthenticated)')
    .addOption(outputOption());
}

export function rolloutPauseCommand({ terminal, endWith }: Verb): Command {
  return withReasonFlags(new Command('pause'))
    .description('begin nothing new and open no gate until resume; servers on their way go on to their gate')
    .argument('<id>', "the rollout's workflow ID")
    .action(async (id: string, flags: ReasonFlags) => endWith(await steer(id, 'pause', flags, terminal)))
    .addHelpText('after', `
Examples:
  $ segue rollout pause rollout/demo/half/2/ci-1 --reason "looking at the graphs"`);
}

export function rolloutResumeCommand({ terminal, endWith }: Verb): Command {
  return withReasonFlags(new Command('resume'))
    .description('go on after a pause')
    .argument('<id>', "the rollout's workflow ID")
    .action(async (id: string, flags: ReasonFlags) => endWith(await steer(id, 'resume', flags, terminal)))
    .addHelpText('after', `
Examples:
  $ segue rollout resume rollout/demo/half/2/ci-1`);
}

async function steer(id: string, verb: 'pause' | 'resume', flags: ReasonFlags, terminal: Terminal): Promise<number> {
  const answer = await withClient(flags, (connected) => askVerb(connected, id, verb, whoAndWhy(flags)));
  if (answer === 'ended') throw new Exit(EXIT.rejected, `refused: ${id} has ended`);
  terminal.out(flags.output === 'json' ? JSON.stringify(answer) : `accepted: ${answer.message}\n follow: segue rollout watch ${id}`);
  return EXIT.ok;
}

export function whoAndWhy({ reason, by }: Pick<ReasonFlags, 'reason' | 'by'>): { readonly by: string; readonly reason?: string } {
  return { by: by ?? userName(), ...(reason === undefined ? {} : { reason }) };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown'; // a uid without a name, as in many containers
  }
}
