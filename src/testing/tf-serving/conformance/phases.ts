// When the periodic threads of a recorded server ran.

import type { CoreOptions } from '../core';

export type Phase = NonNullable<CoreOptions['phase']> & {
  /** How much earlier than the recording lets us think the server began. */
  readonly earlierMs: number;
};

/** The random scenarios' README: polls at 100, 1100, … ms, ticks at 50, 150, … ms, no drift. */
export const RANDOM_PHASE: Phase = { firstTickMs: 50, firstPollMs: 100, tickLateMs: 0, pollLateMs: 0, earlierMs: 0 };

/**
 * The other scenarios began both threads with the server, and each wake-up came a little late, by how much is not recorded. Their scripts act at whole
 * seconds too, so it decides whether a poll comes before or after an action: the first of these that gives the recording is taken.
 */
export const SCENARIO_PHASES: readonly [Phase, ...Phase[]] = [
  scenarioPhase(0, 0.2, 0.05), scenarioPhase(0, 0.2, 1), scenarioPhase(3, 0.2, 0.05), scenarioPhase(0, 0.6, 2), scenarioPhase(3, 0.2, 1),
  scenarioPhase(0, 0.6, 4), scenarioPhase(0, 0.02, 0.4), scenarioPhase(0, 1, 0.05), scenarioPhase(6, 0.6, 1),
  scenarioPhase(3, 2, 2), scenarioPhase(0, 2, 8), scenarioPhase(0, 2, 0.5),
];

function scenarioPhase(earlierMs: number, tickLateMs: number, pollLateMs: number): Phase {
  return { firstTickMs: 0, firstPollMs: 0, tickLateMs, pollLateMs, earlierMs };
}
