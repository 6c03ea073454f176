import { Command } from 'commander';
import { setTimeout as delay } from 'node:timers/promises';
import type { FleetState } from '../../domain/fleet-facts';
import { durationMs, name } from '../arguments';
import { EXIT } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import type { Verb } from '../verb';
import { askFleetState } from './ask';
import { changes } from './show';

interface WatchFlags extends TemporalFlags, OutputFlags {
  readonly timeout?: number;
}

/** A fleet changes with rollouts and announcements: slower than one rollout's steps. */
const LOOK_EVERY_MS = 1_000;

export function fleetWatchCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('watch'))
    .description('follow a fleet, printing only what changes, until Ctrl-C')
    .argument('<fleet>', "the fleet's name", name)
    .option('--timeout <duration>', 'stop following after, such as 10m; a fleet has no end, so the exit code is 0', durationMs)
    .addOption(outputOption())
    .action(async (fleet: string, flags: WatchFlags) => endWith(await watch(fleet, flags, terminal)))
    .addHelpText('after', `
Examples:
  $ segue fleet watch demo
  $ segue fleet watch demo -o json | jq --unbuffered .models`);
}

async function watch(fleet: string, flags: WatchFlags, terminal: Terminal): Promise<number> {
  const show = flags.output === 'json' ? jsonScreen(terminal) : lineScreen(terminal);
  const until = flags.timeout === undefined ? Infinity : Date.now() + flags.timeout;
  return withClient(flags, async (connected) => {
    for (;;) {
      show(await askFleetState(connected, fleet));
      const left = until - Date.now();
      if (left <= 0) return EXIT.ok;
      await delay(Math.min(LOOK_EVERY_MS, left));
    }
  });
}

type Look = FleetState | { readonly unanswered: string };

/** One fact a line, each once, with the time it was seen. */
function lineScreen(terminal: Terminal): (look: Look) => void {
  let before: FleetState | undefined;
  let unanswered = '';
  const line = (text: string): void => terminal.out(`${new Date().toISOString().slice(11, 19)} ${text}`);
  return (look) => {
    const silence = 'unanswered' in look ? look.unanswered : '';
    if (silence !== unanswered && silence !== '') line(silence);
    unanswered = silence;
    if ('unanswered' in look) return;
    for (const fact of changes(before, look, Date.now())) line(fact);
    before = look;
  };
}

/** For scripts: the state whenever it changed. */
function jsonScreen(terminal: Terminal): (look: Look) => void {
  let before = '';
  return (look) => {
    const text = JSON.stringify(look);
    if (text !== before) terminal.out(text);
    before = text;
  };
}
