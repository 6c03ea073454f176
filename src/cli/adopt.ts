import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { adoptList } from '../agent/adopt';
import { servingAddress } from './arguments';
import { EXIT, Exit } from './exit';
import { outputOption, type OutputFlags } from './output-flag';
import type { Verb } from './verb';

interface AdoptFlags extends OutputFlags {
  readonly root: string;
  readonly serving: string;
}

export function adoptCommand({ terminal, endWith }: Verb): Command {
  return new Command('adopt')
    .description("take over a model server with the list it has; for a host whose agent has no journal. Its agent must be stopped; nothing of the server changes")
    .argument('<file>', 'the list the server has: model_config_list { … }')
    .requiredOption('--root <directory>', "the agent's root; the models must lie below it, in models/MODEL/VERSION")
    .requiredOption('--serving <address>', 'the model server: HOST:PORT or unix:PATH', servingAddress)
    .addOption(outputOption())
    .action(async (file: string, { root, serving, output }: AdoptFlags) => {
      const text = await readFile(file, 'utf8').catch((error: unknown) => { throw new Exit(EXIT.usage, `error: ${(error as Error).message}`); });
      const adopted = await adoptList({ root, serving, text });
      if (output === 'json') terminal.out(JSON.stringify({ adopted: Object.fromEntries(adopted) }));
      else for (const [model, version] of adopted) terminal.out(version === undefined ? `${model}: known to the server, nothing of it AVAILABLE` : `${model}/${version}: adopted, and in the boot file`);
      endWith(EXIT.ok);
    })
    .addHelpText('after', `
Examples:
  $ segue adopt /srv/edge-a/boot.config --root /srv/edge-a --serving 127.0.0.1:8500`);
}
