// What runs until it is told to stop: one shape for a dev server, a worker, an agent, and several of them together.

/** Something that runs until told to stop, or until it fails. */
export interface Running {
  /** Settles when it has ended: resolves after `stop`, rejects when it ended by itself. */
  readonly ended: Promise<void>;
  /** Ends it gracefully and resolves when everything it held is released. May be called more than once. */
  readonly stop: () => Promise<void>;
}

/** Ends when `ended` does or when stopped; either way `cleanUp` runs once, before it counts as ended. It must make `ended` settle. */
export function runningUntil(ended: Promise<void>, cleanUp: () => Promise<void>): Running {
  let cleaning: Promise<void> | undefined;
  const stop = (): Promise<void> => (cleaning ??= cleanUp());
  const whole = ended.then(stop, async (error: unknown) => {
    await stop();
    throw error;
  });
  whole.catch(() => undefined); // whoever waits for `ended` hears it; nobody need wait
  return { ended: whole, stop };
}

/** Stops every part, last started first, when one of them ends; rejects with the failure of the first that failed, after the others are down. */
export function together(parts: readonly Running[]): Running {
  return runningUntil(Promise.race(parts.map((part) => part.ended)), () => stopAll(parts));
}

async function stopAll(parts: readonly Running[]): Promise<void> {
  for (const part of [...parts].reverse()) await part.stop();
}

/** Exit code of a process that a second signal ended at once: 128 + SIGINT, as shells count. */
const ENDED_BY_SIGNAL = 130;

/** Runs until it ends by itself or by SIGTERM or SIGINT. The first signal stops gracefully; a second one ends the process at once. */
export async function untilStopped(running: Running, report: (line: string) => void): Promise<void> {
  let asked = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(ENDED_BY_SIGNAL);
    asked = true;
    report(`${signal}: stopping; again to stop at once`);
    running.stop().catch((error: unknown) => report(`stopping failed: ${String(error)}`));
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    await running.ended;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
