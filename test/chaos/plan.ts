// What happens in one round and when, as a value that a seed decides: rollouts and what people say to them, and what goes wrong meanwhile.

import type { FaultRule } from '../../src/testing/s3/faults';
import { Dice } from './dice';

export const MODELS = ['half', 'third'] as const;
export type Model = (typeof MODELS)[number];
export const SERVERS = ['edge-a', 'edge-b', 'edge-c'] as const;
export type Server = (typeof SERVERS)[number];
export const WORKERS = ['worker-1', 'worker-2'] as const;
/** Processes by name: `edge-a-agent`, `edge-a-server`, `worker-1`, `temporal`. */
export type PartName = `${Server}-agent` | `${Server}-server` | (typeof WORKERS)[number] | 'temporal';

/** bad: not a SavedModel a server could load, its manifest agreeing. failing: the server refuses to load it. stale: the endpoint has other bytes and falls silent. */
export type Content = 'good' | 'bad' | 'failing' | 'stale';

export interface Wanted {
  readonly model: Model;
  readonly version: string;
  readonly content: Content;
  readonly probe: 'right' | 'wrong' | 'none';
  readonly onFailure: 'rollback' | 'hold';
  readonly strategy: Readonly<Record<string, unknown>>;
}

/** cancel is Temporal's own; the others are signals of a rollout. */
export type Verb = 'abort' | 'rollback' | 'pause' | 'resume' | 'update' | 'cancel';

export type Act = { readonly atMs: number } & (
  | { readonly do: 'start'; readonly wanted: Wanted }
  | { readonly do: 'say'; readonly verb: Verb; readonly to: Pick<Wanted, 'model' | 'version'> }
  /** Asked of the fleet, as soon as that rollout is over: back from whatever is stable then. */
  | { readonly do: 'rollBackStable'; readonly after: Pick<Wanted, 'model' | 'version'> }
  | { readonly do: 'end'; readonly part: PartName; readonly signal: 'SIGKILL' | 'SIGTERM' }
  | { readonly do: 'freeze'; readonly part: PartName; readonly forMs: number }
  | { readonly do: 'fault'; readonly rule: FaultRule; readonly forMs: number }
  /** Somebody deletes the directory of what is served there. */
  | { readonly do: 'remove'; readonly server: Server; readonly model: Model }
  /** Somebody empties the boot file. */
  | { readonly do: 'emptyBoot'; readonly server: Server }
);

export interface Plan {
  readonly round: number;
  /** One word for each story, in order of models. */
  readonly stories: readonly string[];
  /** Sorted by time. */
  readonly acts: readonly Act[];
}

/** Numbers of a round: its stories take 1 to 8, and 9 is what servers refuse to load. */
export const VERSIONS_PER_ROUND = 10;
export const FAILING_SLOT = 9;

/** Half of the rounds have nothing that Temporal notices only after ten seconds (heartbeats, sticky queues): they are over sooner, and there are more of them. */
const QUICK_SHARE = 0.5;
const BOTH_MODELS_SHARE = 0.35;
const LATEST_MS = 3_000;

export function planOf(seed: number, round: number): Plan {
  const dice = new Dice(seed * 7_919 + round);
  const models = dice.chance(BOTH_MODELS_SHARE) ? MODELS : ([dice.one(MODELS)] as const);
  const stories = models.map((model) => storyOf(dice, round, model));
  const quick = dice.chance(QUICK_SHARE);
  const troubles = Array.from({ length: dice.between(1, 4) }, () => troubleOf(dice, quick));
  const acts = [...stories.flatMap(({ acts: told }) => told), ...troubles.filter((act) => !isBeyondRepair(act, troubles))].sort((a, b) => a.atMs - b.atMs);
  return { round, stories: stories.map(({ name, model }) => `${model}: ${name}`), acts };
}

/** A server that starts while its files are away has nothing to serve, whoever looks after it. */
function isBeyondRepair(act: Act, all: readonly Act[]): boolean {
  return act.do === 'remove' && all.some((other) => other.do === 'end' && other.part === `${act.server}-server`);
}

interface Story { readonly name: string; readonly model: Model; readonly acts: readonly Act[] }

