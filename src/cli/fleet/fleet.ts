// What people ask of a fleet: what is so, what changes, serve nothing of a model any more, forget a server, look who is there.

import { Command } from 'commander';
import { setTimeout as delay } from 'node:timers/promises';
import { EXIT } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import { type ReasonFlags, whoAndWhy, withReasonFlags } from '../rollout/pause';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Verb } from '../verb';
import { askFleet, fleetState, followOwn, tellFleet } from './ask';
import { fleetLines } from './show';

type Flags = TemporalFlags & OutputFlags;
const LOOK_EVERY_MS = 1_000;

export function fleetCommand(verb: Verb): Command {
  const command = new Command('fleet').description('what a fleet serves, what drifted, and what it does about it');
  for (const sub of [getCommand(verb), watchCommand(verb), retireCommand(verb), leaveCommand(verb), checkCommand(verb)]) command.addCommand(sub);
  return command;
}

function getCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('get'))
    .description('members and what they serve, what is stable, who holds which model, what drifted')
    .argument('<fleet>')
    .addOption(outputOption())
    .action(async (fleet: string, flags: Flags) => {
      const state = await withClient(flags, (connected) => fleetState(connected, fleet));
      terminal.out(flags.output === 'json' ? JSON.stringify(state) : fleetLines(state, Date.now()).join('\n'));
      endWith(EXIT.ok);
    })
    .addHelpText('after', `
Examples:
  $ segue fleet get demo
  $ segue fleet get demo -o json`);
}

function watchCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('watch'))
    .description('print it, and again whenever something in it changed, until Ctrl-C')
    .argument('<fleet>')
    .addOption(outputOption())
    .action(async (fleet: string, flags: Flags) => {
      await withClient(flags, async (connected) => {
        for (let before = ''; ; await delay(LOOK_EVERY_MS)) {
          const state = await fleetState(connected, fleet);
          const text = flags.output === 'json' ? JSON.stringify(state) : fleetLines(state, Date.now()).join('\n');
          if (text !== before) terminal.out(flags.output === 'json' ? text : `${new Date().toISOString().slice(11, 19)} ${text}`);
          before = text;
        }
      });
      endWith(EXIT.ok);
    })
    .addHelpText('after', `
Examples:
  $ segue fleet watch demo`);
}

function retireCommand({ terminal, endWith }: Verb): Command {
  return withReasonFlags(new Command('retire'))
    .description('serve nothing of a model any more, on every server; what was stable is forgotten')
    .argument('<fleet>')
    .argument('<model>')
    .option('--detach', 'do not follow it')
    .action(async (fleet: string, model: string, flags: ReasonFlags & { readonly detach?: boolean }) => {
      endWith(await withClient(flags, async (connected) => followOwn(connected, await askFleet(connected, fleet, 'retire', { model, ...whoAndWhy(flags) }), flags, terminal)));
    })
    .addHelpText('after', `
Examples:
  $ segue fleet retire demo half --reason "replaced by half2"

The same with the temporal command line:
  $ temporal workflow signal --workflow-id fleet/demo --name retire --input '{"model": "half"}'`);
}

function leaveCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('leave'))
    .description('forget a server that is gone for good; its agent must be stopped, or it announces itself again')
    .argument('<fleet>')
    .argument('<server>')
    .action(async (fleet: string, server: string, flags: TemporalFlags) => {
      await withClient(flags, (connected) => tellFleet(connected, fleet, 'leave', { server }));
      terminal.out(`told: ${server} leaves ${fleet}\n look: segue fleet get ${fleet}`);
      endWith(EXIT.ok);
    })
    .addHelpText('after', `
Examples:
  $ segue fleet leave demo edge-a`);
}

function checkCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('check'))
    .description('look now which agents still poll, instead of at the next ten minutes')
    .argument('<fleet>')
    .action(async (fleet: string, flags: TemporalFlags) => {
      await withClient(flags, (connected) => tellFleet(connected, fleet, 'check', {}));
      terminal.out(`told\n look: segue fleet get ${fleet}`);
      endWith(EXIT.ok);
    })
    .addHelpText('after', `
Examples:
  $ segue fleet check demo`);
}
