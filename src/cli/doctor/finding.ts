// One line of the doctor's report.

export interface Finding {
  readonly check: 'server' | 'flags' | 'disk' | 'agent' | 'temporal' | 'clock';
  /** problem: something must be done. note: worth knowing, or it ends by itself. ok: looked at and well. */
  readonly level: 'ok' | 'note' | 'problem';
  readonly what: string;
  /** Of a server: which of the diagnoses it is. */
  readonly cause?: string;
  readonly evidence?: readonly string[];
  /** The next command; UPPER CASE words are to be filled in. */
  readonly next?: string;
}

export function ok(check: Finding['check'], what: string): Finding {
  return { check, level: 'ok', what };
}

export function note(check: Finding['check'], what: string, next?: string): Finding {
  return { check, level: 'note', what, ...(next === undefined ? {} : { next }) };
}

export function problem(check: Finding['check'], what: string, next: string): Finding {
  return { check, level: 'problem', what, next };
}
