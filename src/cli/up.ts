import { Command } from 'commander';
import { type AgentFlags, withAgentFlags } from './agent-flags';
import { processes } from './heavy';
import { type ProcessFlags, withProcessFlags } from './process-flags';
import type { Verb } from './verb';

export function upCommand({ terminal }: Verb): Command {
  return withProcessFlags(withAgentFlags(new Command('up')))
    .description('control worker and agent in one process, for one machine')
    .action((server: string[], flags: AgentFlags & ProcessFlags) => processes().runUp(flags, server, terminal))
    .addHelpText('after', `
Examples:
  $ segue up --fleet demo --server edge-a --root /srv/edge-a --serving 127.0.0.1:8500`);
}
