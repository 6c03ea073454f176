// Who may act on a model: the token in the journal decides, and one effect per model at a time (DESIGN §5, §11 Exclusion).

import { fail, type SegueError } from '../domain/failures';
import type { Attempt } from '../domain/host';
import { compareTokens, formatToken, type ModelName, type Token } from '../domain/names';
import { nowMs } from './clock';
import type { Journal } from './journal';
import type { ModelEntry } from './journal-format';
import type { Live } from './live';

export interface Caller {
  readonly signal: AbortSignal;
  readonly report: Live['report'];
}

interface Running {
  readonly attempt: Attempt;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

export class Fence {
  readonly #running = new Map<ModelName, Running>();
  /** Also those that were told to stop and have not ended. */
  readonly #effects = new Set<Running>();
  readonly #ended = new Map<ModelName, { readonly attempt: Attempt; readonly atMs: number }>();
  /** Tokens that are just being opened or closed: what they stopped is ending, and is being looked at. */
  readonly #taking = new Map<ModelName, Promise<unknown>>();
  /** Why nothing begins any more. */
  #closed: Error | undefined;

  /** @param onOvertaken called when the running effect of a lower token has ended, before the greater one's begins: the only moment at which what is left is the lower one's. */
  constructor(private readonly journal: Journal, private readonly onOvertaken: (lower: Attempt) => Promise<void> = () => Promise.resolve()) {}

