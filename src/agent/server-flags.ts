// The flags of the server beside us, where the kernel shows them: read once per incarnation, because only a restart changes them.

import { fail } from '../domain/failures';
import { flagFindings, type ServerFlags } from '../domain/server-flags';
import { nowMs } from './clock';
import type { Parts } from './parts';
import { findServerProcess } from './server-process';

/** A server that was not there yet is looked for again after this. */
const MISSING_FOR_MS = 5_000;

export class ServerFlagsReader {
  #read: { readonly incarnation: string; readonly flags: ServerFlags | undefined; readonly atMs: number } | undefined;

  constructor(private readonly address: string, private readonly find: (address: string) => Promise<{ readonly flags: ServerFlags } | undefined> = findServerProcess) {}

  /** Nothing where no such process may be looked at: another host, another pid namespace. */
  async read(incarnation: string): Promise<ServerFlags | undefined> {
    const known = this.#read;
    if (known?.incarnation === incarnation && (known.flags !== undefined || nowMs() - known.atMs < MISSING_FOR_MS)) return known.flags;
    const flags = (await this.find(this.address))?.flags;
    this.#read = { incarnation, flags, atMs: nowMs() };
    return flags;
  }
}

/** A server that takes its list from a file again and again, or never looks for versions, cannot be driven by lists (TF Serving reference §11.26, .5). Fails as ReloadRejected, with nothing touched. */
export async function refuseUnmanageable(parts: Pick<Parts, 'server' | 'serverFlags' | 'journal'>): Promise<void> {
  const flags = await parts.serverFlags.read(parts.journal.incarnation);
  const finding = flags === undefined ? undefined : flagFindings(flags).find((one) => one.severity === 'unmanageable');
  if (finding === undefined) return;
  throw fail('ReloadRejected', `${parts.server}: the model server was started with ${finding.flag}=${finding.found}, want ${finding.want}: ${finding.why}`, { server: parts.server, flag: finding.flag, found: finding.found, want: finding.want });
}
