// npm run chaos -- --rounds N --seed S [--from ROUND] [--json]: real processes killed, frozen and restarted under prediction load; after each round every invariant of
// DESIGN §11 that can be seen from outside is checked. Ends at the first round that breaks one, with everything kept to look at.

import { parseArgs } from 'node:util';
import { runChaos } from './run';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '25' }, seed: { type: 'string', default: '1' }, from: { type: 'string', default: '1' }, json: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } } });
  const [rounds, seed, from] = [Number(values.rounds), Number(values.seed), Number(values.from)];
  if (![rounds, seed, from].every((number) => Number.isInteger(number) && number >= 1)) throw new Error('usage: npm run chaos -- [--rounds N] [--seed S] [--from ROUND] [--json] [--keep]');
  const plants = (process.env['SEGUE_CHAOS_PLANT'] ?? '').split(',').filter((name) => name !== '');
  const result = await runChaos({ rounds, seed, from, plants, keep: values.keep, say: (line) => console.log(line) });
  if (values.json) console.log(JSON.stringify(result));
  process.exitCode = result.violations === 0 ? 0 : 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 2;
}).finally(() => process.exit());
