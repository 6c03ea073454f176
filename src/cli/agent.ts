import { Command } from 'commander';
import { type AgentFlags, withAgentFlags } from './agent-flags';
import { processes } from './heavy';
import { type ProcessFlags, withProcessFlags } from './process-flags';
import type { Verb } from './verb';

export function agentCommand({ terminal }: Verb): Command {
  return withProcessFlags(withAgentFlags(new Command('agent')))
    .description('agent: one beside each model server; the only process that writes its disk and its model list')
    .action((server: string[], flags: AgentFlags & ProcessFlags) => processes().runAgent(flags, server, terminal))
    .addHelpText('after', `
Without a Temporal server it keeps running and tries again: the model server keeps, and after a restart gets back, what was promoted.

Examples:
  $ segue agent --fleet demo --server edge-a --root /srv/edge-a --serving 127.0.0.1:8500
  $ segue agent --fleet prod --server eu-1 --root /srv/models --serving unix:/run/serving.sock --zone eu --allow-endpoint https://s3.example.com
  $ segue agent --fleet prod --server eu-1 --root /srv/models --serving unix:/run/serving.sock --held-drain restart -- \\
      tensorflow_model_server --grpc_socket_path=/run/serving.sock --model_config_file=/srv/models/boot.config …`);
}
