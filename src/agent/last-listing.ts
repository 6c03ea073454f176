// The listing this agent made last, kept for a few seconds: the download of the rollout it was made for need not list again.

import type { ModelName, Pin } from '../domain/names';
import type { SourceRef } from '../domain/source';
import type { SourceListing } from '../source/listing';
import { nowMs } from './clock';

/** From a rollout's question to the download it leads to is a second; older ones are not trusted to be the world. */
const FRESH_MS = 10_000;

export class LastListing {
  #last: { readonly of: string; readonly listing: SourceListing; readonly atMs: number } | undefined;

  keep(model: ModelName, source: SourceRef, listing: SourceListing): void {
    this.#last = { of: JSON.stringify([model, source]), listing, atMs: nowMs() };
  }

  /** Once, and only where an object that was replaced since cannot be taken for the one listed: each is fetched by its ETag (SourceChanged otherwise). */
  take(model: ModelName, source: SourceRef, pin: Pin | undefined): SourceListing | undefined {
    const last = this.#last;
    if (last === undefined || pin === undefined || last.of !== JSON.stringify([model, source]) || last.listing.resolved.pin !== pin) return undefined;
    this.#last = undefined;
    return nowMs() - last.atMs <= FRESH_MS && last.listing.files.every(({ etag }) => etag !== undefined) ? last.listing : undefined;
  }
}
