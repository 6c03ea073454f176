// A recorded timeline of the real core as values (test/data/tfserving-core-traces/README.md, test/data/tfserving-core-fuzz/README.md).

import { basename } from 'node:path';

/** What the recording did to the server. */
export type Input =
  | { readonly kind: 'fs'; readonly action: FsAction }
  | { readonly kind: 'server'; readonly options: Readonly<Record<string, number>>; readonly config: string }
  | { readonly kind: 'reload'; readonly config: string }
  | { readonly kind: 'take'; readonly id: string; readonly spec: HandleSpec }
  | { readonly kind: 'release'; readonly id: string };

export type FsAction =
  | { readonly do: 'version'; readonly path: string; readonly behaviour: string }
  | { readonly do: 'behaviour'; readonly path: string; readonly behaviour: string }
  | { readonly do: 'mkdir' | 'touch' | 'remove'; readonly path: string }
  | { readonly do: 'move'; readonly path: string; readonly to: string };

export interface HandleSpec {
  readonly model: string;
  /** Absent: none given. */
  readonly version?: bigint;
  readonly label?: string;
}

/** What the recording saw. */
export type Output =
  | { readonly kind: 'created'; readonly text: string }
  | { readonly kind: 'event' | 'attempt' | 'log'; readonly text: string }
  | { readonly kind: 'reloaded'; readonly tookMs: number; readonly text: string }
  | { readonly kind: 'blocked'; readonly forMs: number }
  | { readonly kind: 'status'; readonly model: string; readonly version?: bigint; readonly text: string }
  | { readonly kind: 'handle'; readonly spec: HandleSpec; readonly text: string }
  | { readonly kind: 'taken'; readonly id: string; readonly text: string }
  | { readonly kind: 'choice'; readonly action: 'load' | 'unload'; readonly due: readonly string[] }
  | { readonly kind: 'anyBlocked'; readonly blocked: boolean }
  /** A word of the scenario's author; nothing to compare. */
  | { readonly kind: 'remark'; readonly text: string };

export type Entry = { readonly atMs: number; readonly line: number } & (Input | Output);

export interface Timeline {
  readonly name: string;
  readonly title: string;
  readonly entries: readonly Entry[];
  /** Random scenarios were recorded with known phases of the periodic threads and with the events of the initial loads (their README). */
  readonly phased: boolean;
}

/** Throws with file and line where a line cannot be one of a timeline. */
export function parseTimeline(file: string, text: string): Timeline {
  const name = basename(file);
  const [title = '', ...lines] = text.split('\n');
  const raw: { atMs: number; line: number; text: string }[] = [];
  for (const [index, line] of lines.entries()) {
    const match = /^ {2}\[ *([0-9]+)\] (.*)$/.exec(line);
    const previous = raw.at(-1);
    if (match !== null) raw.push({ atMs: Number(match[1]), line: index + 2, text: match[2] ?? '' });
    else if (previous !== undefined) previous.text += `\n${line}`; // A log entry of several lines.
    else if (line.trim() !== '') throw new Error(`${name}:${index + 2}: not a line of a timeline: ${line}`);
  }
  const entries = raw.map(({ atMs, line, text: body }): Entry => ({ atMs, line, ...parseLine(body.trimEnd(), `${name}:${line}`) }));
  if (!entries.some(({ kind }) => kind === 'server')) throw new Error(`${name}: no server> line, so not a timeline`);
  return { name, title, entries, phased: /^F[0-9]/.test(title) || /^f[0-9]/.test(name) };
}

function parseLine(text: string, where: string): Input | Output {
  for (const [pattern, make] of LINES) {
    const match = pattern.exec(text);
    if (match !== null) return make(match.slice(1).map((group) => group ?? ''), where);
  }
  return { kind: 'remark', text };
}

type Make = (groups: string[], where: string) => Input | Output;

