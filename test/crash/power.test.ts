// 200 power cuts on a real ext4. More of them: npm run powercut -- --samples 2000. Where they cannot be had (no root, no loop devices) they are skipped, in CI they fail.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reasonNoLoopFileSystem } from '../setup/loop-file-system';
import { compileWriter } from './compiled';
import { STEPS } from './life';
import { cutPower } from './power';

const directory = mkdtempSync(join(tmpdir(), 'segue-power-program-'));
const program = compileWriter(directory);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const why = reasonNoLoopFileSystem();
const here = why === undefined || process.env['CI'] !== undefined ? describe : describe.skip;
here(`power cuts on ext4${why === undefined ? '' : ` (${why})`}`, () => {
  test('nothing acknowledged is lost, nothing torn is seen, and the work goes on, 200 times', async () => {
    const { kept, duringStep, violations } = await cutPower(program, { samples: 200, seed: 20261121 });
    expect(violations).toEqual([]);
    expect(kept).toBe(200);
    expect(Object.keys(duringStep).length).toBeGreaterThanOrEqual(STEPS.length - 2); // Spread over the life of a version; the shortest steps may be missed.
  }, 180_000);

  // The control: the same writer on a disk whose fsync lies.
  test.each(['all', 'staging'] as const)('are noticed where fsync lies about %s', async (lyingSync) => {
    const { violations } = await cutPower(program, { samples: 100, seed: 1, lyingSync, untilViolated: true });
    expect(violations.join('\n')).toMatch(lyingSync === 'all' ? /journal.json is gone|is no journal|is gone after step/ : /found 0, equal until 0/);
  }, 120_000);
});
