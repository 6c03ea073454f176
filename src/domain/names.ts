// The names things go by. Branded where two of them could be confused; parsed once, at the edge, and trusted inside.

declare const brand: unique symbol;
type Branded<B extends string> = string & { readonly [brand]: B };

/** A servable version: canonical decimal text of 1 … 2^63-1, because JSON and JavaScript numbers cannot hold an int64. */
export type Version = Branded<'Version'>;
export type ModelName = Branded<'ModelName'>;
export type ServerName = Branded<'ServerName'>;
export type FleetName = Branded<'FleetName'>;
/** `sha256:` and 64 hex digits over the sorted lines `path\0size\0sha256hex\n`: what a version *is*, for ever (DESIGN §4.4). */
export type Digest = Branded<'Digest'>;
/** `pin:` and 64 hex digits over what a listing said (keys, sizes, ETags, VersionIds): changes when the source changes within an attempt. */
export type Pin = Branded<'Pin'>;

/** Who may act on a (server, model): `[epoch, attempt]`, compared in that order. The epoch comes from the fleet, the attempt from the rollout. */
export type Token = readonly [epoch: number, attempt: number];

/** TensorFlow Serving reads versions as int64 and gives the highest to clients that name none. */
export const MAX_VERSION = 2n ** 63n - 1n;

/** A canonical version, or why the text is none. */
export function parseVersion(text: string): { readonly ok: Version } | { readonly why: string } {
  if (!/^[0-9]+$/.test(text)) return { why: `a version is a positive decimal integer as text, such as "42"; found ${JSON.stringify(text)}` };
  if (text.startsWith('0')) return { why: text === '0' ? 'version 0 is reserved; versions begin at "1"' : `a version has no leading zeros; did you mean "${BigInt(text)}"?` };
  if (BigInt(text) > MAX_VERSION) return { why: `a version is at most ${MAX_VERSION} (int64); found ${text}` };
  return { ok: text as Version };
}

/** Negative, zero or positive as a sorts before, with or after b by number. */
/** Names of fleets, servers and models become directories, task queues and workflow ids. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export function isName(text: string): boolean {
  return NAME.test(text);
}

export function compareVersions(a: Version, b: Version): number {
  const difference = BigInt(a) - BigInt(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** Negative, zero or positive as a is lower than, the same as or greater than b. */
export function compareTokens(a: Token, b: Token): number {
  return a[0] - b[0] || a[1] - b[1];
}

export function formatToken(token: Token): string {
  return `${token[0]}.${token[1]}`;
}

/** The task queue on which one server's agent listens. Stable across restarts: the queue is the disk's name. */
export function agentQueue(fleet: FleetName, server: ServerName): string {
  return `segue/${fleet}/${server}`;
}

/** The task queue of the control worker: where rollouts are started. */
export const CONTROL_QUEUE = 'segue';

export function fleetWorkflowId(fleet: FleetName): string {
  return `fleet/${fleet}`;
}
