// Takes a candidate that will not be awaited any more off the list: {A} from {A,B} is the only clean way back (DESIGN §5).

import type { ModelName, Token } from '../domain/names';
import { compareTokens } from '../domain/names';
import type { ModelEntry } from './journal-format';
import { withDeadline, type Live } from './live';
import { wedged } from './look';
import type { Parts } from './parts';
import { without } from './unload-step';

/** Behind a reload that blocks this takes long; shorter than the bound of the activities that call it. */
const withdrawDeadlineMs = 100_000;

/** Candidates of tokens up to `upTo`, never what was promoted. Nothing to do is nothing sent. A wanted later candidate is not touched, however late this runs. */
export async function withdrawCandidate(parts: Parts, model: ModelName, upTo: Token, live: Live): Promise<void> {
  const stale = (entry: ModelEntry): boolean => entry.candidate !== undefined && compareTokens(entry.candidate.token, upTo) <= 0;
  if (!stale(parts.journal.entry(model))) return;
  await withDeadline(live, withdrawDeadlineMs, () => wedged(parts), (inTime) =>
    parts.list.withdraw(model, inTime, (entry) => (entry.candidate !== undefined && stale(entry) ? without(entry, entry.candidate.version) : entry)));
}
