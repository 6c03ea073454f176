// The simulator's main as a process of its own, from its source: node -r tools/ts.cjs simulate-child.ts FLAGS…

import { runSimulator } from '../../src/testing/tf-serving/main';

void runSimulator(process.argv.slice(2)).then((code) => { process.exitCode = code; });
