// What a rollout knows, as one plain JSON value: what is wanted, what the fleet claimed, and where each server stands. How it changes is in rollout-state.ts.

import type { Probed, ShownStep, Step } from './host';
import type { Failure } from './failures';
import type { Digest, ServerName, Token, Version } from './names';
import type { Probe, RolloutRequest } from './request';
import type { ResolvedSource, SourceRef } from './source';
import type { HeldAgainst, Proof } from './view';

/** What the people and workflows above a rollout want of it now. Only `serve` can turn into another wish. */
export type Wish =
  | { readonly kind: 'serve' }
  | { readonly kind: 'abort'; readonly reason?: string; readonly by?: string }
  /** An abort that says why: the content is bad, and is remembered as such. */
  | { readonly kind: 'rollback'; readonly reason?: string; readonly by?: string }
  | { readonly kind: 'supersede'; readonly by: string }
  | { readonly kind: 'cancel' };

/** What the fleet says is served by all, and how a server that lacks it comes to it. */
export interface Stable {
  readonly version: Version;
  readonly digest?: Digest;
  readonly source?: SourceRef;
  readonly probe?: Probe;
}

/** Content that was rolled back, and why. */
export interface KnownBad {
  readonly digest: Digest;
  readonly version: Version;
  readonly why: string;
  readonly atMs: number;
}

export interface Claim {
  readonly epoch: number;
  readonly servers: readonly ServerName[];
  readonly stable?: Stable;
  /** What a rollback of the fleet would go back to: its directories stay until another version has taken over. */
  readonly retained?: Version;
  /** An earlier holder has not said that its work ended: fence every server before anything else. */
  readonly unsettled: boolean;
  readonly knownBad?: readonly KnownBad[];
  /** Of the servers that do not take any endpoint. */
  readonly allowEndpoints?: Readonly<Record<ServerName, readonly string[]>>;
}

/** How a server's transition ended. `notSeen`: its agent did not answer; nothing follows from that about the server. */
export type TransitionEnd =
  | { readonly kind: 'served'; readonly steps: readonly Step[] }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'notSeen' };

/** What a transition tells about its server, at its gate and at its end. */
export interface ServerReport {
  readonly server: ServerName;
  readonly token: Token;
  /** What was promoted before this rollout's first attempt on this server; absent where nobody saw it, which is not the same as nothing. */
  readonly before?: { readonly version?: Version };
  readonly serving?: Version;
  readonly aspired: readonly Version[];
  /** Not in the list any more, yet not at END: still loading, still held, or still answering until the server's next poll. */
  readonly lingering: readonly Version[];
  readonly digest?: Digest;
  readonly heldAgainst?: HeldAgainst;
  /** Did this transition change the server's model list? */
  readonly listed: boolean;
  readonly probed?: Probed;
  readonly proof?: Proof;
}

export interface ServerState {
  /** What is in flight for this server now. */
  readonly activity: 'none' | 'fencing' | 'transition' | 'stopping';
  readonly fenced: boolean;
  readonly direction: 'forward' | 'back';
  /** Attempt of the transition in flight or last ended; 0 before the first. */
  readonly attempt: number;
  /** The attempt before, still being stopped beside the one in flight, which overtook it. */
  readonly overtaken?: number;
  /** It began before the listing was known that it shall fetch by, and has not been told it yet. */
  readonly unpinned?: true;
  /** At its gate since (workflow time, epoch milliseconds): AVAILABLE, probed, the old version kept. */
  readonly gateSinceMs?: number;
  readonly released: boolean;
  readonly end?: TransitionEnd;
  readonly notSeen: boolean;
  /** Sticky: this rollout changed this server's list at least once. */
  readonly listed: boolean;
  /** Known once its first attempt reported; `before.version` absent: nothing was served. */
  readonly before?: { readonly version?: Version };
  readonly serving?: Version;
  readonly aspired: readonly Version[];
  readonly lingering: readonly Version[];
  readonly probed?: Probed;
  readonly proof?: Proof;
  readonly heldAgainst?: HeldAgainst;
  /** What a person is shown. */
  readonly step?: ShownStep;
  readonly sinceMs: number;
}

export interface RolloutState {
  readonly request: RolloutRequest;
  readonly wish: Wish;
  readonly claim?: Claim;
  /** Grows with every new set of transitions: new source, retry. Going back uses `attempt + 1`. */
  readonly attempt: number;
  /** A listing under way, on whose agent, for which attempt. */
  readonly resolving?: { readonly server: ServerName; readonly attempt: number; readonly stopping: boolean };
  readonly resolved?: ResolvedSource;
  /** The identity of the version, from the manifest or the first server that verified it; then required of all. */
  readonly digest?: Digest;
  readonly failure?: Failure & { readonly server?: ServerName; readonly atMs: number };
  readonly servers: Readonly<Record<ServerName, ServerState>>;
  /** Why the last verb that came by signal was refused. */
  readonly refusal?: string;
  /** Nothing new begins; what is on its way goes on to its gate. */
  readonly pause?: Pause;
}

export interface Pause {
  readonly sinceMs: number;
  readonly by?: string;
  readonly reason?: string;
}

// ---- small questions ----

/** In the order of the waves: by name. */
export function names(state: RolloutState): readonly ServerName[] {
  return state.claim?.servers ?? [];
}

export function namesWhere(state: RolloutState, test: (server: ServerState) => boolean): readonly ServerName[] {
  return names(state).filter((name) => test(serverOf(state, name)));
}

export function notSeen(state: RolloutState): readonly ServerName[] {
  return namesWhere(state, (server) => server.notSeen);
}

export function serverOf(state: RolloutState, server: ServerName): ServerState {
  const found = state.servers[server];
  if (found === undefined) throw new Error(`no server ${server} in this rollout`);
  return found;
}
