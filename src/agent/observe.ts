// What the server's history means now. GetModelStatus keeps an entry per number for the life of the process, so what it says may be about an earlier life of that number (DESIGN §3).

import type { ModelName, Version } from '../domain/names';
import type { ServableState } from '../domain/view';
import type { ModelStatus, VersionStatus } from '../serving/client';

interface Seen extends VersionStatus {
  /** Since when the state is unchanged, as far as we looked. */
  readonly sinceMs: number;
}

interface Aspiration {
  readonly listed: boolean;
  readonly sinceMs: number;
  /** A state other than END was seen since it was listed: from then on END is about this aspiration. */
  readonly moved: boolean;
}

/** Times are given, never read: milliseconds of one clock. */
export class Observer {
  readonly #seen = new Map<ModelName, Map<Version, Seen>>();
  readonly #aspirations = new Map<string, Aspiration>();
  readonly #pollMs: number;
  /** After this the server has seen what the last list left out: its next poll, a manager tick and a margin. Named again earlier, the version was never gone for it, and a failed one is never tried again (TF Serving reference §5, §11.16). */
  readonly noticedAfterMs: number;

  /** @param pollSeconds the server's --file_system_poll_wait_seconds. */
  constructor(pollSeconds: number) {
    this.#pollMs = pollSeconds * 1000;
    this.noticedAfterMs = this.#pollMs + 300;
  }

  /** A list with this version, that did not have it before, is about to be sent. */
  listed(model: ModelName, version: Version, atMs: number): void {
    this.#aspirations.set(key(model, version), { listed: true, sinceMs: atMs, moved: false });
  }

  /** A list without it was accepted. */
  unlisted(model: ModelName, version: Version, atMs: number): void {
    this.#aspirations.set(key(model, version), { listed: false, sinceMs: atMs, moved: true });
  }

  /** A look at the server. What is not in it any more was another process's history. */
  record(model: ModelName, status: ModelStatus, atMs: number): void {
    const before = this.#seen.get(model);
    const now = new Map<Version, Seen>();
    for (const [version, one] of status === 'unknown model' ? [] : status) {
      const last = before?.get(version);
      now.set(version, { ...one, sinceMs: last?.state === one.state ? last.sinceMs : atMs });
      const aspiration = this.#aspirations.get(key(model, version));
      if (aspiration?.moved === false && one.state !== 'END') this.#aspirations.set(key(model, version), { ...aspiration, moved: true });
    }
    this.#seen.set(model, now);
  }

  /** The state of this aspiration; nothing where the server has not begun with it, or never had it. */
  state(model: ModelName, version: Version, atMs: number): ServableState | undefined {
    const seen = this.#seen.get(model)?.get(version);
    if (seen === undefined) return undefined;
    const aspiration = this.#aspirations.get(key(model, version));
    // The END of an earlier life; or a load so quick that we saw nothing else, which two polls and a second must have shown.
    if (seen.state === 'END' && aspiration?.moved === false && atMs - aspiration.sinceMs < 2 * this.#pollMs + 1000) return undefined;
    // Un-aspired before its load began: forgotten silently, the entry stays START for ever (TF Serving reference §6).
    if (seen.state === 'START' && aspiration?.listed !== true && atMs - Math.max(seen.sinceMs, aspiration?.sinceMs ?? 0) >= this.noticedAfterMs) return 'END';
    return seen.state;
  }

  /** The newest entry as the server gave it, and since when. */
  entry(model: ModelName, version: Version): Seen | undefined {
    return this.#seen.get(model)?.get(version);
  }

  /** Every version the server has a history of. */
  versions(model: ModelName): readonly Version[] {
    return [...(this.#seen.get(model)?.keys() ?? [])];
  }
}

function key(model: ModelName, version: Version): string {
  return `${model}/${version}`;
}
