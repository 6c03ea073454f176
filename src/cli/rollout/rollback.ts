import { Command } from 'commander';
import type { ConnectedClient } from '../../worker/connection';
import { EXIT, Exit } from '../exit';
import { askFleet, followOwn } from '../fleet/ask';
import { outputOption, type OutputFlags } from '../output-flag';
import type { Verb } from '../verb';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import { type Accepted, askStatus, askVerb } from './ask';
import { type ReasonFlags, whoAndWhy, withReasonFlags } from './reason-flags';

interface RollbackFlags extends ReasonFlags, TemporalFlags, OutputFlags {
  readonly detach?: boolean;
}

export function rolloutRollbackCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(withReasonFlags(new Command('rollback')))
    .description('go back from what a rollout brought, running or finished; its content is remembered as known bad')
    .argument('<id>', "the rollout's workflow ID")
    .option('--detach', 'after a finished one: do not follow the rollout that goes back')
    .addOption(outputOption())
    .action(async (id: string, flags: RollbackFlags) => endWith(await rollback(id, flags, terminal)))
    .addHelpText('after', `
A running rollout goes back by itself. After a finished one its fleet starts a rollout of the version before, from the disks; it is followed, and the exit code is its.

Examples:
  $ segue rollout rollback rollout/demo/half/2/ci-1 --reason "wrong answers"

The same with the temporal command line, for a running and for a finished one:
  $ temporal workflow signal --workflow-id rollout/demo/half/2/ci-1 --name rollback --input '{"reason": "wrong answers"}'
  $ temporal workflow signal --workflow-id fleet/demo --name rollback --input '{"model": "half", "reason": "wrong answers"}'`);
}

async function rollback(id: string, flags: RollbackFlags, terminal: Terminal): Promise<number> {
  return withClient(flags, async (connected) => {
    const answer = await askRollout(connected, id, flags);
    if (answer === 'ended') {
      const { fleet, ...what } = await whatItWas(connected, id);
      return followOwn(connected, await askFleet(connected, fleet, 'rollback', { ...what, ...whoAndWhy(flags) }), flags, terminal);
    }
    terminal.out(flags.output === 'json' ? JSON.stringify(answer) : `accepted: ${answer.message}\n follow: segue rollout watch ${id}`);
    return EXIT.ok;
  });
}

/** One that has its verdict is about to end: it refuses verbs, and its fleet is asked once it has heard the verdict. */
async function askRollout(connected: ConnectedClient, id: string, flags: RollbackFlags): Promise<Accepted | 'ended'> {
  const status = await askStatus(connected, id);
  if ('unanswered' in status || status.verdict === undefined) return askVerb(connected, id, 'rollback', whoAndWhy(flags));
  await connected.client.workflow.getHandle(id).result().catch(() => undefined); // how it ended is told by its fleet's answer
  return 'ended';
}

/** From the search attributes, which outlive the run. */
async function whatItWas({ client }: ConnectedClient, id: string): Promise<{ readonly fleet: string; readonly model: string; readonly version: string }> {
  const { searchAttributes } = await client.workflow.getHandle(id).describe();
  const [fleet, model, version] = ['SegueFleet', 'SegueModel', 'SegueVersion'].map((name) => searchAttributes[name]?.[0]);
  if (typeof fleet !== 'string' || typeof model !== 'string' || typeof version !== 'string') {
    throw new Exit(EXIT.rejected, `refused: ${id} has no search attributes SegueFleet, SegueModel and SegueVersion: it was rejected before it began, so there is nothing to go back from, or it is no rollout\n` +
      ` ask the fleet: temporal workflow signal --workflow-id fleet/FLEET --name rollback --input '{"model": "MODEL"}'`);
  }
  return { fleet, model, version };
}
