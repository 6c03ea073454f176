// One timeline, checked.

import { differences } from './compare';
import { SCENARIO_PHASES } from './phases';
import { replay } from './replay';
import type { Timeline } from './timeline';

/** Why the simulator does not do what the recording shows; empty if it does. */
export async function check(timeline: Timeline): Promise<string[]> {
  if (timeline.phased) return differences(timeline, await replay(timeline));
  let best: string[] | undefined;
  for (const phase of SCENARIO_PHASES) {
    const found = differences(timeline, await replay(timeline, phase));
    if (best === undefined || found.length < best.length) best = found;
    if (best.length === 0) break;
  }
  return best ?? [];
}
