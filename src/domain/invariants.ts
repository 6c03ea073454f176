// What holds at every instant, as sentences about one server and one model (DESIGN §11). Exploration and schedules ask them of every state they reach.

import type { Version } from './names';
import type { Mode } from './request';
import { isServing } from './transition';
import type { ModelView } from './view';

/** A sentence that does not hold, in words; nothing when it does. */
export type Violation = string | undefined;

/** Once some version was AVAILABLE there is at every instant one, until the server itself fails. */
export function isAvailable(view: ModelView): Violation {
  return Object.values(view.states).includes('AVAILABLE') ? undefined : `Availability: no version is AVAILABLE, states are ${JSON.stringify(view.states)}`;
}

/** In resource mode at most one version takes memory. */
export function takesMemoryOnce(view: ModelView): Violation {
  const taking = (Object.keys(view.states) as Version[]).filter((version) => view.states[version] !== 'END' && view.states[version] !== 'START');
  return taking.length <= 1 ? undefined : `Resource: ${taking.join(' and ')} take memory at once`;
}

/** A new candidate is listed only when the stale one is END or was never started. */
export function loadsOneCandidate(view: ModelView): Violation {
  const loading = (Object.keys(view.states) as Version[]).filter((version) => view.states[version] === 'LOADING');
  return loading.length <= 1 ? undefined : `One candidate: ${loading.join(' and ')} load at once`;
}

/** What is listed or booted is on the disk, always. */
export function isOnDisk(view: ModelView): Violation {
  const missing = [...view.aspired, ...(view.promoted === undefined ? [] : [view.promoted])].filter((version) => view.staged[version] === undefined);
  return missing.length === 0 ? undefined : `Order: ${missing.join(', ')} listed or promoted, and not on the disk`;
}

/** The version is served, alone. */
export function servesOnly(version: Version, view: ModelView): Violation {
  return isServing(version, view) && view.aspired.length === 1 ? undefined : `Verdict: ${version} was said to be served; listed are ${view.aspired.join(', ') || 'none'}, promoted is ${view.promoted ?? 'none'}`;
}

/** Nothing of the version is left: not listed, not promoted, not on its way in the server. */
export function isGone(version: Version, view: ModelView): Violation {
  const state = view.states[version];
  const left = view.aspired.includes(version) || view.promoted === version || (state !== undefined && state !== 'END');
  return left ? `Verdict: ${version} was said to be gone; listed are ${view.aspired.join(', ') || 'none'}, its state is ${state ?? 'none'}` : undefined;
}

/** What holds of a view in this mode at every instant. */
export function violationOf(mode: Mode, served: boolean, view: ModelView): Violation {
  return (mode === 'availability' ? (served ? isAvailable(view) : undefined) : takesMemoryOnce(view)) ?? loadsOneCandidate(view) ?? isOnDisk(view);
}
