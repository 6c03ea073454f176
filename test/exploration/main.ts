// npm run explore [-- --deep] [-- LIMIT]: every reachable state of the small worlds, by the real planners; with --deep, of larger ones too. LIMIT: states per world, then
// it is cut and says so. Ends with the number of violations; exit 1 when there is one.

import { parseArgs } from 'node:util';
import { explore } from './explore';
import { DEEP, SHAPES } from './shapes';

const { values, positionals } = parseArgs({ options: { deep: { type: 'boolean', default: false } }, allowPositionals: true });
const limit = Number(positionals[0] ?? (values.deep ? 600_000 : Infinity));
const total = { worlds: 0, states: 0, transitions: 0, cut: 0, violations: 0 };
for (const [name, shape] of Object.entries(values.deep ? { ...SHAPES, ...DEEP } : SHAPES)) {
  const began = performance.now();
  const { states, transitions, depth, endings, cut, violation } = explore(shape, limit);
  console.log(`${name}: ${states} states, ${transitions} transitions, longest way ${depth}${cut ? ' (cut)' : ''}, ${((performance.now() - began) / 1000).toFixed(1)} s; ${Object.entries(endings).map(([ending, count]) => `${ending} ${count}`).join(', ')}`);
  total.worlds += 1;
  total.states += states;
  total.transitions += transitions;
  total.cut += cut ? 1 : 0;
  if (violation === undefined) continue;
  total.violations += 1;
  console.log(`  VIOLATION ${violation.what}`);
  for (const step of violation.path) console.log(`    ${step}`);
}
console.log(`${total.worlds} worlds${total.cut === 0 ? '' : ` (${total.cut} cut at ${limit} states)`}, ${total.states} states, ${total.transitions} transitions, ${total.violations} violations`);
process.exitCode = total.violations === 0 ? 0 : 1;
