// What a recording knows that cannot be known from outside: which of several models was first in a hash table, and handles its script held without saying so.

import type { ServableId } from '../servable-id';
import type { Entry, Timeline } from './timeline';

const TOLERANCE_MS = 110;

export class Oracle {
  readonly problems: string[] = [];
  readonly #timeline: Timeline;
  readonly #nowMs: () => number;
  readonly #usedChoices = new Set<number>();

  constructor(timeline: Timeline, nowMs: () => number) {
    this.#timeline = timeline;
    this.#nowMs = nowMs;
  }

  /** The entries in the order in which they are played: the server starts before what its start-up shows. */
  inPlayingOrder(earlierMs: number): readonly Entry[] {
    const { entries, phased } = this.#timeline;
    if (phased) return entries;
    const server = entries.find(({ kind }) => kind === 'server');
    const firstAttempt = entries.find(({ kind }) => kind === 'attempt');
    // These print the server> line when start-up is over; loads begin one tick after it began (s003 and others).
    if (server === undefined || firstAttempt === undefined || firstAttempt.line > server.line) return entries;
    const startMs = Math.max(0, firstAttempt.atMs - TICK_MS - earlierMs);
    const before = entries.filter((entry) => entry.line < firstAttempt.line && entry.kind === 'fs');
    const rest = entries.filter((entry) => entry !== server && !before.includes(entry));
    return [...before.map((entry) => ({ ...entry, atMs: Math.min(entry.atMs, startMs) })), { ...server, atMs: startMs }, ...rest];
  }

  /** Among models that are due together: the first of the recording's choice line, else the one whose turn comes first in it. */
  choose(kind: 'load' | 'unload', due: readonly ServableId[]): number {
    const now = this.#nowMs();
    const names = due.map(({ name, version }) => `${name}:${version}`);
    if (this.#timeline.phased) {
      const line = this.#timeline.entries.find((entry) => entry.kind === 'choice' && entry.action === kind && !this.#usedChoices.has(entry.line) && Math.abs(entry.atMs - now) <= TOLERANCE_MS);
      if (line?.kind === 'choice') {
        this.#usedChoices.add(line.line);
        if (line.due.toSorted().join(' ') === names.toSorted().join(' ')) return names.indexOf(line.due[0] ?? '');
        this.problems.push(`line ${line.line}: due here at ${now}: ${names.join(' ')}; recorded at ${line.atMs}: ${line.due.join(' ')}`);
      } else {
        this.problems.push(`at ${now} several models are due to ${kind} (${names.join(' ')}), and the recording has no choice line`);
      }
    }
    return this.#turnIn(kind, due, now);
  }

  /** Choice lines of ties that did not occur here. */
  unusedChoices(): readonly Entry[] {
    return this.#timeline.entries.filter((entry) => entry.kind === 'choice' && !this.#usedChoices.has(entry.line));
  }

  #turnIn(kind: 'load' | 'unload', due: readonly ServableId[], now: number): number {
    const state = kind === 'load' ? 'Loading' : 'Unloading';
    const turns = due.map(({ name, version }) => {
      const text = `{name: ${name} version: ${version}} ${state}`;
      // Of the first loads some recordings show only the attempts.
      const entry = this.#timeline.entries.find((other) => other.atMs >= now - TOLERANCE_MS
        && ((other.kind === 'event' && other.text.startsWith(text)) || (kind === 'load' && other.kind === 'attempt' && other.text.endsWith(`/${name}/${version}`))));
      return entry?.line ?? Number.POSITIVE_INFINITY;
    });
    return turns.indexOf(Math.min(...turns));
  }
}

const TICK_MS = 100;
