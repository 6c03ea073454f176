// That nothing of an attempt is left, read from the system after the fact (DESIGN §5).

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { sep } from 'node:path';
import type { Attempt } from '../domain/host';
import { compareTokens, formatToken } from '../domain/names';
import type { Proof } from '../domain/view';
import { nowMs } from './clock';
import { pause } from './live';
import type { Parts, Stop } from './parts';
import { listedOf } from './view';

const WRITES = 0o3; // O_WRONLY | O_RDWR

/** @param stoppedMs from the call to the moment nothing of the attempt could act. */
export async function readProof(parts: Parts, attempt: Attempt, stoppedMs: number): Promise<Proof> {
  const { model, token } = attempt;
  const held = parts.ledgers.get(model);
  const sockets = held !== undefined && formatToken(held.token) === formatToken(token) ? held.ledger.open() : undefined;
  const writers = openWriters(parts.store.stagingOf(model));
  const entry = parts.journal.entry(model);
  return {
    token,
    sockets: sockets?.count ?? 0,
    writers: writers ?? 0,
    partial: entry.partial === undefined ? 'none' : 'kept',
    aspired: attempt.version !== undefined && entry.promoted !== attempt.version && listedOf(entry).includes(attempt.version),
    readFrom: writers === undefined || sockets?.readFrom === 'process' ? 'process' : 'kernel',
    stoppedMs: Math.round(stoppedMs * 10) / 10,
    atMs: Date.now(),
  };
}

/** Between two looks at what a greater token has to take off the list; it takes milliseconds. */
const lookEveryMs = 20;

/**
 * Of an attempt that a greater token stopped: sockets and writers as they were read when its effect had ended and the greater one's had not begun, or as
 * its own abort had read them before. Without an effect to stop, nothing of it was left then. Waits until the greater one has taken its candidate off the list; fails as ServerUnreachable while the server does not say that it has.
 */
export async function proofOfOvertaken(parts: Parts, attempt: Attempt, stop: Stop, signal: AbortSignal): Promise<Proof> {
  await parts.fence.untilEnded(attempt);
  while (isCandidateListed(parts, attempt) || mayBeListed(parts, attempt)) {
    if (parts.list.doubt === undefined || isCandidateListed(parts, attempt)) await pause(lookEveryMs, signal);
    else await parts.list.settle(signal);
  }
  const read = parts.overtaken.get(attempt.model);
  const seen = stop.proof ?? (read !== undefined && compareTokens(read.token, attempt.token) === 0 ? read : undefined);
  const found: Proof = seen ?? { token: attempt.token, sockets: 0, writers: 0, partial: 'none', aspired: false, readFrom: 'process', stoppedMs: 0, atMs: Date.now() };
  stop.stoppedMs ??= nowMs() - stop.calledMs;
  return { ...found, aspired: false, stoppedMs: Math.round(stop.stoppedMs * 10) / 10 };
}

/** A later token may list the same version: then it is that one's candidate. */
function isCandidateListed(parts: Parts, { model, token }: Attempt): boolean {
  const { candidate } = parts.journal.entry(model);
  return candidate !== undefined && compareTokens(candidate.token, token) <= 0;
}

/** Off the journalled list, and the server has not confirmed it. */
function mayBeListed(parts: Parts, { model, version }: Attempt): boolean {
  const { candidate, promoted, unsure } = parts.journal.entry(model);
  return version !== undefined && unsure.includes(version) && promoted !== version && candidate?.version !== version;
}

/** File descriptors of this process open for writing below a directory; nothing where there is no /proc. */
export function openWriters(directory: string): number | undefined {
  let descriptors: string[];
  try {
    descriptors = readdirSync('/proc/self/fd');
  } catch {
    return undefined; // No Linux: this process's own bookkeeping is all there is.
  }
  return descriptors.filter((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (target !== directory && !target.startsWith(directory + sep)) return false;
      return (Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0', 8) & WRITES) !== 0;
    } catch {
      return false; // Closed meanwhile.
    }
  }).length;
}
