// The calls a transition makes to the agent beside a server, and what each returns. Workflows see only these shapes.

import type { Digest, FleetName, ModelName, Pin, ServerName, Token, Version } from './names';
import type { Probe } from './request';
import type { ResolvedSource, SourceRef } from './source';
import type { ModelView, Proof } from './view';

/** One attempt to bring one model to one version on one server. Every host call carries it; the token decides whether it may act. */
export interface Attempt {
  readonly fleet: FleetName;
  readonly server: ServerName;
  readonly model: ModelName;
  readonly token: Token;
  /** The version this attempt is about; absent when nothing shall be served any more. */
  readonly version?: Version;
  readonly source?: SourceRef;
  readonly pin?: Pin;
  /** When known, required: other bytes are an IntegrityMismatch. */
  readonly digest?: Digest;
  /** Content that was rolled back before and is refused. */
  readonly knownBad?: readonly Digest[];
  /** The number may stand for other content than it did here, as long as it is neither listed nor served. */
  readonly allowReuse?: true;
  /** No other version of the model may be listed with it: two would not fit into memory. Where one is, nothing is listed, and the view says so. */
  readonly alone?: true;
  /** With downloadVersion: what beginAttempt does comes first, in the same call; then nothing is fetched for a version that is served. For an attempt that overtakes another one, whose bytes shall come soon. */
  readonly begins?: true;
  /** Versions whose directories stay although nothing lists them: what a rollback would need. */
  readonly retain: readonly Version[];
  /** The rollout to tell which step began: `{server, token, step, sinceMs}` by its `progress` signal. Absent: nobody asked. */
  readonly reportTo?: { readonly workflowId: string; readonly runId: string };
}

export interface ResolveInput {
  readonly fleet: FleetName;
  readonly server: ServerName;
  readonly model: ModelName;
  readonly version: Version;
  readonly source: SourceRef;
}

export interface AwaitInput {
  readonly attempt: Attempt;
  readonly version: Version;
  readonly probe?: Probe;
  /** From the accepted list to AVAILABLE. */
  readonly loadDeadlineSeconds: number;
}

export interface DrainInput {
  readonly attempt: Attempt;
  /** The version that goes. */
  readonly version: Version;
  /** How long it stays listed after labels left it, counted from the journalled start. */
  readonly drainSeconds: number;
}

export interface UnloadInput {
  readonly attempt: Attempt;
  /** The version that goes. */
  readonly version: Version;
  /** From un-listing to END; then DrainTimeout, naming who holds it. */
  readonly unloadDeadlineSeconds: number;
}

export interface StopResult {
  readonly proof: Proof;
  readonly view: ModelView;
}

/** What probing asked and found: said in the verdict, because "served" means more with a Predict than without. */
export type Probed = 'metadata' | 'predict';

/** The host's activities by name. Each is idempotent, killable and fenced; each returns the fresh view. */
export interface HostActivities {
  /** Lists the bucket on this agent's credentials. Touches nothing. */
  resolveSource(input: ResolveInput): Promise<ResolvedSource>;
  /** Raises the token (journalled), stops and proves stopped whatever a lower one was doing, removes what no live attempt owns. */
  beginAttempt(attempt: Attempt): Promise<ModelView>;
  /** Bytes into staging. Resumes. */
  downloadVersion(attempt: Attempt): Promise<ModelView>;
  /** Sizes, checksums, digest, and that it is a SavedModel. */
  verifyVersion(attempt: Attempt): Promise<ModelView>;
  /** fsync, one rename: the version is visible, whole. */
  stageVersion(attempt: Attempt): Promise<ModelView>;
  /** Lists the version beside what is listed; a new name goes by the sentinel. OK means accepted. */
  reloadConfig(attempt: Attempt): Promise<ModelView>;
  /** Until AVAILABLE, then the probe, then promoted and in the boot file. */
  awaitAvailable(input: AwaitInput): Promise<ModelView & { readonly probed: Probed }>;
  /** Labels leave the version; it stays listed for the drain time. */
  drainVersion(input: DrainInput): Promise<ModelView>;
  /** Out of the list, then END; then directories nobody needs are removed. */
  unloadVersion(input: UnloadInput): Promise<ModelView>;
  /** Closes the token, stops its work, takes its candidate off the list, and proves it. */
  abortAttempt(attempt: Attempt): Promise<StopResult>;
}

export type Step = Exclude<keyof HostActivities, 'resolveSource' | 'beginAttempt' | 'abortAttempt'>;
export const STEPS = ['downloadVersion', 'verifyVersion', 'stageVersion', 'reloadConfig', 'awaitAvailable', 'drainVersion', 'unloadVersion'] as const satisfies readonly Step[];
/** What `status` may name for a server: a step, or what surrounds them. */
export type ShownStep = Step | 'beginAttempt' | 'abortAttempt';

/** The `progress` signal an agent sends to the rollout when a step really begins on its host. */
export interface Progress {
  readonly server: ServerName;
  readonly token: Token;
  readonly step: ShownStep;
  /** Host clock, epoch milliseconds. */
  readonly sinceMs: number;
  /** What clients of that server get at this moment, where something was promoted. */
  readonly version?: Version;
}

/** The `announce` signal an agent sends to its fleet: at its start, and again whenever something in it changed. */
export interface Announcement {
  readonly server: ServerName;
  readonly zone?: string;
  readonly incarnation: string;
  readonly allowEndpoints?: readonly string[];
  /** false: there was no journal and nobody said yet what this server lists; nothing is reloaded until then (DESIGN §6). */
  readonly seeded?: boolean;
  /** Per model this agent knows: what it serves, and what is not as it was left. Absent: this agent has not looked yet. */
  readonly models?: Readonly<Record<ModelName, ModelFact>>;
}

export interface ModelFact {
  /** Promoted here; absent: nothing. */
  readonly version?: Version;
  readonly digest?: Digest;
  readonly drift?: Drift;
}

/** Something changed that no rollout changed. Gone from the facts once it is as it was left again. */
export interface Drift {
  readonly what: DriftKind;
  /** Host clock, epoch milliseconds, of the first look that saw it. */
  readonly sinceMs: number;
  /** What was found, what was wanted, and who could have done it: one sentence. */
  readonly detail: string;
  /** The agent puts it right by itself, from its journal. Otherwise bytes are missing, and the fleet repairs it with a rollout of its own. */
  readonly repair: 'agent' | 'fleet';
}

/** serverRestarted: its list is the boot file's. foreignList: its states are not those of our last list. filesGone: a version's directory is not there.
 *  notServed: listed, its files there, yet not AVAILABLE. strayCandidate: listed by an attempt that nobody goes on with. bootFileEdited, journalGone: the agent's own files. */
export type DriftKind = 'serverRestarted' | 'foreignList' | 'filesGone' | 'notServed' | 'strayCandidate' | 'bootFileEdited' | 'journalGone';
