// What a person and what a program gets: a narrative while it runs, a table at the end, or one line of JSON.

import { STEPS } from '../../domain/host';
import type { ServerName } from '../../domain/names';
import type { AbortFacts, Facts } from './facts';
import { allHold, type DemoVerdict } from './verdicts';

/** Takes one line, or several. */
export type Say = (text: string) => void;

export function tableOf(facts: Facts, verdicts: readonly DemoVerdict[]): string {
  const width = Math.max(...verdicts.map(({ name }) => name.length));
  return [
    ...verdicts.map(({ name, ok, found, notChecked }) => `${ok ? '✔' : '✘'} ${name.padEnd(width)}  ${found}${notChecked === undefined ? '' : `  (NOT CHECKED: ${notChecked})`}`),
    '',
    ...predictionLines(facts),
    ...abortLines(facts.abort),
    ...stepLines(facts),
    ...(facts.load?.examples ?? []),
  ].join('\n');
}

/** The whole as one JSON object on one line. */
export function jsonOf(facts: Facts, verdicts: readonly DemoVerdict[], more: { readonly seconds: number }): string {
  const { load, abort, broken, restart, transitions, servers, broke } = facts;
  return JSON.stringify({
    ok: allHold(verdicts, facts),
    seconds: more.seconds,
    verdicts,
    servers,
    predictions: load === undefined ? { sent: 0, failed: 0, byVersion: {} } : predictionsOf(load),
    ...(abort === undefined ? {} : { abort: abortOf(abort) }),
    rollouts: { v1: facts.v1, v2: facts.v2, v3: facts.v3, v4: broken?.end },
    ...(transitions === undefined ? {} : { transitions }),
    ...(restart === undefined ? {} : { restart: { ...restart, windowMs: restart.answeredAtMs - restart.killedAtMs } }),
    ...(broke === undefined ? {} : { broke }),
  });
}

function predictionsOf(load: NonNullable<Facts['load']>): object {
  const { sent, failed, byVersion, byClient, byReason, latency, perSecondDuringV2, countedByServers, probesByAgents, examples } = load;
  return { sent, failed, byVersion, byClient, byReason, ...latency, perSecondDuringV2, countedByServers, probesByAgents, examples };
}

function abortOf(abort: AbortFacts): object {
  const { outside, stale, good, agents, signaledAtMs, commandAtMs } = abort;
  return {
    ...figuresOf(abort), commandMs: signaledAtMs - commandAtMs,
    proof: { readFrom: outside.readable ? 'kernel' : 'endpoint', outside, stale, good, agents },
  };
}

/** Both counted from the moment Temporal wrote the signal down. */
export function figuresOf({ outside, stale, good, signaledAtMs }: AbortFacts): { readonly stoppedMs?: number; readonly newFirstByteMs?: number } {
  const stoppedAtMs = outside.readable ? outside.goneAtMs : stale.lastClosedAtMs;
  return {
    ...(stoppedAtMs === undefined ? {} : { stoppedMs: stoppedAtMs - signaledAtMs }),
    ...(good.firstByteAtMs === undefined ? {} : { newFirstByteMs: good.firstByteAtMs - signaledAtMs }),
  };
}

function predictionLines({ load }: Facts): readonly string[] {
  if (load === undefined) return [];
  const versions = Object.entries(load.byVersion).map(([version, { sent, failed }]) => `v${version} ${sent} sent, ${failed} failed`);
  const latency = load.latency === undefined ? 'no latency' : `p50 ${load.latency.p50Ms} ms, p99 ${load.latency.p99Ms} ms, max ${load.latency.maxMs} ms`;
  return [`predictions  ${load.sent} sent, ${load.failed} failed: ${versions.join('; ')}`, `latency      ${latency}`];
}

function abortLines(abort: AbortFacts | undefined): readonly string[] {
  if (abort === undefined) return [];
  const { stoppedMs, newFirstByteMs } = figuresOf(abort);
  return [`abort        stopped ${stoppedMs ?? '?'} ms after the signal, first byte of the new ${newFirstByteMs ?? '?'} ms after it (the command itself took ${abort.signaledAtMs - abort.commandAtMs} ms to be heard)`];
}

/** The second rollout, server by server. */
function stepLines({ transitions }: Facts): readonly string[] {
  const rows = Object.entries(transitions ?? {}) as [ServerName, NonNullable<Facts['transitions']>[ServerName]][];
  if (rows.length === 0) return [];
  const head = ['v2, ms', ...STEPS, 'events', 'activities'];
  const lines = rows.map(([server, { stepMs, events, activities }]) => [server, ...STEPS.map((step) => String(stepMs[step] ?? '-')), String(events), String(activities)]);
  const widths = head.map((_, column) => Math.max(...[head, ...lines].map((line) => line[column]?.length ?? 0)));
  return [head, ...lines].map((line) => line.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '));
}
