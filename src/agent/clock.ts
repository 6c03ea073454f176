// One clock for durations: epoch milliseconds at the start of the process, monotonic from then on, so that a corrected host clock shortens no wait.

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
