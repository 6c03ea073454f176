// What the steps of one agent share. Made once, in agent.ts.

import type { FleetName, ModelName, ServerName, Token, Version } from '../domain/names';
import type { Diagnosis } from '../domain/diagnosis';
import type { StopResult } from '../domain/host';
import type { ServingClient } from '../serving/client';
import type { Proof } from '../domain/view';
import type { SignatureRules } from '../source/signature';
import type { SocketLedger } from '../source/sockets';
import type { BootFile } from './boot';
import type { Fence } from './fence';
import type { HeldDrainPolicy, RestartServer } from './held-drain';
import type { Journal } from './journal';
import type { LastListing } from './last-listing';
import type { StoreLock } from './lock';
import type { ModelList } from './model-list';
import type { ModelStore } from './model-store';
import type { Observer } from './observe';
import type { ServerFlagsReader } from './server-flags';
import type { Slots } from './slots';

/** A line for the process's log. */
export type Log = (message: string, fields?: Readonly<Record<string, unknown>>) => void;

/** One stop, perhaps asked for more than once. */
export interface Stop {
  readonly token: Token;
  /** What the caller wants proven off the list; one that names none is told nothing about it. */
  readonly version: Version | undefined;
  /** performance clock: the first call. */
  readonly calledMs: number;
  /** From there to the moment nothing of the attempt could act; absent until then. */
  stoppedMs?: number;
  running?: Promise<StopResult>;
  /** What the first one that succeeded gave. */
  proof?: Proof;
}

export interface Parts {
  readonly fleet: FleetName;
  readonly server: ServerName;
  /** Tells this process's writings from an earlier one's. */
  readonly processId: string;
  readonly lock: StoreLock;
  readonly journal: Journal;
  readonly store: ModelStore;
  readonly boot: BootFile;
  readonly fence: Fence;
  readonly client: ServingClient;
  readonly list: ModelList;
  readonly observer: Observer;
  readonly listed: LastListing;
  /** How many downloads run at once on this host. */
  readonly downloads: Slots;
  /** A drain freezes every transition of the server, so there is one at a time (DESIGN §6). */
  readonly drains: Slots;
  /** The sockets of each model's newest attempt, for the proof. */
  readonly ledgers: Map<ModelName, { readonly token: Token; readonly ledger: SocketLedger }>;
  /** What was read of each model's last overtaken attempt, between its end and the beginning of the greater one. */
  readonly overtaken: Map<ModelName, Proof>;
  /** Of each model's last abort: its proof counts from the first call, whoever called again meanwhile. */
  readonly stops: Map<ModelName, Stop>;
  /** Empty: any. */
  readonly allowEndpoints: readonly string[];
  readonly credentialsDir: string | undefined;
  /** Somebody will say what the fleet has stable, should there be no journal. */
  readonly awaitsSeed: boolean;
  readonly signatures: SignatureRules;
  readonly serverFlags: ServerFlagsReader;
  /** Why nothing moves, as last seen; empty while everything does. */
  readonly diagnoses: { current: readonly Diagnosis[] };
  readonly heldDrain: HeldDrainPolicy;
  /** Absent: nobody here can start the model server. */
  readonly restartServer: RestartServer | undefined;
  readonly log: Log;
}
