// What a run of the demo has found out, as plain JSON. What is not known yet is absent; a verdict over something absent does not hold.

import type { ServerName } from '../../domain/names';
import type { Proof } from '../../domain/view';
import type { Verdict } from '../../domain/verdict';
import type { TransitionFigures } from './history-figures';
import type { Latency } from './latency';
import type { OutsideSeen } from './outside-proof';
import type { TallyView } from './tally';

/** A rollout as CI sees it. */
export interface RolloutEnd {
  readonly workflowId: string;
  /** Of `temporal workflow result`. */
  readonly exitCode: number;
  /** Absent where the command printed none. */
  readonly verdict?: Verdict;
  /** The type of the workflow's failure. */
  readonly failureType?: string;
  /** From start to result. */
  readonly seconds: number;
}

export interface LoadFacts extends TallyView {
  readonly latency?: Latency;
  /** Mean over the time of the second rollout. */
  readonly perSecondDuringV2: number;
  /** What the model servers counted while the clients ran, by server; and the Predicts by which the agents proved a version. */
  readonly countedByServers: Readonly<Record<ServerName, number>>;
  readonly probesByAgents: Readonly<Record<ServerName, number>>;
}

export interface AbortFacts {
  /** Epoch milliseconds: when the command was started, and when Temporal wrote the signal down. */
  readonly commandAtMs: number;
  readonly signaledAtMs: number;
  readonly outside: OutsideSeen;
  readonly stale: {
    /** Requests of the load, and how many of their connections are not closed. */
    readonly requests: number;
    readonly connectionsOpen: number;
    readonly lastClosedAtMs?: number;
    readonly lastRequestAtMs?: number;
  };
  readonly good: {
    /** First GetObject of the load: no byte can have come before. */
    readonly firstByteAtMs?: number;
  };
  /** As the agents themselves say, in `status`. */
  readonly agents: Readonly<Record<ServerName, Proof>>;
  /** Servers whose directory of the version holds, byte for byte, what the good endpoint holds. */
  readonly rightContent: readonly ServerName[];
  /** Directories of the stale load that are left when all is over. */
  readonly leftovers: readonly string[];
}

export interface BrokenFacts {
  readonly end: RolloutEnd;
  /** The remembered lists before and after, as text. */
  readonly listsBefore: Readonly<Record<ServerName, string>>;
  readonly listsAfter: Readonly<Record<ServerName, string>>;
  /** Reloads that reached each server, before and after. */
  readonly reloadsBefore: Readonly<Record<ServerName, number>>;
  readonly reloadsAfter: Readonly<Record<ServerName, number>>;
  /** Right answers of the third version that came after the end, by server. */
  readonly answeredAfter: Readonly<Record<ServerName, number>>;
}

export interface RestartFacts {
  readonly server: ServerName;
  /** Epoch milliseconds: its clients were gone, it was killed, it answered again, its clients were back. */
  readonly clientsLeftAtMs: number;
  readonly killedAtMs: number;
  readonly answeredAtMs: number;
  readonly clientsBackAtMs: number;
  /** Versions of our model in its boot file when it was killed. */
  readonly bootFileVersions: readonly string[];
  /** Right answers of the third version since. */
  readonly answeredAfter: number;
  /** Rollouts there are in all, and the demo's own. */
  readonly rolloutsInAll: number;
  readonly rolloutsStarted: number;
}

export interface Facts {
  servers: readonly ServerName[];
  v1?: RolloutEnd;
  v2?: RolloutEnd;
  v3?: RolloutEnd;
  load?: LoadFacts;
  abort?: AbortFacts;
  broken?: BrokenFacts;
  restart?: RestartFacts;
  /** Of the second rollout's transitions. */
  transitions?: Readonly<Record<ServerName, TransitionFigures>>;
  /** Processes of the demo that were still there after its end. */
  leftRunning?: readonly number[];
  /** Why the run did not come to its end. */
  broke?: string;
}
