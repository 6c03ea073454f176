// The chaos run's own must-fail control: faults are planted that the product cannot have made, and each check must say so. And its plans: the same seed gives the same round.

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { planOf, type Act } from './plan';

const root = resolve(__dirname, '../..');

/** Plant → what must be said of it. */
const CAUGHT = {
  flip: /VIOLATION Verified only: edge-a: models\/half\/\d+ is not what its source holds/,
  rogue: /VIOLATION Verified only: edge-a: models\/third\/777777 is not what its source holds/,
  foreignList: /VIOLATION Order: edge-c: the server lists third\/888888, which is not on the disk/,
  secret: /VIOLATION Secrecy: the history of fleet\/chaos holds the secret/,
  hang: /VIOLATION Availability: a prediction failed: edge-b (half|third) at /,
  leftover: /VIOLATION Clean abort: edge-a: staging\/half\/somebody-else belongs to nobody/,
  taskFailure: /VIOLATION Histories: a workflow task of rollout\/chaos\/planted failed/,
} as const;

test('what is planted is found: one run, every fault named, the seed and how to play it again, everything kept', async () => {
  const { code, output } = await chaos(['--rounds', '1', '--seed', '7'], { SEGUE_CHAOS_PLANT: Object.keys(CAUGHT).join(',') });
  try {
    for (const said of Object.values(CAUGHT)) expect(output).toMatch(said);
    expect(output).toContain('again: npm run chaos -- --seed 7 --rounds 1 --from 1');
    expect(code).toBe(1);
  } finally {
    const kept = /^kept: (\S+)/m.exec(output)?.[1];
    if (kept !== undefined) rmSync(kept, { recursive: true, force: true });
  }
}, 180_000);

test('a seed decides the whole round, and rounds differ', () => {
  expect(planOf(3, 5)).toEqual(planOf(3, 5));
  expect(planOf(3, 6)).not.toEqual(planOf(3, 5));
  expect(planOf(4, 5)).not.toEqual(planOf(3, 5));
});

test('every story and every disturbance comes up within a hundred rounds', () => {
  const plans = Array.from({ length: 100 }, (_, round) => planOf(1, round + 1));
  const stories = new Set(plans.flatMap((plan) => plan.stories.map((story) => story.split(': ')[1])));
  expect(stories).toEqual(new Set(['abort', 'bad', 'cancel', 'failing', 'good', 'pause', 'rollBackStable', 'rollback', 'stallThenUpdate', 'supersede', 'threeAtOnce', 'wrongProbe']));
  const disturbances = new Set(plans.flatMap(({ acts }) => acts.flatMap(disturbanceOf)));
  expect(disturbances).toEqual(new Set([
    'SIGKILL agent', 'SIGKILL server', 'SIGKILL temporal', 'SIGKILL worker', 'SIGTERM agent', 'SIGTERM temporal', 'SIGTERM worker', 'emptyBoot', 'freeze agent', 'freeze worker', 'remove',
    's3 answer', 's3 flip', 's3 length', 's3 page', 's3 reset', 's3 slowHeaders', 's3 stall', 's3 trickle',
  ]));
});

function disturbanceOf(act: Act): readonly string[] {
  switch (act.do) {
    case 'end': return [`${act.signal} ${kindOf(act.part)}`];
    case 'freeze': return [`freeze ${kindOf(act.part)}`];
    case 'remove': case 'emptyBoot': return [act.do];
    case 'fault': return [`s3 ${act.rule.fault.kind}`];
    default: return [];
  }
}

function kindOf(part: string): string {
  return /agent|server|worker|temporal/.exec(part)?.[0] ?? part;
}

function chaos(args: readonly string[], env: Readonly<Record<string, string>>): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, ['-r', join(root, 'tools/ts.cjs'), join(root, 'test/chaos/main.ts'), ...args], { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  child.stderr.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  return new Promise((done) => child.once('close', (code) => done({ code, output })));
}
