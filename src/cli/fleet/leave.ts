import { Command } from 'commander';
import type { ServerName } from '../../domain/names';
import type { ConnectedClient } from '../../worker/connection';
import { name } from '../arguments';
import { EXIT, Exit } from '../exit';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import type { Verb } from '../verb';
import { fleetState, tellFleet } from './ask';

export function fleetLeaveCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('leave'))
    .description('forget a server that is gone for good; stop its agent first, or it announces itself again')
    .argument('<fleet>', "the fleet's name", name)
    .argument('<server>', 'the server')
    .action(async (fleet: string, server: string, flags: TemporalFlags) => endWith(await withClient(flags, (connected) => leave(connected, fleet, server as ServerName, terminal))))
    .addHelpText('after', `
Nothing on the server's disk is touched, and what it serves it goes on serving.

Examples:
  $ segue fleet leave demo edge-a

The same with the temporal command line:
  $ temporal workflow signal --workflow-id fleet/demo --name leave --input '{"server": "edge-a"}'`);
}

async function leave(connected: ConnectedClient, fleet: string, server: ServerName, terminal: Terminal): Promise<number> {
  const { members } = await fleetState(connected, fleet);
  if (members[server] === undefined) throw new Exit(EXIT.usage, `no server ${server} in fleet ${fleet}; it has ${Object.keys(members).sort().join(', ') || 'none'}`);
  await tellFleet(connected, fleet, 'leave', { server });
  terminal.out(`told: fleet ${fleet} forgets ${server}; its next rollouts go without it\n look: segue fleet get ${fleet}`);
  return EXIT.ok;
}