  /** Runs one effect of an open attempt, after stopping and awaiting an older one of the same model. Lower or closed: StaleAttempt, nothing is touched. */
  async run<T>(attempt: Attempt, caller: Caller, effect: (live: Live) => Promise<T>): Promise<T> {
    this.#assertOpen(attempt);
    return this.exclusively(attempt, caller, () => this.#assertOpen(attempt), effect);
  }

  /** Journals a greater token as open; an equal open one is left as it is. Lower or closed: StaleAttempt. */
  async open(attempt: Attempt): Promise<void> {
    const { token, open } = this.journal.entry(attempt.model);
    const order = compareTokens(attempt.token, token);
    if (order < 0 || (order === 0 && !open)) throw this.#stale(attempt);
    // `lost` belongs to the token that listed it: a greater one is a new decision by somebody.
    if (order > 0) await this.#take(attempt, { open: true, lost: undefined });
  }

  /** Journals the token as closed, raising it where it never began here. A lower one is closed already, and so may this one be. */
  async close(attempt: Attempt): Promise<void> {
    const { token, open } = this.journal.entry(attempt.model);
    const order = compareTokens(attempt.token, token);
    if (order < 0) return;
    if (order > 0 || open) await this.#take(attempt, { open: false });
    else await this.journal.update(attempt.model, (entry) => entry); // Whoever closed it may still be writing that.
  }

  /** What may not act any more is stopped while the disk is still told so, and also where that fails: beside a busy download the journal's write takes up to a tenth of a second. */
  async #take(attempt: Attempt, over: Pick<ModelEntry, 'open'> & Partial<ModelEntry>): Promise<void> {
    const { model } = attempt;
    if (this.#closed !== undefined) throw this.#closed; // The journal may be another agent's by now.
    const unseen = this.#unseenBelow(attempt);
    const written = this.journal.update(model, (entry) => ({ ...this.#raised(entry, attempt.token), ...over }));
    const stopped = this.#stopOlder(this.#running.get(model), attempt, (older) => this.#stale(older)).then(() => (unseen === undefined ? undefined : this.onOvertaken(unseen)));
    const taking = Promise.all([written, stopped]);
    this.#taking.set(model, taking);
    try {
      await taking;
    } finally {
      if (this.#taking.get(model) === taking) this.#taking.delete(model);
    }
  }

  /** A lower attempt whose abort closed it, and stopped its effect, and may not have looked yet at what is left: once a greater one has begun, nobody can. */
  #unseenBelow({ model, token }: Attempt): Attempt | undefined {
    const { token: lower, open } = this.journal.entry(model);
    if (open || this.#running.has(model) || compareTokens(lower, token) >= 0) return undefined;
    const last = this.#ended.get(model)?.attempt;
    return last !== undefined && compareTokens(last.token, lower) === 0 ? last : undefined;
  }

  /** A new epoch is a new rollout: what is promoted now is what it would go back to, whatever its attempts promote. An agent that is not seeded does not know, and asks again. */
  #raised(entry: ModelEntry, token: Token): ModelEntry {
    return { ...entry, token, ...(token[0] > entry.token[0] ? { before: this.journal.seeded ? { epoch: token[0], version: entry.promoted } : undefined } : {}) };
  }

  isOvertaken(attempt: Attempt): boolean {
    return compareTokens(attempt.token, this.journal.entry(attempt.model).token) < 0;
  }

  /** The newest call wins: it stops the older, and begins when the older has really ended. */
  async exclusively<T>(attempt: Attempt, caller: Caller, assert: () => void, effect: (live: Live) => Promise<T>): Promise<T> {
    const { model } = attempt;
    const older = this.#running.get(model);
    let end: () => void = () => undefined;
    const mine: Running = { attempt, stop: new AbortController(), ended: new Promise((resolve) => { end = resolve; }) };
    this.#running.set(model, mine);
    this.#effects.add(mine);
    const signal = AbortSignal.any([caller.signal, mine.stop.signal]);
    try {
      await this.#stopOlder(older, attempt, () => fail('StaleAttempt', `${model}: stopped, because a newer call took over`, { model }));
      if (this.#closed !== undefined) throw this.#closed;
      const live: Live = { signal, report: caller.report, assert: () => { signal.throwIfAborted(); assert(); } };
      live.assert();
      return await effect(live);
    } finally {
      if (this.#running.get(model) === mine) this.#running.delete(model);
      this.#effects.delete(mine);
      this.#ended.set(model, { attempt, atMs: nowMs() });
      end();
    }
  }

  async #stopOlder(older: Running | undefined, attempt: Attempt, reason: (older: Attempt) => Error): Promise<void> {
    if (older === undefined) return;
    older.stop.abort(reason(older.attempt));
    await older.ended;
    if (compareTokens(older.attempt.token, attempt.token) < 0) await this.onOvertaken(older.attempt);
  }

  /** Until no effect of this token or a lower one is left, and what it left was looked at. Stops nothing: only for a token that was overtaken, whose effects are being stopped. */
  async untilEnded({ model, token }: Attempt): Promise<void> {
    const mine = [...this.#effects].filter((one) => one.attempt.model === model && compareTokens(one.attempt.token, token) <= 0);
    await Promise.all([...mine.map((one) => one.ended), this.#taking.get(model)?.catch(() => undefined)]);
  }

  /** Since when nothing acts on the model; undefined while something does. 0: nothing did in this process. */
  quietSinceMs(model: ModelName): number | undefined {
    return [...this.#effects].some((one) => one.attempt.model === model) ? undefined : this.#ended.get(model)?.atMs ?? 0;
  }

  /** At the end of the agent: stops everything and awaits it. */
  async stopAll(reason: Error): Promise<void> {
    this.#closed = reason;
    const all = [...this.#running.values()];
    for (const one of all) one.stop.abort(reason);
    await Promise.all(all.map((one) => one.ended));
  }

  #assertOpen(attempt: Attempt): void {
    const { token, open } = this.journal.entry(attempt.model);
    if (compareTokens(attempt.token, token) !== 0 || !open) throw this.#stale(attempt);
  }

  #stale(attempt: Attempt): SegueError {
    const { token, open } = this.journal.entry(attempt.model);
    const found = `${formatToken(token)} ${open ? 'open' : 'closed'}`;
    return fail('StaleAttempt', `${attempt.model} on ${attempt.server}: attempt ${formatToken(attempt.token)} may not act, the journal holds ${found}`, { model: attempt.model, server: attempt.server, token: formatToken(attempt.token), found, holds: token });
  }
}
