// model_servers/main.cc: `segue simulate`, a stand-in for tensorflow_model_server in any script (reference §2 "First config", §9).

import type { Log } from './core';
import { Faults } from './faults';
import { parseFlags, usage } from './flags';
import { startSimulator, type Simulator } from './server';
import { ServingError } from './status';

/** -1 of the real main, as a shell sees it. */
const EXIT_FAILED = 255;

export interface Output {
  out(line: string): void;
  err(line: string): void;
}

/**
 * Resolves with the exit code when it could not start, or when told to stop. Signals are not handled: SIGTERM kills it at once, as it kills the real one,
 * with calls in flight cut (reference §7).
 */
export async function runSimulator(argv: readonly string[], output: Output = CONSOLE, stop: Promise<void> = new Promise(() => undefined)): Promise<number> {
  const flags = parseFlags(argv);
  if ('error' in flags) {
    output.err(`${flags.error}\n${usage()}`);
    return EXIT_FAILED;
  }
  if (flags.help) {
    output.out(`${TITLE}\n${usage()}`);
    return EXIT_FAILED; // As the real one: --help is not among the flags that succeed.
  }
  if (flags.version) {
    output.out(`TensorFlow ModelServer: 2.20.0 (${TITLE})`);
    return 0;
  }
  for (const argument of flags.unknown) output.out(`unknown argument: ${argument}`);
  for (const name of flags.notSimulated) output.err(`[segue simulator] --${name} is accepted and has no effect here`);
  const faults = new Faults();
  for (const rule of flags.delays) faults.delay(rule);
  for (const rule of flags.errors) faults.error(rule);
  try {
    const simulator = await startSimulator({ ...flags.settings, faults, log: logTo(output) });
    announce(simulator, output);
    await stop;
    await simulator.stop();
    return 0;
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
    output.out(`Failed to start server. Error: ${error.toString()}`);
    return EXIT_FAILED;
  }
}

const TITLE = 'segue simulator of TensorFlow Serving, not the real server';

const CONSOLE: Output = { out: (line) => console.log(line), err: (line) => console.error(line) };

function announce(simulator: Simulator, output: Output): void {
  output.out(`[segue simulator] ${TITLE}`);
  if (simulator.statsPort !== undefined) output.out(`[segue simulator] stats on http://127.0.0.1:${simulator.statsPort}/`);
  if (simulator.restPort !== undefined) output.out(`[segue simulator] REST on http://127.0.0.1:${simulator.restPort}/`);
  if (simulator.socketPath !== undefined) output.out(`[segue simulator] listening on unix:${simulator.socketPath}`);
  if (simulator.port !== 0) output.out(`[segue simulator] listening on 127.0.0.1:${simulator.port}`);
}

function logTo(output: Output): Log {
  const line = (letter: string, text: string): string => `[segue simulator] ${letter} ${new Date().toISOString()} ${text}`;
  return { error: (text) => output.err(line('E', text)), warning: (text) => output.err(line('W', text)), info: (text) => output.err(line('I', text)) };
}
