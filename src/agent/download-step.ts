// downloadVersion: bytes into staging, under a name no server can see. Resumes what an earlier attempt left of the same listing.

import { endpointAllowed } from '../domain/endpoints';
import { fail, isOfTheListing, SegueError } from '../domain/failures';
import type { Attempt } from '../domain/host';
import { isServing } from '../domain/transition';
import { formatToken, type Version } from '../domain/names';
import type { SourceRef } from '../domain/source';
import { downloadFiles, type DownloadedFile } from '../source/download';
import { isOneArchive, listSource, type SourceListing } from '../source/listing';
import { signaturesOf, type Signatures } from '../source/signature';
import { linkEqualFiles } from '../source/reuse';
import { SocketLedger } from '../source/sockets';
import { beginAttempt } from './begin-step';
import { diskFailure, onDiskUntil } from './disk-failure';
import type { Live } from './live';
import { ownPartial, takePartial } from './own-partial';
import { bytesOf, readPartialRecord } from './partial-record';
import type { Parts } from './parts';
import { rateMeter } from './rate';
import { RecordKeeper } from './record-keeper';
import { assertRoom, giveBack } from './room';
import { allocated, hashFile, sizeOf } from './tree';
import { discardPartial } from './tidy';
import { unpackFetched } from './unpack';
import { viewOf } from './view';

/** The archive itself was signed. */
const NOT_AGAIN: Signatures = { policy: 'off', keys: [] };

/** The first call of an attempt that nobody has looked for yet: where the version is served, as it may be by now, its bytes are not asked for. */
export async function beginWithDownload(parts: Parts, attempt: Attempt, live: Live): Promise<void> {
  await beginAttempt(parts, attempt, live);
  const { model, version } = attempt;
  if (version !== undefined && parts.journal.entry(model).promoted === version) {
    const view = await viewOf(parts, model, version, live.signal);
    if (isServing(version, view) && view.staged[version] !== undefined) return discardPartial(parts, model, live);
  }
  try {
    await downloadVersion(parts, attempt, live);
  } catch (error) {
    // By a listing of its own this host says nothing about the source: the one that is chosen for all may be another, and its failure names what is wrong.
    if (attempt.pin !== undefined || live.signal.aborted || !(error instanceof SegueError) || !isOfTheListing(error.code)) throw error;
    parts.log(`${model}/${version}: what this host listed by itself could not be fetched: ${error.message}`, { model, version: version ?? '' });
  }
}

/** Listing and bytes on this agent's credentials. Nothing is touched where the version is whole already. */
export async function downloadVersion(parts: Parts, attempt: Attempt, live: Live): Promise<void> {
  const { model, version, source } = attempt;
  if (version === undefined) throw new Error('downloadVersion without a version');
  if (source === undefined) throw fail('SourceMissing', `download ${model}/${version} on ${parts.server}: it is no longer on this disk, and nobody said where it came from; start a rollout of it with its source`, { server: parts.server });
  refuseForeignEndpoint(parts, source);
  if (await isWhole(parts, attempt)) return;
  const ledger = ledgerOf(parts, attempt);
  await parts.downloads.run(live.signal, (ahead) => live.report({ step: 'downloadVersion', waiting: 'a download slot of this host', ahead }), async () => {
    const options = { signal: live.signal, sockets: ledger, ...(parts.credentialsDir === undefined ? {} : { credentialsDir: parts.credentialsDir }) };
    live.report({ step: 'downloadVersion', waiting: 'the listing' });
    if (attempt.pin === undefined) await parts.listed.underWay(model, source, live.signal);
    const listing = parts.listed.take(model, source, attempt.pin) ?? await listSource(source, { ...options, signatures: signaturesOf(parts.signatures, model) });
    assertWanted(parts, attempt, listing);
    const { pin, bytes: of, digest } = listing.resolved;
    // Its manifest says what whoever gave no pin had not been told either: these bytes are staged already.
    if (attempt.pin === undefined && digest !== undefined && digest === parts.journal.entry(model).staged[version]?.digest && await parts.store.has(model, version)) return discardPartial(parts, model, live);
    const path = parts.store.stagingPath(model, version, pin);
    live.assert();
    await takePartial(parts, model, { version, pin });
    const have = await onDiskUntil(live.signal, `search this disk for files of ${model}/${version}`, () => onThisDisk(parts, attempt, path, listing, live));
    const here = new Set(have.map((file) => file.path));
    const coming = listing.files.filter((file) => !here.has(file.path));
    await assertRoom(parts, attempt, await Promise.all(coming.map(async (file) => ({ path: file.path, size: Math.max(0, file.size - await allocated(path, file.path)) }))));
    const record = new RecordKeeper(path, { version, pin, of, files: have, phase: 'fetching', writer: parts.processId });
    try {
      const rate = rateMeter('downloadVersion', of, live);
      const files = await downloadFiles(source, listing, path, { ...options, behind: true, have, onProgress: rate, onFile: (file) => record.add(file), onBody: ({ by, why }) => { if (by === 'sdk') parts.log(`${model}/${version}: bodies come over the SDK: ${why}`, { model, version }); } });
      live.assert();
      const [archive] = isOneArchive(listing.files) ? files : [];
      const whole = archive === undefined ? files : await unpackFetched(attempt, path, archive, listing.signedBy === undefined ? signaturesOf(parts.signatures, model) : NOT_AGAIN, (bytes) => assertRoom(parts, attempt, [{ path: '', size: bytes }]), live);
      live.assert();
      await record.finish({ version, pin, of: bytesOf(whole), files: whole, phase: 'fetched', writer: parts.processId });
    } catch (error) {
      await record.quiet();
      throw live.signal.aborted ? error : await giveBack(parts, attempt, path, coming, diskFailure(error, `download ${model}/${version}`));
    } finally {
      await record.quiet(); // Nothing of this attempt writes after it ended.
    }
  });
}

