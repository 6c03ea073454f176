// A model server run as the agent's own child: started when its boot file is there, started again when it dies or must be restarted, ended with the agent.

import { fail } from '../domain/failures';
import { startChild, type Child } from './child-process';

export interface SuperviseOptions {
  /** The model server's program and its flags: `['tensorflow_model_server', '--port=8500', …]`. */
  readonly command: readonly string[];
  /** A line for people: it died, it is started again. */
  readonly report: (line: string) => void;
  /** Takes each line the server prints. */
  readonly onLine: (line: string) => void;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs?: number;
}

export interface SupervisedServer {
  /** Of the process that runs now; absent between two of them. */
  readonly pid: number | undefined;
  /** Ends the process, if one runs, and starts another. Resolves when the old one is gone. */
  restart(why: string): Promise<void>;
  /** Ends it for good. */
  stop(): Promise<void>;
}

const GRACE_MS = 5_000;
/** A server that dies at once is started again this much later, then twice as late each time: a crash loop must not be a busy loop. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** Whoever ran for so long did not die of its start. */
const STEADY_MS = 60_000;

/** Fails as InvalidInput where the program cannot be started at all. */
export async function superviseServer(options: SuperviseOptions): Promise<SupervisedServer> {
  const [program = '', ...args] = options.command;
  let stopping = false;
  let child: Child | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  let again: NodeJS.Timeout | undefined;
  let restarting: Promise<void> | undefined;

  const start = async (): Promise<void> => {
    const startedMs = performance.now();
    const mine = await startChild({ name: program, command: program, args, graceMs: options.graceMs ?? GRACE_MS, onLine: options.onLine });
    child = mine;
    mine.ended.catch((error: unknown) => {
      if (child === mine) child = undefined;
      if (stopping || restarting !== undefined) return;
      pauseMs = performance.now() - startedMs > STEADY_MS ? FIRST_PAUSE_MS : pauseMs;
      options.report(`${firstLine(error)}; started again in ${pauseMs} ms`);
      startAgainIn(pauseMs);
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    });
  };
  const startAgainIn = (ms: number): void => {
    again = setTimeout(() => {
      start().catch((error: unknown) => { options.report(`${program}: ${firstLine(error)}; tried again in ${LONGEST_PAUSE_MS} ms`); startAgainIn(LONGEST_PAUSE_MS); });
    }, ms);
  };
  const restartNow = async (why: string): Promise<void> => {
    clearTimeout(again);
    options.report(`${program} is restarted: ${why}`);
    await child?.stop();
    child = undefined;
    if (!stopping) await start();
  };

  try {
    await start();
  } catch (error) {
    throw fail('InvalidInput', `-- ${program}: cannot be started: ${firstLine(error)}; give the path of the model server's program after --`, { path: '--', command: program }, error);
  }
  return {
    get pid() { return child?.pid; },
    restart: (why) => (restarting ??= restartNow(why).finally(() => { restarting = undefined; })),
    stop: async () => {
      stopping = true;
      clearTimeout(again);
      await restarting?.catch(() => undefined);
      await child?.stop();
    },
  };
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
}
