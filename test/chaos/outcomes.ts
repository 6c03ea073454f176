// What the ends of rollouts must say about each other, about the plan, and about what the fleet calls stable.

import type { Ended } from './histories';
import { MODELS, type Model, type Plan } from './plan';
import { rolloutId } from './play';

/** @param round the ends of this round. @param all those of every round so far. */
export function outcomeViolations({ acts }: Plan, round: readonly Ended[], all: readonly Ended[], stable: Readonly<Record<Model, string | undefined>>): readonly string[] {
  const found: string[] = [];
  for (const act of acts) {
    if (act.do !== 'start') continue;
    const { content, probe } = act.wanted;
    const ended = round.find(({ workflowId }) => workflowId === rolloutId(act.wanted));
    if (ended === undefined) found.push(`Intent: nothing is known of ${rolloutId(act.wanted)}`);
    else if (isServed(ended) && (content === 'bad' || content === 'failing' || probe === 'wrong')) found.push(`Verdict: ${ended.workflowId} was served, although its content is ${content} and its probe ${probe}`);
  }
  return [...found, ...MODELS.flatMap((model) => [...newestIsNot(model, round), ...stableIsNot(model, all, stable[model])])];
}

/** Issue 5.2: of several at once exactly the last started goes on; nobody supersedes it. */
function newestIsNot(model: Model, round: readonly Ended[]): readonly string[] {
  const [newest, next] = round.filter((one) => one.model === model && !one.workflowId.startsWith('repair/')).sort((a, b) => b.startedMs - a.startedMs);
  // Within one millisecond none of them is newer.
  if (newest === undefined || (next !== undefined && newest.startedMs - next.startedMs < 2)) return [];
  return newest.verdict.outcome === 'superseded' ? [`Supersession: ${newest.workflowId} was started last and is superseded: ${newest.verdict.message}`] : [];
}

/** What the fleet calls stable is what the newest rollout served that was served at all. */
function stableIsNot(model: Model, all: readonly Ended[], stable: string | undefined): readonly string[] {
  const [newest] = all.filter((one) => one.model === model && one.epoch !== undefined && isServed(one)).sort((a, b) => (b.epoch ?? 0) - (a.epoch ?? 0));
  return newest === undefined || newest.version === stable ? [] : [`Verdict: ${newest.workflowId} was served with the highest epoch, yet stable is ${model}/${stable ?? 'nothing'}`];
}

function isServed({ verdict: { outcome } }: Ended): boolean {
  return outcome === 'served' || outcome === 'alreadyServed';
}
