#!/usr/bin/env node
// The `segue` command.

import { run } from './run';
import { processTerminal } from './terminal';

// Our lock file pins an AWS SDK that runs on this Node; when it may be raised is not for the reader of a rollout to think about.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

run(process.argv.slice(2), processTerminal()).then((code) => {
  process.exitCode = code;
}, (error: unknown) => {
  process.stderr.write(`a bug: ${String(error)}\n`);
  process.exitCode = 1;
});