function storyOf(dice: Dice, round: number, model: Model): Story {
  const name = dice.weighted({ good: 3, bad: 1, failing: 1.5, wrongProbe: 1, stallThenUpdate: 1.5, abort: 2, cancel: 0.7, supersede: 2, threeAtOnce: 1, pause: 1, rollback: 1.5, rollBackStable: 1 });
  const beginMs = dice.between(0, 600);
  const wanted = (slot: number, content: Content = 'good', probe: Wanted['probe'] = dice.one(['right', 'right', 'none'])): Wanted => ({
    model, version: String(round * VERSIONS_PER_ROUND + slot), content, probe, onFailure: dice.chance(0.2) ? 'hold' : 'rollback', strategy: strategyOf(dice),
  });
  const start = (atMs: number, what: Wanted): Act => ({ atMs, do: 'start', wanted: what });
  const say = (atMs: number, verb: Verb, { version }: Wanted): Act => ({ atMs, do: 'say', verb, to: { model, version } });
  const later = (): number => beginMs + dice.between(30, 2_500);
  const first = wanted(1);
  const told = (...acts: readonly Act[]): Story => ({ name, model, acts });
  switch (name) {
    case 'good': return told(start(beginMs, first));
    case 'bad': return told(start(beginMs, wanted(1, 'bad', 'right')));
    case 'failing': return told(start(beginMs, wanted(FAILING_SLOT, 'failing', 'right')));
    case 'wrongProbe': return told(start(beginMs, wanted(1, 'good', 'wrong')));
    case 'stallThenUpdate': {
      const stale = wanted(1, 'stale', 'right');
      return told(start(beginMs, stale), say(beginMs + dice.between(300, 2_000), 'update', stale));
    }
    case 'abort': return told(start(beginMs, first), say(later(), 'abort', first));
    case 'cancel': return told(start(beginMs, first), say(later(), 'cancel', first));
    case 'supersede': return told(start(beginMs, first), start(later(), wanted(2)));
    case 'threeAtOnce': return told(...[1, 2, 3].map((slot) => start(beginMs + slot * 30, wanted(slot))));
    case 'pause': {
      const pausedMs = later();
      return told(start(beginMs, first), say(pausedMs, 'pause', first), say(pausedMs + dice.between(200, 1_500), 'resume', first));
    }
    case 'rollback': return told(start(beginMs, first), say(later(), 'rollback', first));
    case 'rollBackStable': return told(start(beginMs, first), { atMs: beginMs + dice.between(100, 1_000), do: 'rollBackStable', after: first });
  }
}

function strategyOf(dice: Dice): Wanted['strategy'] {
  return {
    ...(dice.chance(0.4) ? { waves: ['1', '100%'] } : {}), maxUnavailable: dice.between(1, SERVERS.length),
    ...(dice.chance(0.3) ? { bakeSeconds: 1 } : {}), ...(dice.chance(0.3) ? { drainSeconds: 1 } : {}),
  };
}

function troubleOf(dice: Dice, quick: boolean): Act {
  const atMs = dice.between(0, LATEST_MS);
  const server = dice.one(SERVERS);
  const worker = dice.one(WORKERS);
  const kind = dice.weighted({
    killServer: 2, fault: 3, freezeAgent: 2, freezeWorker: 1, endWorker: 1, endAgent: 1.5, emptyBoot: 0.5,
    ...(quick ? { killAgent: 0, killWorker: 0, killTemporal: 0, endTemporal: 0, freezeLong: 0, remove: 0 } : { killAgent: 4, killWorker: 2, killTemporal: 1.5, endTemporal: 1, freezeLong: 0.4, remove: 1 }),
  });
  const shortMs = dice.between(300, 2_500);
  switch (kind) {
    case 'killServer': return { atMs, do: 'end', part: `${server}-server`, signal: 'SIGKILL' };
    case 'fault': return { atMs, do: 'fault', rule: faultOf(dice), forMs: shortMs };
    case 'freezeAgent': return { atMs, do: 'freeze', part: `${server}-agent`, forMs: shortMs };
    // Past its heartbeat time-out: the attempt is given up while its process still lives.
    case 'freezeLong': return { atMs, do: 'freeze', part: `${server}-agent`, forMs: dice.between(11_000, 13_000) };
    case 'freezeWorker': return { atMs, do: 'freeze', part: worker, forMs: shortMs };
    case 'endWorker': return { atMs, do: 'end', part: worker, signal: 'SIGTERM' };
    case 'endAgent': return { atMs, do: 'end', part: `${server}-agent`, signal: 'SIGTERM' };
    case 'killAgent': return { atMs, do: 'end', part: `${server}-agent`, signal: 'SIGKILL' };
    case 'killWorker': return { atMs, do: 'end', part: worker, signal: 'SIGKILL' };
    case 'killTemporal': return { atMs, do: 'end', part: 'temporal', signal: 'SIGKILL' };
    case 'endTemporal': return { atMs, do: 'end', part: 'temporal', signal: 'SIGTERM' };
    case 'remove': return { atMs, do: 'remove', server, model: dice.one(MODELS) };
    case 'emptyBoot': return { atMs, do: 'emptyBoot', server };
  }
}

function faultOf(dice: Dice): FaultRule {
  const times = dice.between(1, 4);
  const afterBytes = dice.between(0, 200_000);
  const kind = dice.weighted({ stall: 2, reset: 2, busy: 2, short: 2, flip: 2, slowHeaders: 1, trickle: 2, page: 1, listingBusy: 1 });
  switch (kind) {
    case 'stall': return { times, fault: { kind: 'stall', afterBytes } };
    case 'reset': return { times, fault: { kind: 'reset', afterBytes } };
    case 'busy': return { times, fault: { kind: 'answer', status: 503, code: 'SlowDown' } };
    case 'short': return { times, fault: { kind: 'length', send: -dice.between(1, 100) } };
    case 'flip': return { times, key: '*vocabulary.txt', fault: { kind: 'flip', atByte: dice.between(0, 100_000) } };
    case 'slowHeaders': return { times, fault: { kind: 'slowHeaders', ms: dice.between(200, 1_500) } };
    case 'trickle': return { times, fault: { kind: 'trickle', bytesPerSecond: 400_000 } };
    case 'page': return { times, fault: { kind: 'page', html: '<html>a proxy says hello</html>' } };
    case 'listingBusy': return { times, on: 'ListObjectsV2', fault: { kind: 'answer', status: 503, code: 'SlowDown' } };
  }
}
