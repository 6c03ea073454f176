// Following a rollout to its end: what changes is printed, the exit code mirrors how it ended.

import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../../domain/status';
import type { Verdict } from '../../domain/verdict';
import type { ConnectedClient } from '../../worker/connection';
import { EXIT } from '../exit';
import type { Terminal } from '../terminal';
import { askStatus } from './ask';
import { awaitEnd, type RolloutEnd, serverLines, withVerdict } from './end';
import { changes, table } from './show';

export interface FollowOptions {
  readonly workflowId: string;
  readonly runId?: string;
  readonly timeoutMs?: number;
  /** Each change as one JSON object a line. */
  readonly json: boolean;
}

/** Slow enough not to be a load on the worker, fast enough that a person sees each step. */
const LOOK_EVERY_MS = 500;

/** Resolves with the exit code. */
export async function follow(connected: ConnectedClient, options: FollowOptions, terminal: Terminal): Promise<number> {
  const end = awaitEnd(connected.client, options.workflowId, options.runId);
  let over = false;
  const ended = end.finally(() => {
    over = true;
  });
  ended.catch(() => undefined); // awaited below, or given up at the time-out
  const screen = options.json ? jsonScreen(terminal) : terminal.live ? liveScreen(terminal) : lineScreen(terminal);
  const deadline = options.timeoutMs === undefined ? Infinity : Date.now() + options.timeoutMs;
  while (!over) {
    const status = await Promise.race([askStatus(connected, options.workflowId).catch((error: unknown) => ended.then(() => ({ unanswered: '' }), () => Promise.reject(error))), ended.then(() => undefined, () => undefined)]);
    if (status !== undefined) screen.show(status);
    if (over) break;
    if (Date.now() >= deadline) {
      screen.note(`still running after ${Math.round((options.timeoutMs ?? 0) / 1000)} s`);
      if (!options.json) terminal.err(` go on:  segue rollout watch ${options.workflowId}\n stop it: segue rollout abort ${options.workflowId} --reason TEXT`);
      return EXIT.stillRunning;
    }
    await Promise.race([delay(Math.min(LOOK_EVERY_MS, Math.max(0, deadline - Date.now()))), ended.catch(() => undefined)]);
  }
  const last = await ended;
  screen.end(last.verdict === undefined ? withVerdict(last, await lastVerdict(connected, options.workflowId)) : last);
  return last.exit;
}

/** A query that meets the very end of a run may be lost on the way (SDK 1.24): so it is asked again. */
const LAST_LOOKS = 3;
const LAST_LOOK_DEADLINE_MS = 2_000;

/** What the rollout itself said at its end, where somebody is there to tell it. */
async function lastVerdict(connected: ConnectedClient, workflowId: string): Promise<Verdict | undefined> {
  for (let look = 0; look < LAST_LOOKS; look += 1) {
    const status = await askStatus(connected, workflowId, LAST_LOOK_DEADLINE_MS);
    if (!('unanswered' in status)) return status.verdict;
  }
  return undefined;
}

type Look = Status | { readonly unanswered: string };

interface Screen {
  readonly show: (look: Look) => void;
  readonly note: (line: string) => void;
  readonly end: (end: RolloutEnd) => void;
}

/** One fact a line, each once, with the time it was seen. */
function lineScreen(terminal: Terminal): Screen {
  let before: Status | undefined;
  let unanswered = '';
  const line = (text: string): void => terminal.out(`${new Date().toISOString().slice(11, 19)} ${text}`);
  return {
    show: (look) => {
      if ('unanswered' in look) {
        if (look.unanswered !== unanswered && look.unanswered !== '') line(look.unanswered);
        unanswered = look.unanswered;
        return;
      }
      for (const fact of changes(before, look)) line(fact);
      before = look;
    },
    note: line,
    end: (end) => {
      line(end.line);
      for (const server of end.verdict === undefined ? [] : serverLines(end.verdict)) terminal.out(server);
    },
  };
}

/** The table, rewritten in place. */
function liveScreen(terminal: Terminal): Screen {
  let height = 0;
  const rewrite = (lines: readonly string[]): void => {
    const up = height === 0 ? '' : `\u001b[${height}A\r\u001b[0J`;
    terminal.out(`${up}${lines.join('\n')}`);
    height = lines.length;
  };
  const below = (lines: readonly string[]): void => {
    for (const line of lines) terminal.out(line);
    height = 0;
  };
  return {
    show: (look) => rewrite('unanswered' in look ? [look.unanswered] : table(look, Date.now(), terminal.columns)),
    note: (line) => below([line]),
    end: (end) => below([end.line, ...(end.verdict === undefined ? [] : serverLines(end.verdict))]),
  };
}

/** For scripts: the status whenever it changed, and the end. */
function jsonScreen(terminal: Terminal): Screen {
  let before = '';
  const print = (value: unknown): void => {
    const text = JSON.stringify(value);
    if (text !== before) terminal.out(text);
    before = text;
  };
  return { show: (look) => { if (!('unanswered' in look)) print(look); }, note: (line) => print({ note: line }), end: (end) => print(endJson(end)) };
}

export function endJson(end: RolloutEnd): unknown {
  return { exit: end.exit, message: end.line, ...(end.verdict === undefined ? {} : { verdict: end.verdict }) };
}
