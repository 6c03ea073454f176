// The real workflows, played in twenty thousand orders that seeds decide. Two processes, because each plays one at a time.

import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { workflowBundle } from '../setup/shared';
import { ACTIVITIES } from './main';
import { FAULTS, play, WISHES, type Options } from './play';
import { Sandbox } from './vm';

const COUNT = 20_000;
const PROCESSES = 2;
const ROOT = resolve(__dirname, '../..');

async function swept(from: number, count: number): Promise<string> {
  const child = spawn(process.execPath, ['-r', join(ROOT, 'tools/ts.cjs'), join(__dirname, 'main.ts'), '--from', String(from), '--count', String(count)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  await new Promise((done) => child.once('close', done));
  return said.trimEnd();
}

test('twenty thousand orders of events: every rollout ends as one thing, nothing acts below a higher token, and the hosts keep every invariant', async () => {
  const share = COUNT / PROCESSES;
  const said = await Promise.all(Array.from({ length: PROCESSES }, (_, at) => swept(1 + at * share, share)));
  process.stdout.write(`\n${said.map((one) => one.split('\n').at(-1)).join('\n')}\n`);
  for (const one of said) expect(one).toMatch(new RegExp(`^${share} schedules, \\d+ steps, 0 violations`, 'm'));
}, 2_400_000);

let sandbox: Sandbox;
beforeAll(async () => { sandbox = await Sandbox.load(workflowBundle(), ACTIVITIES); });
afterAll(() => sandbox.destroy());

describe.each(['availability', 'resource'] as const)('in %s mode, at each point once', (mode) => {
  test.each([...new Set(FAULTS)])('an activity ends as: %s', async (how) => {
    const { ends } = await play(sandbox, { seed: 1, directed: { mode } });
    expect(ends).toBeGreaterThanOrEqual(15);
    for (let at = 1; at <= ends; at += 1) expect({ at, ...await play(sandbox, { seed: 1, directed: { mode, fault: { at, how } } }) }).not.toHaveProperty('violation');
  });
  test.each([...new Set(WISHES)])('somebody wants: %s', async (what) => {
    const { steps } = await play(sandbox, { seed: 1, directed: { mode } });
    for (let at = 1; at <= steps; at += 1) expect({ at, ...await play(sandbox, { seed: 1, directed: { mode, wish: { at, what } } }) }).not.toHaveProperty('violation');
  });
});

describe('a broken stage is found out', () => {
  const found = async (broken: NonNullable<Options['broken']>): Promise<string> => {
    for (let seed = 1; seed <= 400; seed += 1) {
      const { violation } = await play(sandbox, { seed, broken });
      if (violation !== undefined) return violation;
    }
    return 'nothing';
  };
  test('hosts that ask nobody whether they may act', async () => expect(await found('no fence')).toMatch(/No going back|Availability|Resource|Order|served by nobody|One candidate/));
  test('a server that forgets signals between workflows', async () => expect(await found('forgotten signals')).toMatch(/Intent|Convergence/));
  test('the same seed is the same play', async () => {
    const [one, two] = [await play(sandbox, { seed: 77 }), await play(sandbox, { seed: 77 })];
    expect(two).toEqual(one);
    expect(one.steps).toBeGreaterThan(10);
  });
});
