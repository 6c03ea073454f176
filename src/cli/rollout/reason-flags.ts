// Who asks for something, and why: kept in the history, checked by nobody.

import type { Command } from 'commander';
import { userInfo } from 'node:os';

export interface ReasonFlags {
  readonly reason?: string;
  readonly by?: string;
}

export function withReasonFlags(command: Command): Command {
  return command.option('--reason <text>', 'why; kept in the history').addOption(byOption(command));
}

export function byOption(command: Command): ReturnType<Command['createOption']> {
  return command.createOption('--by <who>', 'who (default: your user name; unauthenticated)');
}

/** As every verb takes it. */
export function whoAndWhy({ reason, by }: ReasonFlags): { readonly reason?: string; readonly by: string } {
  return { ...(reason === undefined ? {} : { reason }), by: by ?? userName() };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown'; // a uid without a name, as in many containers
  }
}
