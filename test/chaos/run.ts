// The run: a stack that lives for all rounds, one round after the other, and what is said of each.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporal as proto } from '@temporalio/proto';
import { Contents } from './contents';
import { endOf, historiesSince, violationsOf, type Ended } from './histories';
import { Load } from './load';
import { outcomeViolations } from './outcomes';
import { patiently } from './patient';
import { MODELS, planOf, SERVERS, type Act, type Model, type Plan, type Wanted } from './plan';
import { plant } from './plant';
import { Play, rolloutId } from './play';
import { secretsIn } from './secrets';
import { settle, SETTLE_MS, type Settled } from './settle';
import { FLEET, Stack } from './stack';
import { Watch } from './watch';
import { until } from '../setup/until';

const CHECK_SECONDS = 10;
/** What is planted does not settle. */
const PLANTED_SETTLE_MS = 10_000;

export interface RunOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly from: number;
  /** Faults that the checks must find: only in the test of the checks. */
  readonly plants: readonly string[];
  readonly keep: boolean;
  readonly say: (line: string) => void;
}

export interface RunResult {
  readonly rounds: number;
  readonly seed: number;
  readonly violations: number;
  readonly predictions: { readonly sent: number; readonly failed: number; readonly excused: number };
  readonly rollouts: Readonly<Record<string, number>>;
  readonly disturbances: Readonly<Record<string, number>>;
  readonly looks: number;
  readonly seconds: number;
}

