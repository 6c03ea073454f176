// A recording against what the simulator did: order and texts exactly, times to one tick (test/data/tfserving-core-fuzz/README.md "Tolerance").

import type { Replayed } from './replay';
import type { Happened, ReloadOutcome } from './stage';
import type { Entry, Timeline } from './timeline';

/** One tick of the manager, and what two clocks may differ by beside it. */
const TICK_MS = 100;
const JITTER_MS = 10;
/** Lines of one instant. */
const INSTANT_MS = 3;

/** Why this is not the same behaviour, in the order of the recording; empty if it is. */
export function differences(timeline: Timeline, replayed: Replayed): string[] {
  return [
    ...compareCreation(timeline, replayed),
    ...compareHappened(timeline, replayed),
    ...compareReloads(timeline, replayed.reloads),
    ...compareSamples(timeline, replayed),
    ...replayed.sampleProblems,
    ...replayed.choiceProblems,
  ];
}

function compareCreation({ entries }: Timeline, { created }: Replayed): string[] {
  const recorded = entries.find((entry) => entry.kind === 'created');
  if (recorded?.kind !== 'created') return created === undefined ? [] : [`start-up returned ${created.text}; in the recording it does not return`];
  if (created === undefined) return [`line ${recorded.line}: start-up returned ${recorded.text}; here it does not return`];
  if (differ(created.text, recorded.text)) return [`line ${recorded.line}: start-up returned ${recorded.text}; here ${created.text}`];
  return late(recorded, created.atMs) ? [`line ${recorded.line}: start-up returned at ${recorded.atMs}; here at ${round(created.atMs)}`] : [];
}

/** Model by model: its events, loader attempts and error logs. Between models of one instant the order means nothing. */
function compareHappened(timeline: Timeline, replayed: Replayed): string[] {
  const recorded = recordedByModel(timeline);
  const begins = replayed.created?.atMs ?? 0;
  // The scenarios' recordings show the events only from the end of start-up on, loader attempts and logs always.
  const seen = replayed.happened.filter(({ text, atMs }) => (timeline.phased ? !text.startsWith('log E: ') || KEPT_LOGS.test(text) : !text.startsWith('event ') || atMs > begins));
  // After the end of the recording, and after all that it shows came of it here, anything may happen.
  const answeredMs = Math.max(0, ...replayed.reloads.map(({ answer }) => answer?.atMs ?? 0));
  const endMs = Math.max((timeline.entries.at(-1)?.atMs ?? 0) + INSTANT_MS, answeredMs);
  const models = new Set([...recorded.keys(), ...seen.map(({ model }) => model)]);
  return [...models].flatMap((model) => {
    const here = seen.filter((line) => line.model === model);
    return compareSequence(model, recorded.get(model) ?? [], here, endMs);
  });
}

