// abortAttempt: nothing of this token acts any more, and here is the proof.

import { fail } from '../domain/failures';
import type { Attempt } from '../domain/host';
import { compareTokens } from '../domain/names';
import type { Proof } from '../domain/view';
import { nowMs } from './clock';
import type { Live } from './live';
import type { Parts, Stop } from './parts';
import { readProof } from './proof';
import { tidyPartial } from './tidy';
import { withdrawCandidate } from './withdraw';

/** Runs after the token was closed and the running effect of the model has ended. Bytes that are whole stay, for a later attempt. The load inside the server ends by itself; its END is awaited by a later step. */
export async function abortAttempt(parts: Parts, attempt: Attempt, stop: Stop, live: Live): Promise<Proof> {
  live.report({ step: 'abortAttempt', waiting: 'the candidate to leave the list' });
  await withdrawCandidate(parts, attempt.model, attempt.token, live);
  stop.stoppedMs ??= nowMs() - stop.calledMs;
  await tidyPartial(parts, attempt.model, 'gone');
  const proof = await readProof(parts, attempt, stop.stoppedMs);
  // Journalled as gone, and not yet known to be gone in the server: that is no proof. A later call gives it.
  if (proof.aspired) throw fail('ServerUnreachable', `abort ${attempt.model}/${attempt.version} on ${parts.server}: stopped, but the model server does not answer (${parts.list.doubt ?? 'no doubt'}), so it is not certain that its list is without the version`, { server: parts.server });
  stop.proof = proof;
  return proof;
}

/** A second call for the same token and version asks about the same stop. */
export function stopOf({ stops }: Parts, { model, token, version }: Attempt): Stop {
  const known = stops.get(model);
  const order = known === undefined ? 1 : compareTokens(token, known.token);
  if (known !== undefined && order === 0 && known.version === version) return known;
  const stop: Stop = { token, version, calledMs: order === 0 ? known?.calledMs ?? nowMs() : nowMs() };
  if (order >= 0) stops.set(model, stop);
  return stop;
}
