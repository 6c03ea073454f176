// A fleet as lines of text.

import type { FleetState, Member, ModelState } from '../../domain/fleet';
import { planFleet } from '../../domain/fleet-plan';
import { driftLines, fleetWaitingText } from '../../domain/fleet-status';
import type { ModelFact } from '../../domain/host';
import { timeText } from '../../domain/time-text';

export function fleetLines(state: FleetState, nowMs: number): readonly string[] {
  const members = Object.values<Member>(state.members).sort((a, b) => (a.server < b.server ? -1 : 1));
  const models = Object.entries<ModelState>(state.models).sort(([a], [b]) => (a < b ? -1 : 1));
  const drift = driftLines(state);
  const { waits } = planFleet(state, nowMs);
  return [
    `fleet ${state.fleet}: ${members.length} servers, ${models.length} models`,
    ...members.map(memberLine),
    ...models.flatMap(([model, one]) => modelLines(model, one)),
    ...(drift.length === 0 ? [' nothing drifted'] : [' drifted:', ...drift.map((line) => `  ${line}`)]),
    ...waits.filter(({ on }) => on !== 'wish').map((one) => ` waits for ${fleetWaitingText(one)}`),
  ];
}

function memberLine({ server, zone, models, silentSinceMs, seeded }: Member): string {
  const serves = models === undefined ? 'has not said what it serves' : Object.entries<ModelFact>(models).map(([model, { version }]) => `${model}/${version ?? 'nothing'}`).join(', ') || 'serves nothing';
  return ` ${server}${zone === undefined ? '' : ` (${zone})`}: ${serves}${silentSinceMs === undefined ? '' : `, silent since ${timeText(silentSinceMs)}`}${seeded === false ? ', unseeded' : ''}`;
}

function modelLines(model: string, { stable, retained, holder, own, knownBad = [], failedRepairs }: ModelState): readonly string[] {
  return [
    ` ${model}: stable ${stable?.version ?? 'nothing'}, before ${retained?.version ?? 'nothing'}${holder === undefined ? '' : `, held by ${holder.workflowId}`}${own === undefined ? '' : `, about to ${own.why} by ${own.workflowId}`}`,
    ...knownBad.map(({ version, digest, why, atMs }) => `  known bad: ${version} (${digest.slice(0, 19)}…), ${timeText(atMs)}: ${why}`),
    ...(failedRepairs === undefined ? [] : [`  ${failedRepairs.count} repairs failed, the last with ${failedRepairs.last}; next at ${timeText(failedRepairs.nextMs)}`]),
  ];
}
