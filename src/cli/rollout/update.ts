import { Command } from 'commander';
import { EXIT, Exit } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import type { Verb } from '../verb';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import { askVerb } from './ask';
import { type SourceFlags, updateJson, withSourceFlags } from './request-flags';

type UpdateFlags = SourceFlags & TemporalFlags & OutputFlags;

export function rolloutUpdateCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(withSourceFlags(new Command('update')))
    .description('give a running rollout a new source or new options; loads from the old source are stopped first')
    .argument('<id>', "the rollout's workflow ID")
    .addOption(outputOption())
    .action(async (id: string, flags: UpdateFlags) => endWith(await update(id, flags, terminal)))
    .addHelpText('after', `
Examples:
  $ segue rollout update rollout/demo/half/3/ci-1 --endpoint http://127.0.0.1:9000
  $ segue rollout update rollout/demo/half/3/ci-1 --input '{"strategy": {"maxUnavailable": 2}}'

The same with the temporal command line:
  $ temporal workflow signal --workflow-id rollout/demo/half/3/ci-1 --name update --input '{"source": {"endpoint": "http://127.0.0.1:9000"}}'`);
}

async function update(id: string, flags: UpdateFlags, terminal: Terminal): Promise<number> {
  const change = await updateJson(flags, terminal);
  if (Object.keys(change).length === 0) throw new Exit(EXIT.usage, 'error: nothing to change: give --source, --endpoint, --region, --credentials or --input');
  const answer = await withClient(flags, (connected) => askVerb(connected, id, 'update', change));
  if (answer === 'ended') throw new Exit(EXIT.rejected, `refused: ${id} has ended; start a new rollout`);
  terminal.out(flags.output === 'json' ? JSON.stringify(answer) : `accepted: ${answer.message}\n follow: segue rollout watch ${id}`);
  return EXIT.ok;
}
