// The facts against what the demo promises. Pure: each promise one function from facts to a verdict.

import type { ServerName } from '../../domain/names';
import type { AbortFacts, Facts, LoadFacts, RolloutEnd } from './facts';
import type { OutsideSeen } from './outside-proof';
import type { Counted } from './tally';

export interface DemoVerdict {
  readonly name: string;
  readonly ok: boolean;
  /** What was found, in one line. */
  readonly found: string;
  /** What could not be looked at on this machine; the rest was. */
  readonly notChecked?: string;
}

type Judged = Omit<DemoVerdict, 'name'>;

/** Least predictions a second over the time of the second rollout. */
export const MIN_PER_SECOND = 200;
/** Right answers that show a server serves, after the broken rollout and after the restart. */
export const MIN_ANSWERS = 20;
/** DESIGN §12. */
const MAX_ACTIVITIES = 10;
const MAX_EVENTS = 70;

const PROMISES: readonly (readonly [name: string, judge: (facts: Facts) => Judged | undefined])[] = [
  ['v1 served on every server', (facts) => facts.v1 && served(facts.v1, facts.servers)],
  ['v2 served on every server', (facts) => facts.v2 && served(facts.v2, facts.servers)],
  ['v3 served on every server, after the update', (facts) => facts.v3 && served(facts.v3, facts.servers)],
  ['no failed prediction', (facts) => facts.load && noneFailed(facts.load)],
  ['every prediction counted by the servers', (facts) => facts.load && allCounted(facts.load)],
  [`at least ${MIN_PER_SECOND} predictions a second during v2`, (facts) => facts.load && { ok: facts.load.perSecondDuringV2 >= MIN_PER_SECOND, found: `${Math.round(facts.load.perSecondDuringV2)} a second` }],
  ['both kinds of client got v1, v2 and v3 from every server', (facts) => facts.load && everyVersion(facts.load, facts.servers)],
  ['stale load: sockets and files gone', (facts) => facts.abort && gone(facts.abort)],
  ['stale load: gone before the first byte of the new', (facts) => facts.abort && goneBefore(facts.abort)],
  ['stale load: its endpoint hears nothing more', (facts) => facts.abort && silent(facts.abort)],
  ['stale load: never in a server\'s list', (facts) => facts.abort && neverListed(facts.abort)],
  ['stale load: nothing of it on any disk', (facts) => facts.abort && nothingLeft(facts.abort, facts.servers)],
  ['stale load: the agents say the same', (facts) => facts.abort && agentsAgree(facts.abort, facts.servers)],
  ['broken v4 refused before any list changed', refused],
  ['v3 serves on beside the broken v4', (facts) => facts.broken && atLeast(facts.broken.answeredAfter, facts.servers)],
  ['killed server serves v3 again, without a rollout', restarted],
  ['a transition stays within its bounds', withinBounds],
  ['nothing left running', (facts) => facts.leftRunning && { ok: facts.leftRunning.length === 0, found: facts.leftRunning.length === 0 ? 'no process' : `pid ${facts.leftRunning.join(', ')}` }],
];

export function verdictsOf(facts: Facts): readonly DemoVerdict[] {
  return PROMISES.map(([name, judge]) => ({ name, ...(judge(facts) ?? { ok: false, found: 'not reached' }) }));
}

export function allHold(verdicts: readonly DemoVerdict[], facts: Facts): boolean {
  return facts.broke === undefined && verdicts.every((verdict) => verdict.ok);
}

function served({ exitCode, verdict, seconds, failureType }: RolloutEnd, servers: readonly ServerName[]): Judged {
  const proven = servers.filter((name) => verdict?.servers[name]?.end === 'served' && verdict.servers[name].probed === 'predict');
  const ok = exitCode === 0 && verdict?.outcome === 'served' && servers.length > 0 && proven.length === servers.length;
  return { ok, found: `${verdict?.outcome ?? failureType ?? 'no verdict'} in ${seconds.toFixed(1)} s, proven by Predict on ${proven.length} of ${servers.length}` };
}

