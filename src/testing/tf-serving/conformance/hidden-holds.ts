// Handles that a scenario's script held without printing it: found by the only thing they can cause, a swap that waits (reference §5, s014, s015).

import type { Entry, Timeline } from './timeline';

export interface HiddenHold {
  readonly id: string;
  /** The line before which the handle is taken: the last change of the list before the swap. */
  readonly takenBefore: number;
  readonly takenMs: number;
  /** The line before which it is released: the first of what the release set free. */
  readonly releasedBefore: number;
  readonly releasedMs: number;
}

/** Unloading takes no time and a load takes what its directory says; what takes much longer waits for a handle. */
export function hiddenHolds({ title, entries, phased }: Timeline): HiddenHold[] {
  // Only where the author speaks of one: anything else that comes late is a difference.
  if (phased || !/handle|drain|held|hold|in.?flight|request/i.test(title) || entries.some(({ kind }) => kind === 'take')) return [];
  const events = entries.flatMap((entry) => (entry.kind === 'event' ? [entry] : []));
  return events.flatMap((begun, index): HiddenHold[] => {
    const [, id = '', state] = EVENT.exec(begun.text) ?? [];
    const ended = events.slice(index + 1).find(({ text }) => text.startsWith(id));
    if (ended === undefined) return [];
    const waits = (state === 'Unloading' && EVENT.exec(ended.text)?.[2] === 'End') || (state === 'Loading' && EVENT.exec(ended.text)?.[2] === 'Available');
    const longestMs = state === 'Loading' ? loadMs(entries, begun, ended) : 0;
    if (!waits || longestMs === undefined || ended.atMs - begun.atMs <= longestMs + SLACK_MS) return [];
    const before = entries.findLast((entry) => entry.kind === 'reload' && entry.line < begun.line);
    const after = events.find((event) => event.line > begun.line && event.atMs >= ended.atMs - INSTANT_MS);
    if (before === undefined || after === undefined) return [];
    return [{ id: `hidden ${begun.line}`, takenBefore: before.line, takenMs: before.atMs, releasedBefore: after.line, releasedMs: after.atMs }];
  });
}

const EVENT = /^(\{name: .*? version: -?[0-9]+\}) (\w+)/;
/** A script that holds a handle holds it for seconds. */
const SLACK_MS = 500;
/** Lines of one instant in the recordings. */
const INSTANT_MS = 3;

/** What the load takes by itself; undefined when it was tried again, which has a time of its own. */
function loadMs(entries: readonly Entry[], begun: Entry, ended: Entry): number | undefined {
  const attempts = entries.filter((entry) => entry.kind === 'attempt' && entry.line > begun.line && entry.line < ended.line);
  const first = attempts[0];
  if (first?.kind !== 'attempt' || !first.text.startsWith('loader attempt 1 ')) return undefined;
  const path = first.text.slice('loader attempt 1 '.length);
  if (attempts.some((attempt) => attempt.kind === 'attempt' && attempt.text.endsWith(` ${path}`) && attempt !== first)) return undefined;
  const told = entries.findLast((entry) => entry.kind === 'fs' && entry.line < begun.line && 'behaviour' in entry.action && entry.action.path === path);
  const behaviour = told?.kind === 'fs' && 'behaviour' in told.action ? told.action.behaviour : '';
  return Number(/sleep=([0-9]+)/.exec(behaviour)?.[1] ?? 0);
}
