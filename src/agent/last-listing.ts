// The listing this agent makes or made last, kept for a few seconds: the download of the rollout it was made for need not list again.

import type { ModelName, Pin } from '../domain/names';
import type { SourceRef } from '../domain/source';
import type { SourceListing } from '../source/listing';
import { orAbort } from '../source/watchdog';
import { nowMs } from './clock';

/** From a rollout's question to the download it leads to is a second; older ones are not trusted to be the world. */
const FRESH_MS = 10_000;

export class LastListing {
  #last: { readonly of: string; readonly listing: SourceListing; readonly atMs: number } | undefined;
  #running: { readonly of: string; readonly ended: Promise<void> } | undefined;

  /** Lists, and keeps what comes. */
  async make(model: ModelName, source: SourceRef, list: () => Promise<SourceListing>): Promise<SourceListing> {
    const of = JSON.stringify([model, source]);
    const made = list();
    const running = { of, ended: made.then(() => undefined, () => undefined) };
    this.#running = running;
    try {
      const listing = await made;
      this.#last = { of, listing, atMs: nowMs() };
      return listing;
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
  }

  /** Until one of this source that is under way has ended, however it does. */
  async underWay(model: ModelName, source: SourceRef, signal: AbortSignal): Promise<void> {
    if (this.#running?.of === JSON.stringify([model, source])) await orAbort(this.#running.ended, signal);
  }

  /**
   * Once, and only where an object that was replaced since cannot be taken for the one listed: each is fetched by its ETag (SourceChanged otherwise).
   * @param pin nothing: whatever was listed
   */
  take(model: ModelName, source: SourceRef, pin: Pin | undefined): SourceListing | undefined {
    const last = this.#last;
    if (last === undefined || last.of !== JSON.stringify([model, source]) || (pin !== undefined && last.listing.resolved.pin !== pin)) return undefined;
    this.#last = undefined;
    return nowMs() - last.atMs <= FRESH_MS && last.listing.files.every(({ etag }) => etag !== undefined) ? last.listing : undefined;
  }
}
