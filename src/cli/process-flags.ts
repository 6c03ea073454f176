// The flags of the verbs that keep running: how they log, and what they show of themselves.

import type { LogLevel } from '@temporalio/common';
import { type Command, Option } from 'commander';
import { type TemporalFlags, withTemporalFlags } from './temporal-flags';

export interface ProcessFlags extends TemporalFlags {
  readonly logFormat: 'text' | 'json';
  readonly logLevel: Lowercase<LogLevel>;
  readonly metrics?: string;
}

export function withProcessFlags(command: Command): Command {
  return withTemporalFlags(command)
    .addOption(new Option('--log-format <format>', 'one line a fact, on stderr').choices(['text', 'json']).default('text'))
    .addOption(new Option('--log-level <level>', 'from which level on').choices(['trace', 'debug', 'info', 'warn', 'error']).default('info'))
    .option('--metrics <host:port>', "serve the SDK's metrics to Prometheus there");
}
