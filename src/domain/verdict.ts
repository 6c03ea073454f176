// How a rollout ended: what CI reads, and what the fleet remembers.

import type { FailureCode } from './failures';
import type { Probed } from './host';
import type { ServerName, Version } from './names';
import type { Proof } from './view';

/** Only served and alreadyServed complete the workflow; every other outcome fails it with the verdict as details. */
export type Outcome = 'served' | 'alreadyServed' | 'rejected' | 'failed' | 'aborted' | 'superseded' | 'rolledBack' | 'cancelled';

export interface ServerVerdict {
  /** What clients of that server get, where we know. */
  readonly version?: Version;
  readonly end: 'served' | 'failed' | 'stopped' | 'notSeen' | 'untouched' | 'wentBack';
  /** What "served" was proven by: without a probe in the request only GetModelMetadata was asked. */
  readonly probed?: Probed;
  readonly proof?: Proof;
}

export interface Verdict {
  readonly outcome: Outcome;
  readonly code?: FailureCode;
  readonly message: string;
  readonly servers: Readonly<Record<ServerName, ServerVerdict>>;
  /** Servers whose agents did not answer. They are fenced before their next use. */
  readonly notSeen: readonly ServerName[];
}

/** The type of the workflow's failure for an outcome that is one; failed and rejected carry their own code. */
export function failureType(verdict: Verdict): string {
  switch (verdict.outcome) {
    case 'aborted': return 'Aborted';
    case 'superseded': return 'Superseded';
    case 'rolledBack': return 'RolledBack';
    default: return verdict.code ?? 'Bug';
  }
}
