// What an agent remembers of each model, and the file's exact shape. Read strictly: what does not parse was not written by us, and is never taken for "empty" (DESIGN §6).

import { z } from 'zod';
import type { Registration } from '../domain/list';
import type { Digest, ModelName, Pin, Token, Version } from '../domain/names';
import type { Staged } from '../domain/view';

/** A version listed by an attempt, not yet AVAILABLE and probed. */
export interface Candidate {
  readonly version: Version;
  readonly token: Token;
  /** Host clock, epoch milliseconds: since when it is listed. */
  readonly sinceMs: number;
  /** Did the server answer OK to a list with it? */
  readonly accepted: boolean;
}

/** All of it plain JSON. Written before the effect it describes. */
export interface ModelEntry {
  readonly token: Token;
  /** false: aborted. Nothing of this token acts any more; only a greater one opens again (DESIGN §5). */
  readonly open: boolean;
  readonly registered: Registration;
  /** What the list says, or shall say once the server took it. */
  readonly aspired: readonly Version[];
  /** Versions an earlier list named, while it is not certain that the server took the one without them. */
  readonly unsure: readonly Version[];
  readonly candidate?: Candidate | undefined;
  /** A candidate that was loading when the server restarted: perhaps it killed it, so this token never lists it again. */
  readonly lost?: { readonly version: Version; readonly message: string } | undefined;
  readonly promoted?: Version | undefined;
  /** What was promoted when the first token of this epoch came; absent where that was before agents wrote it down. */
  readonly before?: { readonly epoch: number; readonly version?: Version | undefined } | undefined;
  readonly labels: Readonly<Record<string, Version>>;
  /** Written before the directory appears; counts only together with it. */
  readonly staged: Readonly<Record<Version, Staged>>;
  /** Content by version of everything ever promoted here: a number means one content for ever. */
  readonly served: Readonly<Record<Version, Digest>>;
  /** The one staging directory this model owns. */
  readonly partial?: { readonly version: Version; readonly pin: Pin } | undefined;
  /** Host clock, epoch milliseconds: when labels left a version, and when the list did. */
  readonly leaving: Readonly<Record<Version, { readonly drainSinceMs?: number | undefined; readonly unlistedSinceMs?: number | undefined }>>;
  readonly drained: readonly Version[];
}

export interface JournalContent {
  readonly format: 1;
  /** false: the list of this server is not known (no journal, yet a boot file with models): nothing may be reloaded. */
  readonly seeded: boolean;
  /** FLEET/SERVER: whose disk this is. */
  readonly owner?: string | undefined;
  readonly incarnation: string;
  readonly models: ReadonlyMap<ModelName, ModelEntry>;
}

export const freshEntry: ModelEntry = {
  token: [0, 0], open: false, registered: 'no', aspired: [], unsure: [], labels: {}, staged: {}, served: {}, leaving: {}, drained: [],
};

const version = z.string().regex(/^[1-9][0-9]{0,18}$/);
const token = z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]);
const epochMs = z.number().nonnegative();
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const pin = z.string().min(1);

const entrySchema = z.strictObject({
  token,
  open: z.boolean(),
  registered: z.enum(['no', 'asked', 'yes']),
  aspired: z.array(version),
  unsure: z.array(version),
  candidate: z.strictObject({ version, token, sinceMs: epochMs, accepted: z.boolean() }).optional(),
  lost: z.strictObject({ version, message: z.string() }).optional(),
  promoted: version.optional(),
  before: z.strictObject({ epoch: z.number().int().nonnegative(), version: version.optional() }).optional(),
  labels: z.record(z.string(), version),
  staged: z.record(version, z.strictObject({ digest, pin, heldAgainst: z.record(z.string(), z.array(z.string())).optional() })),
  served: z.record(version, digest),
  partial: z.strictObject({ version, pin }).optional(),
  leaving: z.record(version, z.strictObject({ drainSinceMs: epochMs.optional(), unlistedSinceMs: epochMs.optional() })),
  drained: z.array(version),
});
const fileSchema = z.strictObject({ format: z.literal(1), seeded: z.boolean(), owner: z.string().optional(), incarnation: z.string().min(1), models: z.record(z.string().min(1), entrySchema) });

export function formatJournal(content: JournalContent): string {
  return `${JSON.stringify({ ...content, models: Object.fromEntries(content.models) }, undefined, 1)}\n`;
}

/** The content, or why the text is no journal of ours. */
export function parseJournal(text: string): { readonly ok: JournalContent } | { readonly why: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { why: (error as Error).message };
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) return { why: parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ') };
  // The schema has checked every string that is branded here.
  return { ok: { ...parsed.data, models: new Map(Object.entries(parsed.data.models)) } as unknown as JournalContent };
}