/** No socket exists yet. */
export function refuseForeignEndpoint(parts: Pick<Parts, 'server' | 'allowEndpoints'>, source: SourceRef): void {
  if (endpointAllowed(source.endpoint, parts.allowEndpoints)) return;
  throw fail('EndpointNotAllowed', `${parts.server}: want one of ${parts.allowEndpoints.join(', ')}, found ${source.endpoint ?? 'aws'}`, { server: parts.server, want: parts.allowEndpoints, found: source.endpoint ?? 'aws' });
}

/** Staged, or all bytes there of the wanted listing: nothing to fetch. Where that is not known yet, bytes may be those of the source that was given up. */
async function isWhole(parts: Parts, attempt: Attempt): Promise<boolean> {
  const { model, version, pin, digest } = attempt;
  if (version === undefined) return false;
  const entry = parts.journal.entry(model);
  const staged = entry.staged[version];
  if (staged !== undefined && (digest === undefined ? staged.pin === pin : staged.digest === digest) && await parts.store.has(model, version)) return true;
  if (pin === undefined && attempt.begins === true) return false;
  const own = await ownPartial(parts, attempt);
  return own !== undefined && own.record.phase !== 'fetching';
}

function ledgerOf(parts: Parts, attempt: Attempt): SocketLedger {
  const held = parts.ledgers.get(attempt.model);
  if (held !== undefined && formatToken(held.token) === formatToken(attempt.token)) return held.ledger;
  const ledger = new SocketLedger();
  parts.ledgers.set(attempt.model, { token: attempt.token, ledger });
  return ledger;
}

/** The pin is what the rollout resolved; the digest what a version is, for ever. */
function assertWanted(parts: Parts, attempt: Attempt, listing: SourceListing): void {
  const what = `${attempt.model}/${attempt.version} from ${attempt.source?.uri} at ${attempt.source?.endpoint ?? 'aws'}`;
  const { pin, digest } = listing.resolved;
  if (attempt.pin !== undefined && attempt.pin !== pin) throw fail('SourceChanged', `${what}: the objects changed since the rollout looked: want ${attempt.pin}, found ${pin}`, { want: attempt.pin, found: pin });
  if (attempt.digest !== undefined && digest !== undefined && attempt.digest !== digest) throw fail('IntegrityMismatch', `${what}: want ${attempt.digest}, its manifest says ${digest}`, { want: attempt.digest, found: digest });
  if (listing.resolved.files === 0) throw fail('SourceMissing', `${what}: no files`, { server: parts.server });
}

/** What need not be fetched: left by an earlier attempt, or equal in another version of the model, whose bytes are hashed now. */
async function onThisDisk(parts: Parts, attempt: Attempt, path: string, listing: SourceListing, live: Live): Promise<readonly DownloadedFile[]> {
  const left = await believable(path, listing, parts.processId, live);
  const versions = Object.keys(parts.journal.entry(attempt.model).staged).map((version) => parts.store.versionPath(attempt.model, version as Version));
  if (listing.manifest !== undefined && versions.length > 0) live.report({ step: 'downloadVersion', waiting: 'the versions on this disk to be searched for equal files', bytes: bytesOf(left) });
  const linked = await linkEqualFiles(listing, versions, path, { signal: live.signal, except: new Set(left.map((file) => file.path)), behind: true });
  const authority = listing.signedBy === undefined ? 'manifest' as const : 'signature' as const; // Which is how they were known to be equal.
  return [...left, ...linked.map((file) => ({ ...file, authority }))];
}

/** Files of the record that are really there. Another process's are hashed again: after a power cut a name may stand for nothing. */
async function believable(path: string, listing: SourceListing, processId: string, live: Live): Promise<readonly DownloadedFile[]> {
  const record = await readPartialRecord(path);
  const sizes = new Map(listing.files.map((file) => [file.path, file.size]));
  const believed: DownloadedFile[] = [];
  for (const file of record?.files ?? []) {
    if (sizes.get(file.path) !== file.size || await sizeOf(path, file.path) !== file.size) continue;
    live.report({ step: 'downloadVersion', waiting: 'the bytes left by an earlier attempt to be checked', bytes: bytesOf(believed) });
    if (record?.writer === processId || (await hashFile(path, file.path, live.signal)).sha256 === file.sha256) believed.push(file);
  }
  return believed;
}
