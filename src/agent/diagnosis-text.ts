// A diagnosis in words, for logs and failures.

import type { Diagnosis } from '../domain/diagnosis';
import type { Parts } from './parts';

/** What stands at this moment, for the text of a failure. */
export function diagnosisText(parts: Pick<Parts, 'diagnoses'>): string {
  const [first] = parts.diagnoses.current;
  return first === undefined ? '' : `; ${lineOf(first)}`;
}

export function lineOf(one: Diagnosis): string {
  return `${one.cause}: ${one.meaning}: ${one.evidence.join('; ')}`;
}