function noneFailed(load: LoadFacts): Judged {
  const versions = Object.entries(load.byVersion).map(([version, { sent, failed }]) => `v${version} ${sent - failed}/${sent}`).join(', ');
  const reasons = Object.entries(load.byReason).map(([reason, count]) => `${count} ${reason}`).join(', ');
  return { ok: load.sent > 0 && load.failed === 0, found: `${load.sent} sent, ${load.failed} failed (${versions}${reasons === '' ? '' : `; ${reasons}`})` };
}

function allCounted({ byServer, countedByServers, probesByAgents, sent }: LoadFacts): Judged {
  const servers = Object.keys(byServer) as ServerName[];
  const differ = servers.filter((name) => countedByServers[name] !== (byServer[name] ?? 0) + (probesByAgents[name] ?? 0));
  const counted = sum(Object.values<number>(countedByServers));
  const probes = sum(Object.values<number>(probesByAgents));
  const lines = differ.map((name) => `${name}: sent ${byServer[name]} + probes ${probesByAgents[name] ?? 0}, counted ${countedByServers[name]}`);
  return { ok: servers.length > 0 && differ.length === 0, found: [`${counted} counted = ${sent} of clients + ${probes} probes of agents`, ...lines].join('; ') };
}

function everyVersion({ byClient }: LoadFacts, servers: readonly ServerName[]): Judged {
  const clients = servers.flatMap((name) => [`${name} unversioned`, `${name} versioned`]);
  const missing = clients.flatMap((client) => ['1', '2', '3'].filter((version) => !isAnswered(byClient[client]?.[version])).map((version) => `${client} v${version}`));
  return { ok: servers.length > 0 && missing.length === 0, found: missing.length === 0 ? `${clients.length} clients` : `none of ${missing.join(', ')}` };
}

function isAnswered(counted: Counted | undefined): boolean {
  return counted !== undefined && counted.sent > counted.failed;
}

function gone({ outside, signaledAtMs }: AbortFacts): Judged {
  if (!outside.readable) return { ok: true, found: 'see the endpoint\'s log', notChecked: 'sockets and open files: no /proc on this machine' };
  const { goneAtMs, heldAtFirst, looks } = outside;
  const before = heldAtFirst ? 'seen at every agent before' : 'NOT seen before, so their absence proves nothing';
  return { ok: heldAtFirst && goneAtMs !== undefined, found: `${goneAtMs === undefined ? 'still there' : `${goneAtMs - signaledAtMs} ms after the signal`}; ${before}; ${looks} looks at /proc` };
}

function goneBefore({ outside, stale, good }: AbortFacts): Judged {
  const stoppedAtMs = outside.readable ? outside.goneAtMs : stale.lastClosedAtMs;
  const { firstByteAtMs } = good;
  if (stoppedAtMs === undefined || firstByteAtMs === undefined) return { ok: false, found: firstByteAtMs === undefined ? 'no byte from the good endpoint' : 'it never stopped' };
  return { ok: firstByteAtMs > stoppedAtMs, found: `${firstByteAtMs - stoppedAtMs} ms between`, ...notChecked(outside) };
}

function silent({ outside, stale }: AbortFacts): Judged {
  const stoppedAtMs = outside.readable ? outside.goneAtMs : stale.lastClosedAtMs;
  const late = stoppedAtMs === undefined || stale.lastRequestAtMs === undefined ? undefined : stale.lastRequestAtMs - stoppedAtMs;
  const ok = stale.requests > 0 && stale.connectionsOpen === 0 && late !== undefined && late <= 0;
  return { ok, found: `${stale.requests} requests, the last ${late === undefined ? 'at no known time' : `${Math.abs(late)} ms ${late <= 0 ? 'before' : 'AFTER'} the stop`}; ${stale.connectionsOpen} connections open` };
}

/** Looked at after the first byte of the new, and still not there: so it was not there before. */
function neverListed({ outside: { notListedAtMs, listedAtMs }, good: { firstByteAtMs: first } }: AbortFacts): Judged {
  const after = (atMs: number | undefined): string => (atMs === undefined || first === undefined ? 'never' : `${atMs - first} ms after the first byte of the new`);
  const ok = first !== undefined && notListedAtMs !== undefined && listedAtMs !== undefined && notListedAtMs >= first;
  return { ok, found: `v3 in no list and of no state until ${after(notListedAtMs)}, listed by ${after(listedAtMs)}` };
}

