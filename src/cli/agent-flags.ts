// The flags of an agent: which server it stands beside, and what it may do there.

import type { Command } from 'commander';
import type { FleetName, ServerName } from '../domain/names';
import type { AgentWorkerOptions } from '../worker/agent-worker';
import { eachOf, httpUrl, name, servingAddress } from './arguments';

export interface AgentFlags {
  readonly fleet: string;
  readonly server: string;
  readonly root: string;
  readonly serving: string;
  readonly zone?: string;
  readonly allowEndpoint?: readonly string[];
  readonly credentialsDir?: string;
}

export function withAgentFlags(command: Command): Command {
  return command
    .requiredOption('--fleet <name>', 'the fleet this server belongs to', name)
    .requiredOption('--server <name>', 'the name of this server in its fleet; keep it across restarts', name)
    .requiredOption('--root <directory>', "what the model server reads: models, boot file and journal; ours alone, on the model server's own disk")
    .requiredOption('--serving <address>', 'the model server: HOST:PORT or unix:PATH', servingAddress)
    .option('--zone <name>', 'where it stands, for placing waves', name)
    .option('--allow-endpoint <url>', 'an S3 endpoint this host may be sent to, or aws; repeat for more (default: any)', eachOf(endpointOrAws))
    .option('--credentials-dir <directory>', 'where the files of "credentials": "file:NAME" are');
}

export function agentOptions(flags: AgentFlags): Omit<AgentWorkerOptions, 'connect' | 'report'> {
  return {
    fleet: flags.fleet as FleetName, server: flags.server as ServerName, root: flags.root, serving: flags.serving,
    ...(flags.zone === undefined ? {} : { zone: flags.zone }),
    ...(flags.allowEndpoint === undefined ? {} : { allowEndpoints: flags.allowEndpoint }),
    ...(flags.credentialsDir === undefined ? {} : { credentialsDir: flags.credentialsDir }),
  };
}

function endpointOrAws(text: string): string {
  return text === 'aws' ? text : httpUrl(text);
}
