// Latencies as people quote them.

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Nearest rank: a value that really occurred. Nothing without values. */
export function percentile(sorted: readonly number[], percent: number): number | undefined {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}

export function latencyOf(valuesMs: readonly number[]): Latency | undefined {
  const sorted = [...valuesMs].sort((a, b) => a - b);
  const [p50, p99, max] = [percentile(sorted, 50), percentile(sorted, 99), sorted.at(-1)];
  return p50 === undefined || p99 === undefined || max === undefined ? undefined : { p50Ms: tenth(p50), p99Ms: tenth(p99), maxMs: tenth(max) };
}

function tenth(ms: number): number {
  return Math.round(ms * 10) / 10;
}