/** Other error logs were left out of the random scenarios' recordings. */
const KEPT_LOGS = /^log E: (Loading servable:|Servable \{|Reserving resources|Internal error|Error removing|Unloading)/;

interface Line { readonly atMs: number; readonly line: number; readonly text: string }

function compareSequence(model: string, recorded: readonly Line[], here: readonly Happened[], endMs: number): string[] {
  for (let index = 0; index < Math.max(recorded.length, here.length); index += 1) {
    const wanted = recorded[index];
    const found = here[index];
    if (wanted === undefined && found !== undefined && found.atMs > endMs) return [];
    if (wanted === undefined) return [`${model}: at ${round(found?.atMs)} "${found?.text}", which the recording does not have`];
    if (found === undefined) return [`line ${wanted.line}: ${model}: at ${wanted.atMs} "${wanted.text}"; here nothing more`];
    if (differ(wanted.text, found.text)) return [`line ${wanted.line}: ${model}: at ${wanted.atMs} "${wanted.text}"; here at ${round(found.atMs)} "${found.text}"`];
    if (late(wanted, found.atMs)) return [`line ${wanted.line}: ${model}: "${wanted.text}" at ${wanted.atMs}; here at ${round(found.atMs)}`];
  }
  return [];
}

function recordedByModel(timeline: Timeline): Map<string, Line[]> {
  const byModel = new Map<string, Line[]>();
  const basePaths = basePathOwners(timeline);
  /** The model whose Loading of that version came last. */
  const lastLoading = new Map<string, string>();
  for (const entry of timeline.entries) {
    if (entry.kind !== 'event' && entry.kind !== 'attempt' && entry.kind !== 'log') continue;
    const model = modelOf(entry, basePaths, lastLoading);
    const text = entry.kind === 'attempt' ? entry.text : entry.kind === 'event' ? `event ${entry.text}` : `log E: ${entry.text}`;
    byModel.set(model, [...(byModel.get(model) ?? []), { atMs: entry.atMs, line: entry.line, text }]);
  }
  return byModel;
}

function basePathOwners({ entries }: Timeline): Map<string, Set<string>> {
  const owners = new Map<string, Set<string>>();
  for (const entry of entries) {
    if (entry.kind !== 'server' && entry.kind !== 'reload') continue;
    for (const [, name = '', path = ''] of entry.config.matchAll(/name: ?['"]([^'"]*)['"] base_path: ?['"]([^'"]*)['"]/g)) {
      owners.set(path, (owners.get(path) ?? new Set()).add(name));
    }
  }
  return owners;
}

/** An attempt's line has only a path; where two models share a base path, it belongs to the one that began to load that version last. */
function modelOf(entry: Entry & { kind: 'event' | 'attempt' | 'log' }, basePaths: ReadonlyMap<string, ReadonlySet<string>>, lastLoading: Map<string, string>): string {
  const named = /\{name: (.*?) version: (-?[0-9]+)\} ?(\w*)/.exec(entry.text);
  if (entry.kind !== 'attempt') {
    if (named?.[3] === 'Loading') lastLoading.set(named[2] ?? '', named[1] ?? '');
    return named?.[1] ?? '';
  }
  const path = entry.text.replace(/^loader attempt [0-9]+ /, '');
  const slash = path.lastIndexOf('/');
  const owners = [...(basePaths.get(path.slice(0, slash)) ?? [])];
  if (owners.length === 1) return owners[0] ?? '';
  return lastLoading.get(String(Number(path.slice(slash + 1)))) ?? owners[0] ?? '';
}

/** A result belongs to the reload> line that was asked when it says (its time minus what it took). */
function compareReloads({ entries }: Timeline, reloads: readonly ReloadOutcome[]): string[] {
  const asked = entries.filter((entry) => entry.kind === 'reload');
  const open = new Set(asked.map((_entry, index) => index));
  const problems: string[] = [];
  for (const entry of entries) {
    if (entry.kind !== 'reloaded' && entry.kind !== 'blocked') continue;
    const askedMs = entry.atMs - (entry.kind === 'reloaded' ? entry.tookMs : entry.forMs);
    const nearest = [...open].toSorted((a, b) => Math.abs((asked[a]?.atMs ?? 0) - askedMs) - Math.abs((asked[b]?.atMs ?? 0) - askedMs) || a - b)[0];
    const outcome = nearest === undefined ? undefined : reloads[nearest];
    if (nearest === undefined || outcome === undefined) {
      problems.push(`line ${entry.line}: a result of no reload`);
      continue;
    }
    open.delete(nearest);
    problems.push(...compareReload(entry, outcome));
  }
  // The scenarios do not always print the result of a call that is blocked at the end.
  for (const index of open) {
    const outcome = reloads[index];
    if (outcome?.answer !== undefined) problems.push(`line ${asked[index]?.line}: this reload has no result in the recording; here ${outcome.answer.text} at ${round(outcome.answer.atMs)}`);
  }
  return problems;
}

function compareReload(entry: Entry & { kind: 'reloaded' | 'blocked' }, { askedMs, answer }: ReloadOutcome): string[] {
  if (entry.kind === 'blocked') return answer === undefined ? [] : [`line ${entry.line}: this reload is still blocked in the recording; here ${answer.text} at ${round(answer.atMs)}`];
  if (answer === undefined) return [`line ${entry.line}: reload -> ${entry.text}; here still blocked`];
  if (differ(answer.text, entry.text)) return [`line ${entry.line}: reload -> ${entry.text}; here ${answer.text}`];
  const tookMs = answer.atMs - askedMs;
  return late(entry, answer.atMs) || Math.abs(tookMs - entry.tookMs) > TICK_MS + JITTER_MS
    ? [`line ${entry.line}: reload took ${entry.tookMs} ms, until ${entry.atMs}; here ${round(tookMs)} ms, until ${round(answer.atMs)}`] : [];
}

function compareSamples({ entries }: Timeline, { samples }: Replayed): string[] {
  return entries.flatMap((entry) => {
    if (entry.kind !== 'status' && entry.kind !== 'handle' && entry.kind !== 'taken' && entry.kind !== 'anyBlocked') return [];
    const wanted = entry.kind === 'anyBlocked' ? String(entry.blocked) : entry.text;
    const found = samples.get(entry.line);
    return found !== undefined && !differ(found, wanted) ? [] : [`line ${entry.line}: ${entry.kind} at ${entry.atMs}: "${wanted}"; here "${found}"`];
  });
}

/** The recordings lost the blanks at line ends. */
function differ(a: string, b: string): boolean {
  return a.trimEnd() !== b.trimEnd();
}

function late({ atMs }: { readonly atMs: number }, foundMs: number): boolean {
  return Math.abs(foundMs - atMs) > TICK_MS + JITTER_MS;
}

function round(ms: number | undefined): string {
  return ms === undefined ? '-' : ms.toFixed(1);
}
