// Every wait has a name, a number and a reason.

import type { Step } from './host';
import type { TransitionInput } from './transition-io';

/** A polling agent takes a task within milliseconds; a host that has not after this is not there now, and the rollout must not hang on it. */
export const SCHEDULE_TO_START_SECONDS = 15;
/** Agents send a heartbeat each half second; twenty missed ones mean the process is gone or hung. The fence makes a wrong guess harmless. */
export const HEARTBEAT_TIMEOUT_SECONDS = 10;
/** What may pass by itself (a bucket or server that does not answer, an agent that restarts) gets about half a minute of tries; then a person or the policy decides. */
export const HOST_MAX_ATTEMPTS = 6;
/** Going back is tried again where a restart or a lost answer came between; what fails three times needs a person, and the verdict says so. */
export const MAX_BACK_ATTEMPTS = 3;
/** Listing 10,000 objects takes seconds; a bucket that needs longer than this is not reachable in any useful sense. */
export const RESOLVE_SECONDS = 60;
/** Stopping takes milliseconds; the rest is for a reload queued behind a blocked one, and for an agent that is just restarting. */
export const ABORT_SECONDS = 120;
/** Begin also stops the attempt before it and removes directories. */
export const BEGIN_SECONDS = 180;
/** A new name is registered within a poll and known names answer in milliseconds; longer means the server's config lock is held. */
export const RELOAD_SECONDS = 120;
/** Around a wait that has its own deadline, so that the step ends with its own failure and not with Temporal's. */
export const SLACK_SECONDS = 60;
/** Below a mebibyte per second a model is not fetched in any useful time; small models still get this long. */
export const FETCH_SLACK_SECONDS = 900;
export const FETCH_FLOOR_BYTES_PER_SECOND = 1 << 20;
/** Where nobody has said yet how many bytes there are. The agent, which lists them, ends by itself what takes longer than they allow, and a heartbeat that is missed ends it too. */
export const UNLISTED_FETCH_SECONDS = 24 * 3600;
/** Hashing and fsync on the slowest disk worth serving from. */
export const DISK_SLACK_SECONDS = 300;
export const DISK_FLOOR_BYTES_PER_SECOND = 10 << 20;
/** Steps are told to the rollout one by one only in fleets up to this size: each costs it up to four events, and its history stays below 2,600. */
export const MAX_SERVERS_TOLD_STEP_BY_STEP = 40;
/** A fleet continues as new near this many events: replay of more would near the task time-out on a cold cache. */
export const FLEET_HISTORY_EVENTS = 1000;
/** How long a fleet that has nothing to remember stays, so that an announcement or a claim under way finds it. */
export const EMPTY_FLEET_SECONDS = 10;
/** A fleet answers within milliseconds; one that has not for so long will not, and whoever waits for the rollout must hear it. */
export const CLAIM_SECONDS = 300;
/** The verdict is told to the fleet for this long; a fleet that never heard it fences the hosts before their next use. */
export const SETTLE_SECONDS = 300;
/** How often a rollout looks whether a transition ended without its being told: only a reset can do that, and a look costs a few events. */
export const UNTOLD_SECONDS = 120;
/** Twice as long each time, up to this: a bake of a month costs its rollout some 2,000 events for it, and a run has room for 51,200. */
export const LONGEST_UNTOLD_SECONDS = 4 * 3600;
/** An end on its way is told within milliseconds. */
export const TOLD_WITHIN_SECONDS = 10;
/** Starting a workflow takes milliseconds; a Temporal that does not take it for so long is away, and the fleet plans again. */
export const START_OWN_SECONDS = 120;
/** One small question to Temporal for each agent. */
export const CHECK_POLLERS_SECONDS = 120;

/** From schedule to close of one step, seconds. */
export function stepSeconds(step: Step, input: Pick<TransitionInput, 'loadDeadlineSeconds' | 'drainSeconds' | 'unloadDeadlineSeconds'> & { readonly bytes?: number | undefined }): number {
  const bytes = input.bytes ?? 0;
  switch (step) {
    case 'downloadVersion': return input.bytes === undefined ? UNLISTED_FETCH_SECONDS : FETCH_SLACK_SECONDS + Math.ceil(bytes / FETCH_FLOOR_BYTES_PER_SECOND);
    case 'verifyVersion': case 'stageVersion': return DISK_SLACK_SECONDS + Math.ceil(bytes / DISK_FLOOR_BYTES_PER_SECOND);
    case 'reloadConfig': return RELOAD_SECONDS;
    case 'awaitAvailable': return input.loadDeadlineSeconds + SLACK_SECONDS;
    case 'drainVersion': return input.drainSeconds + SLACK_SECONDS;
    case 'unloadVersion': return input.unloadDeadlineSeconds + SLACK_SECONDS;
  }
}
