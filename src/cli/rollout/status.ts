import { Command } from 'commander';
import type { ConnectedClient } from '../../worker/connection';
import { failureText } from '../../domain/status';
import { EXIT } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import type { Verb } from '../verb';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import { askStatus } from './ask';
import { endOf, serverLines } from './end';
import { table } from './show';

type StatusFlags = TemporalFlags & OutputFlags;

export function rolloutStatusCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('status'))
    .description('what a rollout does now, and what each server waits for; ends with 0 whatever the answer')
    .argument('<id>', "the rollout's workflow ID")
    .addOption(outputOption())
    .action(async (id: string, flags: StatusFlags) => endWith(await withClient(flags, (connected) => status(connected, id, flags, terminal))))
    .addHelpText('after', `
Examples:
  $ segue rollout status rollout/demo/half/2/ci-1
  $ segue rollout status rollout/demo/half/2/ci-1 -o json | jq .servers

The same with the temporal command line:
  $ temporal workflow query --workflow-id rollout/demo/half/2/ci-1 --type status`);
}

async function status(connected: ConnectedClient, id: string, flags: StatusFlags, terminal: Terminal): Promise<number> {
  const answer = await askStatus(connected, id);
  if ('unanswered' in answer) {
    const { status: execution } = await connected.client.workflow.getHandle(id).describe();
    if (flags.output === 'json') terminal.out(JSON.stringify({ execution: execution.name, unanswered: answer.unanswered }));
    else terminal.out(`${execution.name}: ${answer.unanswered}`);
    return EXIT.stillRunning;
  }
  const ended = answer.verdict === undefined ? await endedFromOutside(connected, id) : undefined;
  if (flags.output === 'json') {
    terminal.out(JSON.stringify({ ...answer, ...(ended === undefined ? {} : { execution: ended }) }));
    return EXIT.ok;
  }
  for (const line of table(answer, Date.now(), Infinity)) terminal.out(line);
  if (answer.failure !== undefined) terminal.out(failureText(answer.failure));
  if (answer.refusal !== undefined) terminal.out(`last verb refused: ${answer.refusal}`);
  if (ended !== undefined) terminal.out(`${ended} from outside: the above is the last it knew; how to go on: segue rollout watch ${id}`);
  else if (answer.verdict === undefined) terminal.out(`${answer.pause === undefined ? '' : ` resume: segue rollout resume ${id}\n`} follow: segue rollout watch ${id}\n abort:  segue rollout abort ${id} --reason TEXT`);
  else for (const line of [endOf(answer.verdict).line, ...serverLines(answer.verdict)]) terminal.out(line);
  return EXIT.ok;
}

/** A workflow that was ended without its knowledge answers as if it still ran. */
async function endedFromOutside({ client }: ConnectedClient, id: string): Promise<string | undefined> {
  const { status: { name } } = await client.workflow.getHandle(id).describe();
  return name === 'TERMINATED' || name === 'TIMED_OUT' ? name : undefined;
}
