// npm run powercut -- --samples 2000 [--seed N]: as many power cuts as one likes; the last line counts them. As root, where there are loop devices.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileWriter } from './compiled';
import { cutPower } from './power';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { samples: { type: 'string', default: '2000' }, seed: { type: 'string', default: String(Date.now() % 1_000_000) } } });
  const [samples, seed] = [Number(values.samples), Number(values.seed)];
  if (!Number.isSafeInteger(samples) || samples < 1 || !Number.isSafeInteger(seed)) throw new Error(`want --samples N --seed N, found ${values.samples} and ${values.seed}`);
  const directory = mkdtempSync(join(tmpdir(), 'segue-power-program-'));
  const begunMs = performance.now();
  try {
    const result = await cutPower(compileWriter(directory), { samples, seed, onSample: (kept) => { if (kept % 100 === 0) console.log(`${kept} of ${samples} samples`); } });
    for (const violation of result.violations) console.log(violation);
    const { violations, ...counts } = result;
    console.log(JSON.stringify({ ...counts, violations: violations.length, seed, seconds: Math.round((performance.now() - begunMs) / 1000) }));
    process.exitCode = violations.length === 0 ? 0 : 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
