// npm run explore [-- LIMIT]: every reachable state of the small worlds, by the real planners. Ends with the number of violations.

import { explore } from './explore';
import { SHAPES } from './shapes';

const limit = Number(process.argv[2] ?? Infinity);
let violations = 0;
for (const [name, shape] of Object.entries(SHAPES)) {
  const began = performance.now();
  const { states, transitions, depth, endings, cut, violation } = explore(shape, limit);
  console.log(`${name}: ${states} states, ${transitions} transitions, longest way ${depth}${cut ? ' (cut)' : ''}, ${((performance.now() - began) / 1000).toFixed(1)} s; ${Object.entries(endings).map(([ending, count]) => `${ending} ${count}`).join(', ')}`);
  if (violation === undefined) continue;
  violations += 1;
  console.log(`  VIOLATION ${violation.what}`);
  for (const step of violation.path) console.log(`    ${step}`);
}
console.log(`${violations} violations`);
process.exitCode = violations === 0 ? 0 : 1;
