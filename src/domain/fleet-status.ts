// What a person is shown of a fleet: by `segue fleet get` and on its page in the Temporal UI.

import type { FleetState, Member, ModelState } from './fleet-facts';
import { behindOf, type FleetPlan, type FleetWaiting } from './fleet-plan';
import type { ModelFact } from './host';
import type { ModelName } from './names';
import { timeText } from './time-text';

/** More rows than this would not fit the page; the rest is counted. */
const MAX_ROWS = 15;

/** Something that is not as it was left, in one sentence. */
export function driftLines(state: FleetState): readonly string[] {
  const behind = (Object.keys(state.models) as ModelName[]).sort().flatMap((model) => behindOf(state, model));
  const fleetSays = behind.map(({ server, model, want, serves, drift, sinceMs }) => `${server}: ${model}: ${drift === undefined ? `serves ${serves ?? 'nothing'}, ${want === undefined ? 'the model is retired' : `stable is ${want.version}`}` : `${drift.what}: ${drift.detail}`}, since ${timeText(drift?.sinceMs ?? sinceMs)}; the fleet repairs it`);
  const agentSays = Object.values<Member>(state.members).flatMap(({ server, models = {} }) => Object.entries<ModelFact>(models).flatMap(([model, { drift }]) => (
    drift?.repair === 'agent' ? [`${server}: ${model}: ${drift.what}: ${drift.detail}, since ${timeText(drift.sinceMs)}; its agent repairs it`] : [])));
  const silent = Object.values<Member>(state.members).flatMap(({ server, silentSinceMs }) => (silentSinceMs === undefined ? [] : [`${server}: its agent does not poll, since ${timeText(silentSinceMs)}; nothing is known of it, and nothing is done`]));
  const unseeded = Object.values<Member>(state.members).flatMap(({ server, seeded }) => (seeded === false ? [`${server}: its agent lost its journal and does not know what the server lists; nothing is reloaded until it does (segue adopt)`] : []));
  return [...fleetSays, ...agentSays, ...silent, ...unseeded];
}

export function fleetDetails(state: FleetState, plan: FleetPlan): string {
  const members = Object.keys(state.members).sort();
  const models = Object.entries<ModelState>(state.models);
  const drift = driftLines(state);
  return [
    `**${state.fleet}** · ${members.length} servers: ${members.slice(0, 20).join(', ')}${members.length > 20 ? ' …' : ''}`, '',
    '| model | stable | before | held by |', '| --- | --- | --- | --- |',
    ...models.slice(0, MAX_ROWS).map(([model, { stable, retained, holder, own }]) => `| ${model} | ${stable?.version ?? '-'} | ${retained?.version ?? '-'} | ${holder?.workflowId ?? own?.workflowId ?? '-'} |`),
    ...(models.length > MAX_ROWS ? [`| … and ${models.length - MAX_ROWS} more | | | |`] : []),
    ...(drift.length === 0 ? [] : ['', '**Drifted**', ...drift.slice(0, MAX_ROWS).map((line) => `- ${line}`), ...(drift.length > MAX_ROWS ? [`- … and ${drift.length - MAX_ROWS} more`] : [])]),
    ...(state.refusal === undefined ? [] : ['', `**Refused** ${refusalText(state.refusal)}`]),
    ...(plan.waits.every(({ on }) => on === 'wish') ? [] : ['', `waits for ${plan.waits.slice(0, 5).map(fleetWaitingText).join('; ')}`]),
  ].join('\n');
}

/** A verb that came by signal had nobody to answer. */
export function refusalText({ verb, message, atMs }: NonNullable<FleetState['refusal']>): string {
  return `${verb}, at ${timeText(atMs)}: ${message}`;
}

export function fleetWaitingText(waiting: FleetWaiting): string {
  switch (waiting.on) {
    case 'rollout': return `${waiting.holder}, which holds ${waiting.model}`;
    case 'claim': return `${waiting.of} to claim ${waiting.model}`;
    case 'repair': return `the repair of ${waiting.model} on ${waiting.servers.slice(0, 5).join(', ')}, at ${timeText(waiting.untilMs)}`;
    case 'silent': return `the agents of ${waiting.servers.slice(0, 5).join(', ')}, which are silent`;
    case 'wish': return 'a wish';
  }
}