function nothingLeft({ rightContent, leftovers }: AbortFacts, servers: readonly ServerName[]): Judged {
  const wrong = servers.filter((name) => !rightContent.includes(name));
  const found = [wrong.length === 0 ? 'v3 is byte for byte the good endpoint\'s' : `other bytes on ${wrong.join(', ')}`, leftovers.length === 0 ? 'no partial left' : `left: ${leftovers.join(', ')}`].join('; ');
  return { ok: servers.length > 0 && wrong.length === 0 && leftovers.length === 0, found };
}

function agentsAgree({ agents }: AbortFacts, servers: readonly ServerName[]): Judged {
  const clean = servers.filter((name) => agents[name]?.sockets === 0 && agents[name].writers === 0 && !agents[name].aspired);
  const stopped = servers.map((name) => `${name} ${agents[name] === undefined ? 'no proof' : `${agents[name].stoppedMs} ms`}`).join(', ');
  return { ok: servers.length > 0 && clean.length === servers.length, found: `sockets 0, writers 0, not aspired on ${clean.length} of ${servers.length} (${stopped})` };
}

function refused({ broken, servers }: Facts): Judged | undefined {
  if (broken === undefined) return undefined;
  const { end, listsBefore, listsAfter, reloadsBefore, reloadsAfter } = broken;
  const changed = servers.filter((name) => listsBefore[name] === undefined || listsBefore[name] !== listsAfter[name]);
  const reloaded = servers.filter((name) => reloadsBefore[name] === undefined || reloadsBefore[name] !== reloadsAfter[name]);
  const ok = end.exitCode !== 0 && end.failureType === 'InvalidSavedModel' && servers.length > 0 && changed.length === 0 && reloaded.length === 0;
  const lists = changed.length === 0 ? 'no list changed' : `list changed on ${changed.join(', ')}`;
  const reloads = reloaded.length === 0 ? 'no server was reloaded' : `reload on ${reloaded.join(', ')}`;
  return { ok, found: `exit code ${end.exitCode}, ${end.failureType ?? 'no failure'}; ${lists}, ${reloads}` };
}

function atLeast(answered: Readonly<Record<ServerName, number>>, servers: readonly ServerName[]): Judged {
  const few = servers.filter((name) => (answered[name] ?? 0) < MIN_ANSWERS);
  return { ok: servers.length > 0 && few.length === 0, found: few.length === 0 ? `right answers from ${servers.length} servers after its end` : `too few right answers from ${few.join(', ')}` };
}

function restarted({ restart }: Facts): Judged | undefined {
  if (restart === undefined) return undefined;
  const { server, killedAtMs, answeredAtMs, answeredAfter, bootFileVersions, rolloutsInAll, rolloutsStarted } = restart;
  const ok = answeredAfter >= MIN_ANSWERS && bootFileVersions.join() === '3' && rolloutsInAll === rolloutsStarted;
  return { ok, found: `its boot file names v${bootFileVersions.join(', v')}; ${server} answered ${answeredAtMs - killedAtMs} ms after SIGKILL, ${answeredAfter} right answers since; ${rolloutsInAll} rollouts in all, ${rolloutsStarted} of the demo` };
}

function withinBounds({ transitions, servers }: Facts): Judged | undefined {
  if (transitions === undefined) return undefined;
  const all = Object.values(transitions);
  const [events, activities] = [Math.max(0, ...all.map((one) => one.events)), Math.max(0, ...all.map((one) => one.activities))];
  return { ok: all.length === servers.length && all.length > 0 && events <= MAX_EVENTS && activities <= MAX_ACTIVITIES, found: `at most ${events} events and ${activities} activities; allowed ${MAX_EVENTS} and ${MAX_ACTIVITIES}` };
}

function notChecked({ readable }: OutsideSeen): Pick<DemoVerdict, 'notChecked'> {
  return readable ? {} : { notChecked: 'by the endpoint\'s log only: no /proc on this machine' };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
