// AvailabilityPreservingPolicy: a stateless function from one model's versions to the next action (reference §5 "Policy").

import type { HarnessState } from './harness';

export interface AspiredSnapshot {
  readonly version: bigint;
  readonly state: HarnessState;
  readonly aspired: boolean;
}

export type Action = { readonly kind: 'load' | 'unload'; readonly version: bigint };

/** Unload the lowest un-aspired ready version when that leaves the model served; else load the highest aspired new one. */
export function nextAction(versions: readonly AspiredSnapshot[]): Action | undefined {
  const aspired = versions.filter((version) => version.aspired);
  const goingAndReady = versions.filter((version) => !version.aspired && version.state === 'ready');
  const mayUnload = aspired.length === 0 || aspired.some((version) => version.state === 'ready') || goingAndReady.length > 1;
  const lowest = mayUnload ? lowestOf(goingAndReady) : undefined;
  if (lowest !== undefined) return { kind: 'unload', version: lowest };
  const highest = highestOf(aspired.filter((version) => version.state === 'new'));
  return highest === undefined ? undefined : { kind: 'load', version: highest };
}

function lowestOf(versions: readonly AspiredSnapshot[]): bigint | undefined {
  return versions.reduce<bigint | undefined>((lowest, { version }) => (lowest === undefined || version < lowest ? version : lowest), undefined);
}

function highestOf(versions: readonly AspiredSnapshot[]): bigint | undefined {
  return versions.reduce<bigint | undefined>((highest, { version }) => (highest === undefined || version > highest ? version : highest), undefined);
}
