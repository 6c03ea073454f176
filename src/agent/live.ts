// What an effect holds while it is allowed to act.

/** The newest news of a step, for heartbeats: {step, bytes, of, mbps, etaSec} where bytes flow, `waiting` where nothing does. */
export type StepReport = Readonly<Record<string, string | number>>;

export interface Live {
  /** Aborted when the caller stops waiting, or when a newer call or an abort takes over. Its reason says which. */
  readonly signal: AbortSignal;
  /** Throws when this effect may not act any more. Called immediately before every irreversible act. */
  readonly assert: () => void;
  readonly report: (details: StepReport) => void;
}

/** The promise, or the signal's reason, whichever comes first. The promise goes on: only for work that others look after, such as a reload in flight. */
export function whileLive<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** Side by side. Settles when all have ended; rejects as the first of them that failed. */
export async function allEnded(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** Resolves after a time; rejects with the signal's reason at once when it is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const stop = (): void => { clearTimeout(timer); reject(signal.reason as Error); };
    const timer = setTimeout(() => { signal.removeEventListener('abort', stop); resolve(); }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}

/** Runs `body` with a signal that also ends after `ms`, with this failure as its reason. The body is left behind then: whatever it still does must ask `assert` first. */
export async function withDeadline<T>(live: Live, ms: number, failure: () => Error, body: (live: Live) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(failure()), Math.max(0, ms));
  const signal = AbortSignal.any([live.signal, late.signal]);
  try {
    return await whileLive(body({ signal, report: live.report, assert: () => { signal.throwIfAborted(); live.assert(); } }), signal);
  } finally {
    clearTimeout(timer);
  }
}
