import { Command } from 'commander';
import { fleetWorkflowId, type FleetName } from '../../domain/names';
import type { ConnectedClient } from '../../worker/connection';
import { EXIT, Exit } from '../exit';
import { askFleet, followOwn } from '../fleet/ask';
import type { Verb } from '../verb';
import { withClient } from '../temporal-flags';
import type { Terminal } from '../terminal';
import { askVerb } from './ask';
import { type ReasonFlags, whoAndWhy, withReasonFlags } from './pause';

type RollbackFlags = ReasonFlags & { readonly detach?: boolean };

export function rolloutRollbackCommand({ terminal, endWith }: Verb): Command {
  return withReasonFlags(new Command('rollback'))
    .description('go back from what a rollout brought, running or finished; its content is remembered as known bad')
    .argument('<id>', "the rollout's workflow ID")
    .option('--detach', 'do not follow the rollout that goes back')
    .action(async (id: string, flags: RollbackFlags) => endWith(await rollback(id, flags, terminal)))
    .addHelpText('after', `
A running rollout goes back by itself: one reload a server, no bytes. After a finished one its fleet starts a rollout of the version before, from the disks.

Examples:
  $ segue rollout rollback rollout/demo/half/2/ci-1 --reason "wrong answers"

The same with the temporal command line:
  $ temporal workflow signal --workflow-id rollout/demo/half/2/ci-1 --name rollback --input '{"reason": "wrong answers"}'
  $ temporal workflow signal --workflow-id fleet/demo --name rollback --input '{"model": "half", "reason": "wrong answers"}'`);
}

async function rollback(id: string, flags: RollbackFlags, terminal: Terminal): Promise<number> {
  return withClient(flags, async (connected) => {
    const answer = await askVerb(connected, id, 'rollback', whoAndWhy(flags));
    if (answer !== 'ended') {
      terminal.out(flags.output === 'json' ? JSON.stringify(answer) : `accepted: ${answer.message}\n follow: segue rollout watch ${id}`);
      return EXIT.ok;
    }
    const { fleet, model, version } = await whatItWas(connected, id);
    const own = await askFleet(connected, fleet, 'rollback', { model, version, ...whoAndWhy(flags) });
    return followOwn(connected, own, flags, terminal);
  });
}

/** From the search attributes, which outlive the run. */
async function whatItWas({ client }: ConnectedClient, id: string): Promise<{ readonly fleet: FleetName; readonly model: string; readonly version: string }> {
  const { searchAttributes } = await client.workflow.getHandle(id).describe();
  const [fleet, model, version] = ['SegueFleet', 'SegueModel', 'SegueVersion'].map((name) => searchAttributes[name]?.[0]);
  if (typeof fleet !== 'string' || typeof model !== 'string' || typeof version !== 'string') throw new Exit(EXIT.usage, `${id} is no rollout of Segue: it has no search attributes SegueFleet, SegueModel and SegueVersion; ask its fleet: temporal workflow signal --workflow-id ${fleetWorkflowId('FLEET' as FleetName)} --name rollback --input '{"model": "MODEL"}'`);
  return { fleet: fleet as FleetName, model, version };
}