const LINES: readonly (readonly [RegExp, Make])[] = [
  [/^fs> ?(.*)$/s, ([action = ''], where) => ({ kind: 'fs', action: parseFs(action, where) })],
  [/^server> (.*?) ?config:(.*)$/s, ([options = '', config = ''], where) => ({ kind: 'server', options: parseOptions(options, where), config: config.trim() })],
  [/^create -> (.*)$/s, ([result = '']) => ({ kind: 'created', text: result })],
  [/^reload>(.*)$/s, ([config = '']) => ({ kind: 'reload', config: config.trim() })],
  [/^ReloadConfig took ([0-9]+)ms -> (.*)$/s, ([took, result = '']) => ({ kind: 'reloaded', tookMs: Number(took), text: result })],
  [/^ReloadConfig still blocked after ([0-9]+)ms$/, ([ms]) => ({ kind: 'blocked', forMs: Number(ms) })],
  [/^event (.*)$/s, ([event = '']) => ({ kind: 'event', text: event })],
  [/^ *(loader attempt .*)$/, ([attempt = '']) => ({ kind: 'attempt', text: attempt })],
  [/^log E: (.*)$/s, ([log = '']) => ({ kind: 'log', text: log.trim() })],
  [/^choice (load|unload) (.*)$/, ([action, due = '']) => ({ kind: 'choice', action: action as 'load' | 'unload', due: due.trim().split(' ') })],
  [/^status\(([^)]*)\): (.*)$/s, ([model = '', status = '']) => ({ kind: 'status', model, text: status })],
  [/^status ([^ :/]+)(?:\/(-?[0-9]+))?: ((?:model_version_status|[A-Z_]+:).*)$/s, ([model = '', version = '', status = '']) => ({ kind: 'status', model, ...(version !== '' && { version: BigInt(version) }), text: status })],
  [/^status by label: (.*)$/s, ([status = '']) => ({ kind: 'status', model: THE_MODEL, text: status })],
  [/^handle\(([^,]*),(-?[0-9]+),([^)]*)\): (.*)$/s, ([model = '', version = '', label = '', result = '']) => ({ kind: 'handle', spec: spec(model, version, label), text: result })],
  [/^handle> take ([^ ]+) ([^ ]*) ([^ ]+)$/, ([id = '', model = '', which = '']) => ({ kind: 'take', id, spec: /^-?[0-9]+$/.test(which) ? spec(model, which, '') : spec(model, '-1', which) })],
  [/^handle> release ([^ ]+)$/, ([id = '']) => ({ kind: 'release', id })],
  [/^take ([^ ]+) -> (.*)$/s, ([id = '', result = '']) => ({ kind: 'taken', id, text: result })],
  [/^.*STILL BLOCKED after/, () => ({ kind: 'anyBlocked', blocked: true })],
  [/^.*\bdone\? (?:no|0)$/, () => ({ kind: 'anyBlocked', blocked: true })],
  // Other words of a scenario's author may begin with anything, these not.
  [/^(?:event \{|ReloadConfig |handle>|choice (?:load|unload))/, (_groups, where) => { throw new Error(`${where}: a line of a known kind, but not in its form`); }],
];

/** "status by label" does not say of which model: the first of the first list. */
export const THE_MODEL = '\0first';

function spec(model: string, version: string, label: string): HandleSpec {
  return { model, ...(BigInt(version) >= 0n && { version: BigInt(version) }), ...(label !== '' && { label }) };
}

function parseOptions(text: string, where: string): Record<string, number> {
  return Object.fromEntries(text.split(' ').filter(Boolean).map((pair) => {
    const match = /^([a-z_]+)=(-?[0-9]+)$/.exec(pair);
    if (match === null) throw new Error(`${where}: not an option: ${pair}`);
    return [match[1] ?? '', Number(match[2])];
  }));
}

function parseFs(text: string, where: string): FsAction {
  for (const [pattern, make] of FS) {
    const match = pattern.exec(text);
    if (match !== null) return make(unquote(match[1] ?? ''), unquote(match[2] ?? ''));
  }
  throw new Error(`${where}: unknown change of the file system: ${text}`);
}

const FS: readonly (readonly [RegExp, (a: string, b: string) => FsAction])[] = [
  [/^version directory (.+) appears, loader behaviour: (.*)$/, (path, behaviour) => ({ do: 'version', path, behaviour })],
  [/^echo (.*?) ?> (.+)\/behaviou?r$/, (behaviour, path) => ({ do: 'behaviour', path, behaviour })],
  [/^mkdir (?:-p )?('.+'|.+)$/, (path) => ({ do: 'mkdir', path })],
  [/^touch (.+)$/, (path) => ({ do: 'touch', path })],
  [/^(?:rm -rf|rmdir|rm -r|rm) ('.+'|.+)$/, (path) => ({ do: 'remove', path })],
  [/^mv ('[^']+'|[^ ]+) ('[^']+'|[^ ]+)$/, (path, to) => ({ do: 'move', path, to })],
];

function unquote(text: string): string {
  return /^'.*'$/.test(text) ? text.slice(1, -1) : text;
}
