// How a command of ours speaks: through the terminal it is given, and never by ending the process.

import type { Command } from 'commander';
import type { Terminal } from './terminal';

/** Commander writes through our terminal and throws instead of ending the process, at every level. */
export function quietly(command: Command, terminal: Terminal): Command {
  const line = (write: (text: string) => void) => (text: string): void => write(text.replace(/\n$/, ''));
  command.exitOverride().showSuggestionAfterError(true).configureOutput({ writeOut: line(terminal.out), writeErr: line(terminal.err) });
  if (command.commands.length === 0) command.showHelpAfterError(`(${commandPath(command)} --help shows its options)`);
  for (const sub of command.commands) quietly(sub, terminal);
  return command;
}

function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`;
}
