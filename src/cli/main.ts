#!/usr/bin/env node
// The `segue` command.

import { EXIT } from './exit';
import { run } from './run';
import { processTerminal } from './terminal';

// Our lock file pins an AWS SDK that runs on this Node; when it may be raised is not for the reader of a rollout to think about.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

run(process.argv.slice(2), processTerminal()).then(end, (error: unknown) => {
  process.stderr.write(`a bug: ${String(error)}\n`);
  end(EXIT.usage);
});

/** What is over is over: the SDK's native part would keep the process alive where no worker was ever started. */
function end(code: number): void {
  process.stdout.write('', () => process.exit(code));
}
