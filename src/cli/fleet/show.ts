// A fleet in words: as lines, and what changed between two looks as facts one a line.

import type { FleetState, Member, ModelState } from '../../domain/fleet-facts';
import { planFleet } from '../../domain/fleet-plan';
import { driftLines, fleetWaitingText, refusalText } from '../../domain/fleet-status';
import type { ModelFact } from '../../domain/host';
import type { ModelName, ServerName } from '../../domain/names';
import { timeText } from '../../domain/time-text';

export function lines(state: FleetState, nowMs: number): readonly string[] {
  const drift = driftLines(state);
  return [
    `fleet ${state.fleet}: ${count(Object.keys(state.members).length, 'server')}, ${count(Object.keys(state.models).length, 'model')}; times are UTC`,
    ...membersOf(state).map((member) => ` ${memberFact(member)}`),
    ...modelsOf(state).flatMap(([model, one]) => [` ${modelFact(model, one)}`, ...memoryFacts(model, one).map((fact) => `  ${fact}`)]),
    ...(drift.length === 0 ? [' nothing drifted'] : [' drifted:', ...drift.map((line) => `  ${line}`)]),
    ...(state.refusal === undefined ? [] : [` refused: ${refusalText(state.refusal)}`]),
    ...waitFacts(state, nowMs).map((fact) => ` ${fact}`),
  ];
}

/** What is new since `before`, one fact a line: servers, models, what drifted, what it waits for. */
export function changes(before: FleetState | undefined, after: FleetState, nowMs: number): readonly string[] {
  const was = (facts: (state: FleetState) => readonly string[]): readonly string[] => (before === undefined ? [] : facts(before));
  const fresh = (facts: (state: FleetState) => readonly string[]): readonly string[] => {
    const known = new Set(was(facts));
    return facts(after).filter((fact) => !known.has(fact));
  };
  const drift = new Set(driftLines(after));
  return [
    ...fresh((state) => membersOf(state).map(memberFact)),
    ...Object.keys(before?.members ?? {}).filter((server) => after.members[server as ServerName] === undefined).map((server) => `${server}: left the fleet`),
    ...fresh((state) => modelsOf(state).flatMap(([model, one]) => [modelFact(model, one), ...memoryFacts(model, one)])),
    ...fresh(driftLines).map((line) => `drifted: ${line}`),
    ...was(driftLines).filter((line) => !drift.has(line)).map((line) => `no longer so: ${line}`),
    ...fresh((state) => waitFacts(state, nowMs)),
  ];
}

function membersOf({ members }: FleetState): readonly Member[] {
  return Object.values<Member>(members).sort((a, b) => (a.server < b.server ? -1 : 1));
}

function modelsOf({ models }: FleetState): readonly (readonly [ModelName, ModelState])[] {
  return (Object.keys(models) as ModelName[]).sort().map((model) => [model, models[model] ?? {}] as const);
}

function memberFact({ server, zone, models, silentSinceMs, seeded }: Member): string {
  const served = Object.entries<ModelFact>(models ?? {}).flatMap(([model, { version }]) => (version === undefined ? [] : [`${model}/${version}`])).sort();
  const serves = models === undefined ? 'has not said what it serves' : served.length === 0 ? 'serves nothing' : `serves ${served.join(', ')}`;
  return `${server}${zone === undefined ? '' : ` (${zone})`}: ${serves}${silentSinceMs === undefined ? '' : `, silent since ${timeText(silentSinceMs)}`}${seeded === false ? ', unseeded' : ''}`;
}

function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? '' : 's'}`;
}

function modelFact(model: ModelName, { stable, retained, retired, holder, own }: ModelState): string {
  return [
    `${model}: stable ${stable?.version ?? 'nothing'}${retired === undefined ? '' : ' (retired)'}`, `before ${retained?.version ?? 'nothing'}`,
    ...(holder === undefined ? [] : [`held by ${holder.workflowId}`]), ...(own === undefined ? [] : [`${own.why} begins: ${own.workflowId}`]),
  ].join(', ');
}

/** Enough of `sha256:…` to tell digests apart. */
const DIGEST_CHARS = 19;

function memoryFacts(model: ModelName, { knownBad = [], failedRepairs }: ModelState): readonly string[] {
  return [
    ...knownBad.map(({ version, digest, why, atMs }) => `known bad: ${model}/${version} (${digest.slice(0, DIGEST_CHARS)}…) since ${timeText(atMs)}: ${why}`),
    ...(failedRepairs === undefined ? [] : [`${failedRepairs.count} repairs of ${model} failed, the last with ${failedRepairs.last}; the next not before ${timeText(failedRepairs.nextMs)}`]),
  ];
}

function waitFacts(state: FleetState, nowMs: number): readonly string[] {
  return planFleet(state, nowMs).waits.filter(({ on }) => on !== 'wish').map((waiting) => `waits for ${fleetWaitingText(waiting)}`);
}
