// What a person or a script is shown of a rollout: by the status query, by the details page, by search attributes.

import type { Failure } from './failures';
import type { ShownStep } from './host';
import type { ServerName, Token, Version } from './names';
import type { Phase, Plan, Waiting } from './rollout';
import type { Pause, RolloutState, ServerState } from './rollout-facts';
import { failureOf } from './rollout-state';
import { clockText } from './time-text';
import type { Verdict } from './verdict';
import type { Proof } from './view';

export interface ServerStatus {
  /** A step by its activity's name while it runs; otherwise where the server stands. */
  readonly step: ShownStep | 'pending' | 'bake' | 'served' | 'wentBack' | 'notBack' | 'stopped' | 'failed' | 'notSeen';
  /** Epoch milliseconds. */
  readonly since: number;
  /** What clients of this server get, where we know. */
  readonly version?: Version;
  readonly waiting?: Waiting;
  /** Of the last attempt that was stopped on it. */
  readonly proof?: Proof;
}

/** The answer to the `status` query. */
export interface Status {
  readonly phase: Phase;
  readonly generation: Token;
  readonly servers: Readonly<Record<ServerName, ServerStatus>>;
  readonly verdict?: Verdict;
  /** Why it goes back or waits for a person, until the verdict says it. */
  readonly failure?: Failure & { readonly server?: ServerName };
  /** Why the last verb that came by signal was refused. */
  readonly refusal?: string;
  /** Nothing new begins until `resume`. */
  readonly pause?: Pause;
}

export function statusOf(state: RolloutState, plan: Plan, verdict: Verdict | undefined): Status {
  const entries = (state.claim?.servers ?? []).map((name) => [name, serverStatus(state.servers[name], plan.waits[name])] as const);
  const back = Object.values<ServerState>(state.servers).some((server) => server.direction === 'back');
  const failure = verdict === undefined ? failureOf(state) : undefined;
  return {
    phase: verdict === undefined ? plan.phase : 'done',
    generation: [state.claim?.epoch ?? 0, state.attempt + (back ? 1 : 0)],
    servers: Object.fromEntries(entries) as Record<ServerName, ServerStatus>,
    ...(verdict === undefined ? {} : { verdict }),
    ...(failure === undefined ? {} : { failure }),
    ...(state.refusal === undefined ? {} : { refusal: state.refusal }),
    ...(state.pause === undefined || verdict !== undefined ? {} : { pause: state.pause }),
  };
}

function serverStatus(server: ServerState | undefined, waiting: Waiting | undefined): ServerStatus {
  if (server === undefined) return { step: 'pending', since: 0 };
  return {
    step: shownStep(server), since: server.sinceMs,
    ...(server.serving === undefined ? {} : { version: server.serving }),
    ...(waiting === undefined ? {} : { waiting }),
    ...(server.proof === undefined ? {} : { proof: server.proof }),
  };
}

function shownStep(server: ServerState): ServerStatus['step'] {
  if (server.activity === 'none') {
    if (server.end === undefined) return server.notSeen ? 'notSeen' : 'pending';
    return server.direction === 'back' ? (server.end.kind === 'served' ? 'wentBack' : 'notBack') : server.end.kind;
  }
  if (server.activity === 'transition' && server.gateSinceMs !== undefined && !server.released) return 'bake';
  return server.step ?? 'beginAttempt';
}

/** More rows than this would not fit the details page (under 40 lines); the rest is counted. */
const MAX_TABLE_ROWS = 30;

/** Markdown for the Temporal UI: who, from what to what, and one line a server. */
export function detailsOf(state: RolloutState, status: Status): string {
  const { model, version, retire, requestedBy, reason, ciUrl } = state.request;
  const rows = Object.entries<ServerStatus>(status.servers);
  const shown = rows.slice(0, MAX_TABLE_ROWS).map(([name, server]) => `| ${name} | ${server.step} | ${server.version ?? '-'} | ${clockText(server.since)} | ${server.waiting === undefined ? '' : waitingText(server.waiting)} |`);
  const stable = state.claim?.stable?.version;
  const wish = [requestedBy === undefined ? undefined : `requested by ${requestedBy}`, reason, ciUrl].filter((part) => part !== undefined).join(' · ');
  return [
    `**${model} ${stable === undefined ? '' : `${stable} `}→ ${retire ? 'nothing' : version}** · ${status.phase} · generation ${status.generation.join('.')}`,
    ...(wish === '' ? [] : [wish]),
    ...(status.verdict === undefined ? [] : [`**${status.verdict.outcome}**: ${status.verdict.message}`]),
    ...(status.failure === undefined ? [] : [failureText(status.failure)]),
    ...(status.refusal === undefined ? [] : [`last verb refused: ${status.refusal}`]),
    ...(status.pause === undefined ? [] : [pauseText(status.pause)]),
    [
      '| server | step | serves | since (UTC) | waits for |',
      '| --- | --- | --- | --- | --- |',
      ...shown,
      ...(rows.length > MAX_TABLE_ROWS ? [`| … and ${rows.length - MAX_TABLE_ROWS} more | | | | |`] : []),
    ].join('\n'),
  ].join('\n\n');
}

export function pauseText({ by, reason, sinceMs }: Pause): string {
  return `**paused**${by === undefined ? '' : ` by ${by}`} since ${clockText(sinceMs)} UTC${reason === undefined ? '' : `: ${reason}`}`;
}

export function failureText({ code, server, message }: NonNullable<Status['failure']>): string {
  return `first failure: ${code}${server === undefined ? '' : ` on ${server}`}: ${message}`;
}

export function waitingText(waiting: Waiting): string {
  switch (waiting.on) {
    case 'claim': return 'the fleet to answer';
    case 'fence': return 'every server to be fenced';
    case 'source': return 'the listing of the source';
    case 'turn': return `its turn, behind ${some(waiting.behind)}`;
    case 'wave': return `the end of wave ${waiting.wave}`;
    case 'bake': return `the bake, until ${clockText(waiting.untilMs)}`;
    case 'resume': return `a resume; paused${waiting.by === undefined ? '' : ` by ${waiting.by}`} at ${clockText(waiting.sinceMs)}`;
    case 'peers': return `${some(waiting.servers)} of its wave`;
    case 'stop': return `${some(waiting.servers)} to stop`;
    case 'operator': return `a person (${waiting.failure}), until ${clockText(waiting.untilMs)}`;
  }
}

function some(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}
