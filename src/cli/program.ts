// The verbs and how they hang together. Each verb is one file. What runs processes is required when it runs: the SDK's native part, webpack and the S3 client
// take a second to load, and no other verb needs them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { adoptCommand } from './adopt';
import { agentCommand } from './agent';
import { demoCommand } from './demo/demo';
import { devCommand } from './dev';
import { doctorCommand } from './doctor/doctor';
import { fetchCommand } from './fetch/fetch';
import { fleetCommand } from './fleet/fleet';
import { quietly } from './quietly';
import { rolloutAbortCommand } from './rollout/abort';
import { rolloutPauseCommand } from './rollout/pause';
import { rolloutResumeCommand } from './rollout/resume';
import { rolloutRollbackCommand } from './rollout/rollback';
import { rolloutStartCommand } from './rollout/start';
import { rolloutStatusCommand } from './rollout/status';
import { rolloutUpdateCommand } from './rollout/update';
import { rolloutWatchCommand } from './rollout/watch';
import { simulateCommand } from './simulate';
import { upCommand } from './up';
import type { Verb } from './verb';
import { verifyCommand } from './verify';
import { workerCommand } from './worker';

const EXIT_CODES = `
Exit codes:
  0 served, or done    1 usage               3 rejected, or failed before anything changed
  4 aborted, superseded or cancelled         5 rolled back
  6 still running at the time-out            7 no Temporal
  8 doctor or verify found problems`;

/** Without a verb's surroundings only its shape is of use: names, options, help. */
export function program(verb: Verb = NOWHERE): Command {
  const segue = new Command('segue')
    .description('Moves a model from one version to the next on TensorFlow Serving, without a failed request, and proves it.')
    .version(packageVersion())
    // `rollout start --version 2` is a model's version, not a question for ours.
    .enablePositionalOptions();
  segue.commandsGroup('Processes:');
  for (const command of [upCommand(verb), workerCommand(verb), agentCommand(verb)]) segue.addCommand(command);
  segue.commandsGroup('Rollouts:');
  segue.addCommand(rolloutCommand(verb));
  segue.addCommand(fleetCommand(verb));
  segue.commandsGroup('When something does not move:');
  for (const command of [doctorCommand(verb), verifyCommand(verb)]) segue.addCommand(command);
  segue.addCommand(adoptCommand(verb));
  segue.commandsGroup('Bytes:');
  segue.addCommand(fetchCommand(verb));
  segue.commandsGroup('On one machine, to try it:');
  for (const command of [demoCommand(verb), devCommand(verb), simulateCommand(verb)]) segue.addCommand(command);
  segue.addHelpText('after', `${EXIT_CODES}

Examples:
  $ segue dev                                        everything on one machine, kept running
  $ segue rollout start --fleet demo --model half --version 2 --source s3://models/half/2/ --endpoint http://127.0.0.1:9000 --wait
  $ segue rollout watch rollout/demo/half/2/ci-1     what it does now, and how it ends`);
  return quietly(segue, verb.terminal);
}

const NOWHERE: Verb = {
  terminal: { out: () => undefined, err: () => undefined, live: false, columns: 80, readStdin: () => Promise.resolve('') },
  endWith: () => undefined,
};

function rolloutCommand(verb: Verb): Command {
  const command = new Command('rollout').description('start, follow and steer a rollout: what the temporal command line could do, with less to type');
  for (const sub of [rolloutStartCommand(verb), rolloutStatusCommand(verb), rolloutWatchCommand(verb), rolloutAbortCommand(verb), rolloutUpdateCommand(verb), rolloutPauseCommand(verb), rolloutResumeCommand(verb), rolloutRollbackCommand(verb)]) command.addCommand(sub);
  return command.addHelpText('after', EXIT_CODES);
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as { version: string };
  return version;
}