export async function runChaos({ rounds, seed, from, plants, keep, say }: RunOptions): Promise<RunResult> {
  const beganMs = Date.now();
  const surprises: string[] = [];
  const stack = await Stack.start({ rounds: from + rounds, onSurprise: (what) => surprises.push(`Processes: ${what}`) });
  const contents = new Contents();
  const load = new Load(stack.hosts, (model, version) => contents.wanted(model, version) !== undefined);
  const watch = new Watch(stack.hosts, contents);
  const play = new Play(stack, load, contents, watch);
  const ended: Ended[] = [];
  const disturbances: Record<string, number> = {};
  const violations: string[] = [];
  let played = 0;
  const begin = async (): Promise<void> => {
    stack.stale.fault({ key: '*vocabulary.txt', fault: { kind: 'stall', afterBytes: 100_000 } });
    await membersAnnounced(stack);
    // Its ten-minute check, shortened: a holder that ended without a word is dropped by it.
    await patiently(stack.temporal.client, () => stack.temporal.client.workflow.getHandle(`fleet/${FLEET}`).signal('refresh', { checkSeconds: CHECK_SECONDS }));
    watch.start();
    violations.push(...await round(calmPlan(0)));
    load.start();
    say(`${stack.directory}: up in ${seconds(beganMs)} s`);
  };
  const round = async (plan: Plan, planted: readonly string[] = []): Promise<readonly string[]> => {
    const sinceMs = Date.now() - 1;
    const unplayed = await play.play(plan);
    const started = plan.acts.flatMap((act) => (act.do === 'start' ? [rolloutId(act.wanted)] : []));
    // Once it is quiet: a rollout that still runs would clear some of it away.
    if (planted.length > 0) await settle(stack, started, SETTLE_MS);
    for (const name of planted) await plant(name, stack);
    const settled = await settle(stack, started, planted.length === 0 ? SETTLE_MS : PLANTED_SETTLE_MS);
    watch.lookAtEveryByte();
    const histories = await historiesSince(stack.temporal.client, `fleet/${FLEET}`, sinceMs, started);
    const ends = histories.flatMap((history) => endOf(history) ?? []);
    ended.push(...ends);
    for (const { do: kind, ...act } of plan.acts) count(disturbances, nameOf({ do: kind, ...act } as Act));
    const found = [
      ...unplayed, ...surprises.splice(0), ...watch.violations.splice(0), ...load.failures.splice(0).map((failure) => `Availability: a prediction failed: ${failure}`),
      ...settled.open, ...violationsOf(histories, proto.api.enums.v1.WorkflowTaskFailedCause), ...(settled.open.length > 0 ? [] : outcomeViolations(plan, ends, ended, settled.stable)), ...secretsIn(stack),
      ...(await stack.stale.connections() > 0 ? [`Clean abort: connections to the stale endpoint are left`] : []),
    ];
    say(`round ${plan.round}: ${plan.stories.join('; ')} | ${plan.acts.flatMap((act) => (nameOf(act) === '' ? [] : [`${nameOf(act)}@${act.atMs}`])).join(', ')} | ${ends.map(({ workflowId, verdict }) => `${workflowId.replace(/^rollout\/chaos\/|\/chaos(?=\/|$)/g, '')} ${verdict.outcome}${verdict.code === undefined ? '' : ` ${verdict.code}`}`).join(', ')} | ${seconds(sinceMs)} s`);
    if (found.length > 0) keepEvidence(stack, histories, settled);
    return found;
  };
  try {
    await begin();
    for (let at = from; at < from + rounds && violations.length === 0; at += 1) {
      played += 1;
      violations.push(...await round(planOf(seed, at), at === from ? plants : []));
    }
    // Whatever happened before: a calm rollout is served by all.
    if (violations.length === 0) {
      const calm = calmPlan(from + rounds);
      violations.push(...await round(calm));
      violations.push(...ended.slice(-MODELS.length).filter(({ verdict }) => verdict.outcome !== 'served').map(({ workflowId, verdict }) => `Convergence: the calm ${workflowId} ended as ${verdict.outcome}: ${verdict.message}`));
    }
  } catch (error) {
    violations.push(`Run: it broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  } finally {
    await load.stop();
    await watch.stop();
    await stack.stop();
  }
  for (const violation of violations) say(`VIOLATION ${violation}`);
  const counts = load.counts();
  if (violations.length > 0) say(`again: npm run chaos -- --seed ${seed} --rounds ${Math.max(1, played)} --from ${from}\nkept: ${stack.directory} (logs, evidence, disks, database)`);
  else if (keep) say(`kept: ${stack.directory}`);
  else stack.remove();
  say(`${played} rounds, ${violations.length} violations, predictions ${counts.sent} sent, ${counts.failed} failed (and ${counts.excused} excused: their server killed, its files deleted)`);
  const outcomes: Record<string, number> = {};
  for (const { verdict } of ended) count(outcomes, verdict.outcome);
  return { rounds: played, seed, violations: violations.length, predictions: counts, rollouts: outcomes, disturbances, looks: watch.looks, seconds: seconds(beganMs) };
}

/** Every model to a good version, nothing else. */
function calmPlan(round: number): Plan {
  const wanted = (model: Model): Wanted => ({ model, version: String(round * 10 + 1), content: 'good', probe: 'right', onFailure: 'rollback', strategy: { maxUnavailable: SERVERS.length } });
  return { round, stories: ['calm'], acts: MODELS.map((model) => ({ atMs: 0, do: 'start', wanted: wanted(model) })) };
}

async function membersAnnounced(stack: Stack): Promise<void> {
  const { client } = stack.temporal;
  await until(async () => {
    const state = await patiently(client, () => client.workflow.getHandle(`fleet/${FLEET}`).query<{ members: Record<string, { models?: object }> }>('status')).catch(() => undefined);
    return SERVERS.every((name) => state?.members[name]?.models !== undefined);
  }, 60_000, 'the agents have announced themselves');
}

function nameOf(act: Act): string {
  switch (act.do) {
    case 'end': return `${act.signal} ${act.part}`;
    case 'freeze': return `freeze ${act.part} ${act.forMs} ms`;
    case 'fault': return `s3 ${act.rule.fault.kind}`;
    case 'remove': return `remove ${act.model} of ${act.server}`;
    case 'emptyBoot': return `empty boot file of ${act.server}`;
    case 'say': return act.verb;
    case 'start': case 'rollBackStable': return '';
  }
}

function count(into: Record<string, number>, name: string): void {
  const short = name.replace(/edge-.-|worker-.| \w+ of edge-.| of edge-./, (part) => (part.startsWith('worker') ? 'worker' : '')).replace(/ \d+ ms$/, '');
  if (short !== '') into[short] = (into[short] ?? 0) + 1;
}

function keepEvidence(stack: Stack, histories: readonly { readonly workflowId: string; readonly events: readonly unknown[] }[], settled: Settled): void {
  const directory = join(stack.directory, 'evidence');
  mkdirSync(directory, { recursive: true });
  for (const { workflowId, events } of histories) writeFileSync(join(directory, `${workflowId.replaceAll('/', '_')}.json`), JSON.stringify(proto.api.history.v1.History.fromObject({ events }).toJSON(), undefined, 1));
  writeFileSync(join(directory, 'settled.json'), JSON.stringify(settled, undefined, 1));
}

function seconds(sinceMs: number): number {
  return Math.round((Date.now() - sinceMs) / 100) / 10;
}
