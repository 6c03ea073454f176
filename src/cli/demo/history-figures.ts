// Figures of one transition, read from its history: how long each step took, how many events and activities it cost.

import { STEPS, type Step } from '../../domain/host';

/** The little of a history event that is needed here. */
export interface HistoryEvent {
  readonly eventId: number;
  readonly atMs: number;
  /** An activity was scheduled: its type and its task queue. */
  readonly scheduled?: { readonly activity: string; readonly taskQueue: string };
  /** An activity completed: the event that scheduled it, and what it returned. */
  readonly completed?: { readonly scheduledEventId: number; readonly result?: unknown };
}

export interface TransitionFigures {
  readonly events: number;
  readonly activities: number;
  /** From scheduled to completed; a step that ran more than once counts in sum. */
  readonly stepMs: Readonly<Partial<Record<Step, number>>>;
  /** Predicts that the agent sent to prove a version. */
  readonly probes: number;
}

export function figuresOf(events: readonly HistoryEvent[]): TransitionFigures {
  const stepMs: Partial<Record<Step, number>> = {};
  let probes = 0;
  for (const { completed, atMs } of events) {
    if (completed === undefined) continue;
    const begun = events.find((event) => event.eventId === completed.scheduledEventId);
    const step = STEPS.find((one) => one === begun?.scheduled?.activity);
    if (step === undefined || begun === undefined) continue;
    stepMs[step] = (stepMs[step] ?? 0) + atMs - begun.atMs;
    if (step === 'awaitAvailable' && isProbedByPredict(completed.result)) probes += 1;
  }
  return { events: events.length, activities: events.filter((event) => event.scheduled !== undefined).length, stepMs, probes };
}

function isProbedByPredict(result: unknown): boolean {
  return typeof result === 'object' && result !== null && 'probed' in result && result.probed === 'predict';
}
