import { Command } from 'commander';
import type { Verb } from '../verb';
import { fleetCheckCommand } from './check';
import { fleetGetCommand } from './get';
import { fleetLeaveCommand } from './leave';
import { fleetRetireCommand } from './retire';
import { fleetWatchCommand } from './watch';

export function fleetCommand(verb: Verb): Command {
  const command = new Command('fleet').description('what a fleet serves, what drifted, and what it does about it');
  for (const sub of [fleetGetCommand(verb), fleetWatchCommand(verb), fleetRetireCommand(verb), fleetLeaveCommand(verb), fleetCheckCommand(verb)]) command.addCommand(sub);
  return command;
}
