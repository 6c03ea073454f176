// beginAttempt: raises the token, stops and proves stopped what a lower one was doing, removes what no live attempt owns.

import { fail } from '../domain/failures';
import type { Attempt } from '../domain/host';
import { compareTokens } from '../domain/names';
import { nowMs } from './clock';
import { pause, type Live } from './live';
import { LOOK_EVERY_MS, lookUntilCertain } from './look';
import type { Parts } from './parts';
import { prune } from './prune';
import { refuseUnmanageable } from './server-flags';
import { listedOf } from './view';
import { withdrawCandidate } from './withdraw';
import { tidyPartial } from './tidy';

/** Runs after the fence has opened for this token and the older effect of the model, if any, has ended. Twice is once. */
export async function beginAttempt(parts: Parts, attempt: Attempt, live: Live): Promise<void> {
  const { model, token } = attempt;
  // First, as an abort of the earlier attempt would: also where the server is away, or this attempt is refused.
  const { candidate } = parts.journal.entry(model);
  if (candidate !== undefined && compareTokens(candidate.token, token) < 0) {
    live.report({ step: 'beginAttempt', waiting: `${model}/${candidate.version} of an earlier attempt to leave the list` });
    await withdrawCandidate(parts, model, candidate.token, live);
  }
  refuseReused(parts, attempt);
  await lookUntilCertain(parts, model, live.signal);
  await refuseUnmanageable(parts);
  await untilSeeded(parts, live);
  await parts.list.refuseForeign(model);
  live.assert();
  const { before, promoted } = parts.journal.entry(model);
  // Where the fence raised the token before this agent was seeded.
  if (before?.epoch !== token[0] && parts.journal.seeded) await parts.journal.update(model, (entry) => ({ ...entry, before: { epoch: token[0], version: promoted } }));
  await dropForeignPartial(parts, attempt);
  await tidyPartial(parts, model, 'kept');
  // An attempt that overtook another one does not know yet what was served before both, and so cannot ask for it to be retained.
  const known = parts.journal.entry(model).before?.version;
  await prune(parts, { ...attempt, retain: [...attempt.retain, ...(known === undefined ? [] : [known])] }, live);
}

/** A number that was ever served here stands for that content; where the wanted one is known, nothing need be fetched to see that it is another. */
function refuseReused(parts: Parts, { model, version, digest, allowReuse }: Attempt): void {
  const entry = parts.journal.entry(model);
  const found = version === undefined ? undefined : entry.served[version];
  if (version === undefined || digest === undefined || found === undefined || found === digest) return;
  const inUse = entry.promoted === version || listedOf(entry).includes(version);
  if (allowReuse === true && !inUse) return;
  throw fail('VersionReused', `begin ${model}/${version} on ${parts.server}: want ${digest}, but ${found} ${inUse ? 'is' : 'was'} served here under this number; ${inUse && allowReuse === true ? 'serve another version first, then this one again' : 'give the new content a new number'}`, { version, want: digest, found });
}

/** The fleet says within a second what it has stable; an agent whose fleet does not answer, or does not know enough, refuses. */
const SEEDED_WITHIN_MS = 10_000;

async function untilSeeded({ journal, awaitsSeed }: Parts, live: Live): Promise<void> {
  if (!awaitsSeed) return;
  for (const until = nowMs() + SEEDED_WITHIN_MS; !journal.seeded && nowMs() < until;) {
    live.report({ step: 'beginAttempt', waiting: 'what the fleet has stable, because this agent has no journal' });
    await pause(LOOK_EVERY_MS, live.signal);
  }
}

/** Bytes of another version or listing are of no use to this attempt; which listing it fetches by, a download that begins it finds out. */
async function dropForeignPartial(parts: Parts, attempt: Attempt): Promise<void> {
  const { partial } = parts.journal.entry(attempt.model);
  if (partial === undefined || (partial.version === attempt.version && (partial.pin === attempt.pin || (attempt.begins === true && attempt.pin === undefined)))) return;
  await parts.journal.update(attempt.model, (entry) => ({ ...entry, partial: undefined }));
}
