// What the process ends with, so that CI can tell the ends of a rollout apart without reading a word.

/** 2 is kept for plan. */
export const EXIT = {
  /** The version is served, or the verb was done. */
  ok: 0,
  usage: 1,
  /** Refused, or failed before anything changed. */
  rejected: 3,
  /** Aborted, superseded or cancelled. */
  stopped: 4,
  rolledBack: 5,
  /** What was waited for was not over at the time-out. */
  stillRunning: 6,
  noTemporal: 7,
  /** Something was looked at and is not as it must be. */
  verification: 8,
} as const;

/** Ends the command with this code after saying why on stderr. Not a bug: a verb that knows how it ends. */
export class Exit extends Error {
  override readonly name = 'Exit';
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
