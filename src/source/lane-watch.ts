// Looks at all lanes a few times in each idle time-out: one that is silent, or below the floor, or far behind the others, is ended, and its part goes on over a new connection. One timer for
// all, because a timer set and cleared at every read costs more than the read (performance reference §1). Limits as in watchdog.ts.

import type { Lane } from './lane';
import { StallError } from './trouble';
import { FLOOR_BYTES_PER_SECOND, FLOOR_WINDOW_MS, IDLE_TIMEOUT_MS } from './watchdog';
import type { WatchdogLimits } from './watchdog';

const LOOKS_PER_TIMEOUT = 8;
const MAX_LOOK_MS = 1_000;
/** A lane this many times slower than the median of the others is on a bad path or a bad host; a new connection usually is not. */
const SLOW_FACTOR = 8;
/** Longer than any congestion window takes to open. */
const SLOW_WINDOW_MS = 10_000;
/** With so few a median says nothing. */
const SLOW_MIN_LANES = 4;

export interface WatchedLane {
  readonly lane: Lane;
  /** "byte 5 of 9" of what is under way. */
  readonly progress: () => string;
  /** Goes on over another connection, without it counting as a try. */
  readonly replace: () => void;
}

interface Seen {
  readonly exchange: number;
  /** Waited since the last byte. */
  silentMs: number;
  lastByteMs: number;
  /** Of waiting for the source, in this window. */
  waitedMs: number;
  bytes: number;
  slowMs: number;
  slowBytes: number;
  lastBodyBytes: number;
}

export class LaneWatch {
  readonly #limits: Required<WatchdogLimits>;
  readonly #lanes: readonly WatchedLane[];
  readonly #seen = new Map<WatchedLane, Seen>();
  readonly #everyMs: number;
  readonly #timer: NodeJS.Timeout;
  #lookedMs = performance.now();

  constructor(lanes: readonly WatchedLane[], limits: WatchdogLimits) {
    this.#lanes = lanes;
    this.#limits = {
      idleTimeoutMs: limits.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      floorBytesPerSecond: limits.floorBytesPerSecond ?? FLOOR_BYTES_PER_SECOND,
      floorWindowMs: limits.floorWindowMs ?? FLOOR_WINDOW_MS,
    };
    this.#everyMs = Math.min(MAX_LOOK_MS, Math.max(10, Math.min(this.#limits.idleTimeoutMs, this.#limits.floorWindowMs) / LOOKS_PER_TIMEOUT));
    this.#timer = setInterval(() => this.#look(), this.#everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    // What arrived while this process itself was held up has not been read yet: no fault of the source's.
    const sinceMs = Math.min(nowMs - this.#lookedMs, 2 * this.#everyMs);
    this.#lookedMs = nowMs;
    const rates: { readonly watched: WatchedLane; readonly perSecond: number }[] = [];
    for (const watched of this.#lanes) {
      const { lane } = watched;
      const seen = this.#seen.get(watched);
      if (seen?.exchange !== lane.exchanges) {
        // Another request: many small ones are slow for other reasons.
        this.#seen.set(watched, { exchange: lane.exchanges, silentMs: 0, lastByteMs: lane.lastByteMs, lastBodyBytes: lane.bodyBytes, waitedMs: 0, bytes: 0, slowMs: 0, slowBytes: 0 });
        continue;
      }
      const bytes = lane.bodyBytes - seen.lastBodyBytes;
      seen.lastBodyBytes = lane.bodyBytes;
      seen.bytes += bytes;
      seen.slowBytes += bytes;
      if (!lane.waiting) continue;
      seen.silentMs = seen.lastByteMs === lane.lastByteMs ? seen.silentMs + sinceMs : 0;
      seen.lastByteMs = lane.lastByteMs;
      seen.waitedMs += sinceMs;
      seen.slowMs += sinceMs;
      const why = this.#reason(seen, watched.progress);
      if (why !== undefined) {
        Object.assign(seen, { waitedMs: 0, bytes: 0, slowMs: 0, slowBytes: 0 });
        lane.destroy(why);
      } else if (seen.slowMs >= SLOW_WINDOW_MS) rates.push({ watched, perSecond: seen.slowBytes / seen.slowMs });
    }
    if (rates.length === 0) return;
    const median = rates.map(({ perSecond }) => perSecond).sort((a, b) => a - b)[Math.floor(rates.length / 2)] ?? 0;
    for (const { watched, perSecond } of rates) {
      Object.assign(this.#seen.get(watched) ?? {}, { slowMs: 0, slowBytes: 0 });
      if (rates.length >= SLOW_MIN_LANES && perSecond * SLOW_FACTOR < median) watched.replace();
    }
  }

  #reason(seen: Seen, progress: () => string): StallError | undefined {
    const { idleTimeoutMs, floorBytesPerSecond, floorWindowMs } = this.#limits;
    if (seen.silentMs >= idleTimeoutMs) return new StallError(`stalled at ${progress()}: nothing for ${idleTimeoutMs} ms`);
    if (seen.waitedMs < floorWindowMs) return undefined;
    const perSecond = (seen.bytes / seen.waitedMs) * 1000;
    Object.assign(seen, { waitedMs: 0, bytes: 0 });
    return perSecond < floorBytesPerSecond ? new StallError(`stalled at ${progress()}: ${perSecond.toFixed(0)} bytes/s, less than ${floorBytesPerSecond}`) : undefined;
  }
}
