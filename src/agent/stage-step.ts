// stageVersion: whole, durable, and then visible by one rename.

import { fail } from '../domain/failures';
import type { Attempt } from '../domain/host';
import type { Digest, Version } from '../domain/names';
import type { HeldAgainst } from '../domain/view';
import type { DownloadedFile } from '../source/download';
import { digestOf } from '../source/manifest';
import { nowMs } from './clock';
import type { Live } from './live';
import { lookUntilCertain } from './look';
import { ownPartial } from './own-partial';
import type { Parts } from './parts';
import { hashTree } from './tree';
import { listedOf } from './view';

/** Nothing to do where nothing is verified; the view says so. Equal content that is there already is adopted. Fails as VersionReused where the number means other content. */
export async function stageVersion(parts: Parts, attempt: Attempt, live: Live): Promise<void> {
  const own = await ownPartial(parts, attempt);
  if (own?.record.phase !== 'verified' || own.record.digest === undefined) return;
  const { model } = attempt;
  const { path, version, pin } = own;
  const { digest } = own.record;
  const heldAgainst = summaryOf(own.record.files);
  const there = await contentOf(parts, attempt, version, live);
  if (there !== digest) {
    await refuseReuse(parts, attempt, version, digest, there, live);
    live.report({ step: 'stageVersion', waiting: 'the disk' });
    await parts.store.makeDurable(path, live.signal);
    // Only what no server reads and nobody promoted is replaced, out of sight before the other comes.
    if (there !== undefined) await parts.store.remove(model, version, live.assert);
  }
  live.assert();
  await parts.journal.update(model, (entry) => ({ ...entry, staged: { ...entry.staged, [version]: { digest, pin, heldAgainst } } }));
  if (there !== digest) await parts.store.publish(path, model, version, live.assert);
  // Listed already, its directory was gone: the server takes it up again at its next poll, and what it said of it until now is about the life before.
  if (listedOf(parts.journal.entry(model)).includes(version)) parts.observer.listed(model, version, nowMs());
  await parts.journal.update(model, (entry) => ({ ...entry, partial: undefined }));
  await parts.store.discard(path);
}

/** A verdict travels through history, where ten thousand names have no place. */
const NAMED = 10;

function summaryOf(files: readonly DownloadedFile[]): HeldAgainst {
  const by = new Map<string, string[]>();
  for (const { path, authority = 'size' } of files) by.set(authority, [...by.get(authority) ?? [], path]);
  return Object.fromEntries([...by].map(([authority, paths]) => [authority, paths.length <= NAMED ? paths : [...paths.slice(0, NAMED), `and ${paths.length - NAMED} more`]]));
}

/** What is below this number now: by the journal where it wrote it, else by its bytes. */
async function contentOf(parts: Parts, attempt: Attempt, version: Version, live: Live): Promise<Digest | undefined> {
  if (!await parts.store.has(attempt.model, version)) return undefined;
  return parts.journal.entry(attempt.model).staged[version]?.digest ?? digestOf(await hashTree(parts.store.versionPath(attempt.model, version), live.signal));
}

async function refuseReuse(parts: Parts, attempt: Attempt, version: Version, want: Digest, there: Digest | undefined, live: Live): Promise<void> {
  const { model, server } = attempt;
  const entry = parts.journal.entry(model);
  const refuse = (found: string, why: string): never => {
    throw fail('VersionReused', `stage ${model}/${version} on ${server}: want content ${want}, found ${found}, ${why}; give other content another number`, { version, want, found });
  };
  const served = entry.served[version];
  if (served !== undefined && served !== want && attempt.allowReuse !== true) refuse(served, 'which was served under this number');
  if (there === undefined) return;
  if (entry.promoted === version || listedOf(entry).includes(version)) refuse(there, 'which is listed');
  await lookUntilCertain(parts, model, live.signal);
  const state = parts.observer.state(model, version, nowMs());
  if (state !== undefined && state !== 'END') refuse(there, `which the server still holds (${state})`);
}
