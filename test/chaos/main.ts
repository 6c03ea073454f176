// npm run chaos -- --rounds N --seed S [--from ROUND] [--json]: real processes killed, frozen and restarted under prediction load; after each round every invariant of
// DESIGN §11 that can be seen from outside is checked. Ends at the first round that breaks one, with everything kept to look at.

import { parseArgs } from 'node:util';
import { runChaos } from './run';
import { SETTLE_MS } from './settle';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '25' }, seed: { type: 'string', default: '1' }, from: { type: 'string', default: '1' }, json: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false }, settle: { type: 'string', default: String(SETTLE_MS / 1000) } } });
  const [rounds, seed, from, settleSeconds] = [Number(values.rounds), Number(values.seed), Number(values.from), Number(values.settle)];
  if (![rounds, seed, from, settleSeconds].every((number) => Number.isInteger(number) && number >= 1)) throw new Error('usage: npm run chaos -- [--rounds N] [--seed S] [--from ROUND] [--settle SECONDS] [--json] [--keep]');
  const plants = (process.env['SEGUE_CHAOS_PLANT'] ?? '').split(',').filter((name) => name !== '');
  const result = await runChaos({ rounds, seed, from, plants, settleMs: settleSeconds * 1000, keep: values.keep, say: (line) => console.log(line) });
  if (values.json) console.log(JSON.stringify(result));
  process.exitCode = result.violations === 0 ? 0 : 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 2;
}).finally(() => process.exit());
