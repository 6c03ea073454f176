// How far and how fast: what a heartbeat says of bytes on their way.

import { nowMs } from './clock';
import type { Live } from './live';

const meterEveryMs = 250; // Heartbeats go out each half second; between them nobody looks.

/** @param of bytes wanted. Called with the bytes there are. */
export function rateMeter(step: 'downloadVersion' | 'verifyVersion', of: number, live: Live): (bytes: number) => void {
  const startedMs = nowMs();
  let began: number | undefined;
  let saidMs = 0;
  return (bytes) => {
    began ??= bytes;
    const atMs = nowMs();
    if (atMs - saidMs < meterEveryMs && bytes < of) return;
    saidMs = atMs;
    const perSecond = ((bytes - began) * 1000) / Math.max(1, atMs - startedMs);
    live.report({ step, bytes, of, mbps: round(perSecond / 1e6), ...(perSecond > 0 ? { etaSec: Math.ceil((of - bytes) / perSecond) } : {}) });
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
