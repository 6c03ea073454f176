import { Command } from 'commander';
import { port } from './arguments';
import { devPorts, requireFree } from './dev-ports';
import { dev } from './heavy';
import { outputOption, type OutputFlags } from './output-flag';
import type { Verb } from './verb';

interface DevFlags extends OutputFlags {
  readonly portBase?: number;
  readonly root?: string;
}

export function devCommand({ terminal }: Verb): Command {
  return new Command('dev')
    .description('everything on this machine, kept running: Temporal dev server, S3, three simulated model servers with their agents, sample models')
    .option('--port-base <port>', 'take BASE (Temporal), +1 (its web page), +2 (S3), +3 to +5 (model servers) instead of 7233, 8233, 9000, 8500 to 8502', port)
    .option('--root <directory>', 'keep the files of the model servers here (default: a temporary directory, removed at the end)')
    .addOption(outputOption())
    .action(async (flags: DevFlags) => {
      const ports = devPorts(flags.portBase);
      await requireFree(ports);
      await dev().runDev({ ports, json: flags.output === 'json', ...(flags.root === undefined ? {} : { root: flags.root }) }, terminal);
    })
    .addHelpText('after', `
Needs the temporal program: SEGUE_TEMPORAL_CLI, PATH, our cache, a download or Go, in this order.

Examples:
  $ segue dev
  $ segue dev --port-base 17000
  $ temporal workflow execute --type rollout --task-queue segue --workflow-id rollout/demo/half/2/ci-1 --input '{
      "fleet": "demo", "model": "half", "version": "2", "source": {"uri": "s3://models/half/2/", "endpoint": "http://127.0.0.1:9000"}}'`);
}
