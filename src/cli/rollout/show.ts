// A rollout's status in words: as facts one a line, what changed between two looks, and as a table.

import type { ServerStatus, Status } from '../../domain/status';
import { failureText, pauseText, waitingText } from '../../domain/status';

/** What is new since `before`, one fact a line, in the order of the servers. */
export function changes(before: Status | undefined, after: Status): readonly string[] {
  const facts: string[] = [];
  if (before?.phase !== after.phase) facts.push(`phase ${after.phase}`);
  if (before !== undefined && before.generation.join('.') !== after.generation.join('.')) facts.push(`generation ${after.generation.join('.')}`);
  if (after.pause !== undefined && before?.pause?.sinceMs !== after.pause.sinceMs) facts.push(pauseFact(after.pause));
  for (const [server, now] of Object.entries<ServerStatus>(after.servers)) {
    const was = (before?.servers as Readonly<Record<string, ServerStatus>> | undefined)?.[server];
    if (serverFact(was) !== serverFact(now)) facts.push(`${server} ${serverFact(now)}`);
  }
  if (after.failure !== undefined && before?.failure?.message !== after.failure.message) facts.push(failureText(after.failure));
  if (after.refusal !== undefined && before?.refusal !== after.refusal) facts.push(`last verb refused: ${after.refusal}`);
  return facts;
}

const GLYPHS: Readonly<Record<string, string>> = { pending: '○', served: '✔', wentBack: '↩', stopped: '■', failed: '✖', notSeen: '?' };

/** The whole status as lines of at most `columns`: what a person sees live. */
export function table(status: Status, nowMs: number, columns: number): readonly string[] {
  const servers = Object.entries<ServerStatus>(status.servers);
  const width = Math.max(6, ...servers.map(([server]) => server.length));
  const rows = servers.map(([server, now]) => {
    const since = now.since === 0 ? '' : age(nowMs - now.since);
    return ` ${GLYPHS[now.step] ?? '◐'} ${server.padEnd(width)}  ${now.step.padEnd(15)} ${(now.version === undefined ? '' : `serves ${now.version}`).padEnd(12)} ${since.padStart(6)}${now.waiting === undefined ? '' : `  waits for ${waitingText(now.waiting)}`}`;
  });
  const pause = status.pause === undefined ? [] : [` ${pauseFact(status.pause)}`];
  return [`${status.phase} · generation ${status.generation.join('.')}`, ...pause, ...rows].map((line) => (line.length <= columns ? line : `${line.slice(0, columns - 1)}…`));
}

/** On the page of the Temporal UI it is bold. */
function pauseFact(pause: NonNullable<Status['pause']>): string {
  return pauseText(pause).replaceAll('**', '');
}

function serverFact(server: ServerStatus | undefined): string {
  if (server === undefined) return '';
  return `${server.step}${server.version === undefined ? '' : `, serves ${server.version}`}${server.waiting === undefined ? '' : `, waits for ${waitingText(server.waiting)}`}`;
}

function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${Math.floor(seconds / 60)} m ${seconds % 60} s` : `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} m`;
}
