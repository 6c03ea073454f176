// npm run terminated -- [--rollouts 100] [--seed 1] [--reset-anywhere]: rollouts of one model terminated, reset and cancelled from outside. Ends with one JSON object; exit code 1 where anything hangs or is violated.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { resolveTemporalCli } from '../../src/worker/temporal-cli';
import { bundleOnce } from '../setup/bundle-once';
import { runTerminated } from './terminated';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rollouts: { type: 'string', default: '100' }, seed: { type: 'string', default: '1' }, 'reset-anywhere': { type: 'boolean', default: false } } });
  const result = await runTerminated({
    rollouts: Number(values.rollouts), seed: Number(values.seed), resetAnywhere: values['reset-anywhere'], cli: await resolveTemporalCli(), bundle: await bundleOnce(resolve(__dirname, '../../src')), report: (line) => console.log(line),
  });
  for (const line of result.violations) console.log(line);
  console.log(JSON.stringify({ ...result, stuck: result.stuck.length, violations: result.violations.length }));
  process.exitCode = result.violations.length + result.stuck.length + result.unavailable === 0 ? 0 : 1;
}

main().catch((error: unknown) => { console.error(error); process.exit(1); });
