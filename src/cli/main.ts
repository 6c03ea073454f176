#!/usr/bin/env node
// The `segue` command.

import { run } from './run';
import { processTerminal } from './terminal';

run(process.argv.slice(2), processTerminal()).then((code) => {
  process.exitCode = code;
}, (error: unknown) => {
  process.stderr.write(`a bug: ${String(error)}\n`);
  process.exitCode = 1;
});
