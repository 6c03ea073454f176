// The flags of an agent: which server it stands beside, and what it may do there.

import { Option, type Command } from 'commander';
import { DEFAULT_HELD_DRAIN } from '../agent/held-drain';
import type { FleetName, ServerName } from '../domain/names';
import type { AgentWorkerOptions } from '../worker/agent-worker';
import { eachOf, httpUrl, name, servingAddress, wholeNumber } from './arguments';
import { signatureRules, withSignatureFlags, type SignatureFlags } from './signature-flags';

export interface AgentFlags extends SignatureFlags {
  readonly fleet: string;
  readonly server: string;
  readonly root: string;
  readonly serving: string;
  readonly zone?: string;
  readonly allowEndpoint?: readonly string[];
  readonly credentialsDir?: string;
  readonly heldDrain: 'wait' | 'alert' | 'restart';
  readonly heldDrainAfter: number;
}

export function withAgentFlags(command: Command): Command {
  return withSignatureFlags(command
    .requiredOption('--fleet <name>', 'the fleet this server belongs to', name)
    .requiredOption('--server <name>', 'the name of this server in its fleet; keep it across restarts', name)
    .requiredOption('--root <directory>', "what the model server reads: models, boot file and journal; ours alone, on the model server's own disk")
    .requiredOption('--serving <address>', 'the model server: HOST:PORT or unix:PATH', servingAddress)
    .option('--zone <name>', 'where it stands: shown by segue fleet get', name)
    .option('--allow-endpoint <url>', 'an S3 endpoint this host may be sent to, or aws; repeat for more (default: any)', eachOf(endpointOrAws))
    .option('--credentials-dir <directory>', 'where the files of "credentials": "file:NAME" are'))
    .addOption(new Option('--held-drain <what>', 'when requests in flight do not let a version go, and so hold up every transition of the server: wait, say so (alert), or restart the server that this agent runs').choices(['wait', 'alert', 'restart']).default('alert'))
    .option('--held-drain-after <seconds>', 'how long they may hold it before', wholeNumber, DEFAULT_HELD_DRAIN.afterSeconds)
    .argument('[server-command...]', 'after --: the model server to run as this agent\'s child; without it, it is run by somebody else');
}

/** @param serverCommand what stood after `--`. */
export function agentOptions(flags: AgentFlags, serverCommand: readonly string[]): Omit<AgentWorkerOptions, 'connect' | 'report'> {
  const signatures = signatureRules(flags);
  return {
    fleet: flags.fleet as FleetName, server: flags.server as ServerName, root: flags.root, serving: flags.serving,
    heldDrain: { then: flags.heldDrain, afterSeconds: flags.heldDrainAfter },
    ...(serverCommand.length === 0 ? {} : { serverCommand }),
    ...(signatures === undefined ? {} : { signatures }),
    ...(flags.zone === undefined ? {} : { zone: flags.zone }),
    ...(flags.allowEndpoint === undefined ? {} : { allowEndpoints: flags.allowEndpoint }),
    ...(flags.credentialsDir === undefined ? {} : { credentialsDir: flags.credentialsDir }),
  };
}

function endpointOrAws(text: string): string {
  return text === 'aws' ? text : httpUrl(text);
}
