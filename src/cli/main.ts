#!/usr/bin/env node
// The `segue` command.

import { join } from 'node:path';
import { COMPILE_CACHE_FILE, useCompileCache } from './compile-cache';
import { EXIT } from './exit';
import type * as Run from './run';
import { processTerminal } from './terminal';

// Our lock file pins an AWS SDK that runs on this Node; when it may be raised is not for the reader of a rollout to think about.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

const args = process.argv.slice(2);
// A small version takes less to fetch than what fetches it takes to compile.
if (args[0] === 'fetch') useCompileCache(join(__dirname, '..', COMPILE_CACHE_FILE));
const { run } = require('./run') as typeof Run;

run(args, processTerminal()).then(end, (error: unknown) => {
  process.stderr.write(`a bug: ${String(error)}\n`);
  end(EXIT.usage);
});

/** What is over is over: the SDK's native part would keep the process alive where no worker was ever started. */
function end(code: number): void {
  process.stdout.write('', () => process.exit(code));
}
