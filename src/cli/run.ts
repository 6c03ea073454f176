// One run of the command line: arguments in, exit code out. Nothing here ends the process.

import { CommanderError } from 'commander';
import { FAILURES, SegueError } from '../domain/failures';
import { NoTemporalError } from '../worker/no-temporal';
import { EXIT, Exit } from './exit';
import type * as Alone from './fetch/alone';
import type * as Program from './program';
import type { Terminal } from './terminal';
import type { Verb } from './verb';

/** `args` without the node binary and the script. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  let code: number = EXIT.ok;
  const segue = verbsFor(args, { terminal, endWith: (ended) => { code = ended; } });
  try {
    await segue.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    return explain(error, terminal);
  }
}

/** All of them, but for the one that must not wait until they are loaded. */
function verbsFor(args: readonly string[], verb: Verb): ReturnType<typeof Program.program> {
  if (args[0] === 'fetch') return (require('./fetch/alone') as typeof Alone).fetchAlone(verb);
  return (require('./program') as typeof Program).program(verb);
}

function explain(error: unknown, terminal: Terminal): number {
  // Commander has said it already: help and version are no failure, everything else is usage.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof Exit) {
    if (error.message !== '') terminal.err(error.message);
    return error.code;
  }
  if (error instanceof NoTemporalError) {
    terminal.err(error.message);
    return EXIT.noTemporal;
  }
  if (error instanceof SegueError) {
    terminal.err(`${error.code}: ${error.message}\n next: ${FAILURES[error.code].next}`);
    return EXIT.rejected;
  }
  terminal.err(`a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return EXIT.usage;
}
