import { Command } from 'commander';
import { setTimeout as delay } from 'node:timers/promises';
import { CHECK_POLLERS_SECONDS } from '../../domain/bounds';
import type { FleetState, Member } from '../../domain/fleet-facts';
import { timeText } from '../../domain/time-text';
import type { ConnectedClient } from '../../worker/connection';
import { name } from '../arguments';
import { EXIT, Exit } from '../exit';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import type { Verb } from '../verb';
import { fleetState, tellFleet } from './ask';

/** The check is bounded by itself; a second for the way there and back. */
const CHECKED_WITHIN_MS = CHECK_POLLERS_SECONDS * 1000 + 1000;
const LOOK_EVERY_MS = 200;

export function fleetCheckCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('check'))
    .description('look now which agents still poll, instead of within ten minutes')
    .argument('<fleet>', "the fleet's name", name)
    .action(async (fleet: string, flags: TemporalFlags) => endWith(await withClient(flags, (connected) => check(connected, fleet, terminal))))
    .addHelpText('after', `
An agent that does not poll is a fact about the agent: its model server may serve as before.

Examples:
  $ segue fleet check demo

The same with the temporal command line:
  $ temporal workflow signal --workflow-id fleet/demo --name check --input '{}'`);
}

async function check(connected: ConnectedClient, fleet: string, terminal: Terminal): Promise<number> {
  const before = await fleetState(connected, fleet);
  await tellFleet(connected, fleet, 'check', {});
  terminal.out(pollLines(await checkedAfter(connected, fleet, before)).join('\n'));
  return EXIT.ok;
}

async function checkedAfter(connected: ConnectedClient, fleet: string, { checkedMs }: FleetState): Promise<FleetState> {
  for (const until = Date.now() + CHECKED_WITHIN_MS; ; await delay(LOOK_EVERY_MS)) {
    const now = await fleetState(connected, fleet);
    if (now.checkedMs !== checkedMs || Object.keys(now.members).length === 0) return now;
    if (Date.now() > until) throw new Exit(EXIT.stillRunning, `told, and not done within ${CHECKED_WITHIN_MS / 1000} s\n look: segue fleet get ${fleet}`);
  }
}

function pollLines({ fleet, members }: FleetState): readonly string[] {
  const all = Object.values<Member>(members).sort((a, b) => (a.server < b.server ? -1 : 1));
  const silent = all.filter(({ silentSinceMs }) => silentSinceMs !== undefined);
  return [
    `${all.length - silent.length} of ${all.length} agents of ${fleet} poll`,
    ...silent.map(({ server, silentSinceMs = 0 }) => ` ${server}: does not poll, first seen so at ${timeText(silentSinceMs)} UTC\n  start it again, or forget it: segue fleet leave ${fleet} ${server}`),
  ];
}
