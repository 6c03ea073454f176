// What runs until it is told to stop: one shape for a dev server, a worker, an agent, and several of them together.

/** Something that runs until told to stop, or until it fails. */
export interface Running {
  /** Settles when it has ended: resolves after `stop`, rejects when it ended by itself. */
  readonly ended: Promise<void>;
  /** Ends it gracefully and resolves when everything it held is released. May be called more than once. */
  readonly stop: () => Promise<void>;
}

/** Stops every part, last started first; the first part that fails is what the whole rejects with, after the others are down. */
export function together(parts: readonly Running[]): Running {
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= stopAll(parts));
  const ended = Promise.race(parts.map((part) => part.ended)).then(stop, async (error: unknown) => {
    await stop();
    throw error;
  });
  return { ended, stop };
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
