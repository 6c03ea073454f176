// The random scenarios' status and handle lines are printed only when they changed: between two of them nothing may have (their README "Lines").

import type { Entry, Timeline } from './timeline';

const AFTER_ACTION_MS = 10;
const FIRST_MS = 525;
const EVERY_MS = 500;
/** A sample was taken when it was due or up to this much later. */
const PRINTED_WITHIN_MS = 15;
/** Around a recorded event the two may differ by the tolerance of its time. */
const FLUX_MS = 115;

/** What was printed of one model, and when its state may be in flux. */
interface Printed {
  readonly status: { readonly atMs: number; readonly text: string }[];
  readonly handle: { readonly atMs: number; readonly text: string }[];
  readonly eventsMs: number[];
  /** From Loading to what follows: a load that waits for handles already serves, and no line says since when (s015). */
  readonly loads: { readonly fromMs: number; toMs: number }[];
}

export interface Sampler {
  readonly instants: readonly number[];
  /** Compares at one instant what is here with what was printed last. */
  compare(atMs: number, ask: (what: 'status' | 'handle', model: string) => string): string[];
}

export function samplerOf({ entries, phased }: Timeline): Sampler {
  const printed = phased ? printedByModel(entries) : new Map<string, Printed>();
  const endMs = entries.findLast(({ kind }) => kind === 'status')?.atMs ?? 0;
  const instants = phased ? instantsUntil(endMs, entries) : [];
  return {
    instants,
    compare: (atMs, ask) => [...printed].flatMap(([model, lines]) => (['status', 'handle'] as const).flatMap((what) => {
      const wanted = lines[what].findLast((line) => line.atMs <= atMs + PRINTED_WITHIN_MS)?.text;
      if (wanted === undefined || inFlux(lines, what, atMs)) return [];
      const found = ask(what, model);
      return found === wanted ? [] : [`at ${atMs} ${what}(${model}) is still "${wanted}" in the recording; here "${found}"`];
    })),
  };
}

function instantsUntil(endMs: number, entries: readonly Entry[]): number[] {
  const instants = new Set<number>();
  for (let atMs = FIRST_MS; atMs < endMs; atMs += EVERY_MS) instants.add(atMs);
  for (const { kind, atMs } of entries) if (kind === 'fs' || kind === 'reload' || kind === 'take' || kind === 'release') instants.add(atMs + AFTER_ACTION_MS);
  return [...instants].filter((atMs) => atMs < endMs).toSorted((a, b) => a - b);
}

function printedByModel(entries: readonly Entry[]): Map<string, Printed> {
  const printed = new Map<string, Printed>();
  const of = (model: string): Printed => {
    const known = printed.get(model) ?? { status: [], handle: [], eventsMs: [], loads: [] };
    printed.set(model, known);
    return known;
  };
  for (const entry of entries) {
    if (entry.kind === 'status' && entry.version === undefined) of(entry.model).status.push({ atMs: entry.atMs, text: entry.text });
    if (entry.kind === 'handle' && entry.spec.version === undefined && entry.spec.label === undefined) of(entry.spec.model).handle.push({ atMs: entry.atMs, text: entry.text });
    if (entry.kind !== 'event') continue;
    const [, model = '', state] = /^\{name: (.*?) version: -?[0-9]+\} (\w+)/.exec(entry.text) ?? [];
    const lines = of(model);
    lines.eventsMs.push(entry.atMs);
    for (const load of lines.loads) if (load.toMs === Number.POSITIVE_INFINITY && (state === 'Available' || state === 'End')) load.toMs = entry.atMs;
    if (state === 'Loading') lines.loads.push({ fromMs: entry.atMs, toMs: Number.POSITIVE_INFINITY });
  }
  return printed;
}

function inFlux(lines: Printed, what: 'status' | 'handle', atMs: number): boolean {
  return lines.eventsMs.some((eventMs) => Math.abs(eventMs - atMs) <= FLUX_MS)
    || (what === 'handle' && lines.loads.some(({ fromMs, toMs }) => fromMs <= atMs && atMs <= toMs));
}
