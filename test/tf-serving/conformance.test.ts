import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check } from '../../src/testing/tf-serving/conformance/check';
import { runConformance } from '../../src/testing/tf-serving/conformance/main';
import { parseTimeline } from '../../src/testing/tf-serving/conformance/timeline';

const DATA = join(__dirname, '..', 'data');
const FOLDERS = ['tfserving-core-traces', 'tfserving-core-fuzz'];
const FILES = FOLDERS.flatMap((folder) => readdirSync(join(DATA, folder)).filter((name) => /^[sf][0-9].*\.txt$/.test(name)).map((name) => join(DATA, folder, name)));

const checkText = (file: string, text: string): Promise<string[]> => check(parseTimeline(file, text));

test('the core does what the real one was seen to do, in all recorded timelines', async () => {
  const lines: string[] = [];
  const code = await runConformance(FOLDERS.map((folder) => join(DATA, folder)), (line) => lines.push(line));
  expect(lines.filter((line) => line.startsWith('FAIL'))).toEqual([]);
  expect(lines.at(-1)).toBe(`${FILES.length} passed, 0 failed`);
  expect(code).toBe(0);
  expect(lines.at(-2)).toMatch(/^\d+ timelines in [\d.]+ s, \d+ a second$/);
});

// A runner that cannot fail proves nothing: each of these makes a recording of something the real core did not do.
const EVENT = /^ {2}\[ *([0-9]+)\] (event \{name: (.*?) version: .*)$/;

const MUTATIONS: Readonly<Record<string, (lines: string[], at: number) => string[] | undefined>> = {
  'an event dropped': (lines, at) => lines.toSpliced(at, 1),
  'an event twice': (lines, at) => lines.toSpliced(at, 0, lines[at] ?? ''),
  'an event 300 ms late': (lines, at) => lines.with(at, moved(lines[at] ?? '', 300)),
  'an event 300 ms early': (lines, at) => (Number(EVENT.exec(lines[at] ?? '')?.[1]) < 300 ? undefined : lines.with(at, moved(lines[at] ?? '', -300))),
  'another state': (lines, at) => lines.with(at, (lines[at] ?? '').replace(/(Start|Loading|Available|Unloading|End)/, (state) => (state === 'Loading' ? 'Unloading' : 'Loading'))),
  'another version': (lines, at) => lines.with(at, (lines[at] ?? '').replace(/version: (-?[0-9]+)/, (_all, version: string) => `version: ${Number(version) + 1}`)),
  'the order of two events of a model swapped': (lines, at) => {
    const [, , text = '', model = ''] = EVENT.exec(lines[at] ?? '') ?? [];
    const next = lines.findIndex((line, index) => index > at && EVENT.exec(line)?.[3] === model && EVENT.exec(line)?.[2] !== text);
    if (next < 0) return undefined;
    const other = EVENT.exec(lines[next] ?? '')?.[2] ?? '';
    return lines.with(at, (lines[at] ?? '').replace(text, other)).with(next, (lines[next] ?? '').replace(other, text));
  },
};

function moved(line: string, byMs: number): string {
  return line.replace(/\[ *([0-9]+)\]/, (_all, ms: string) => `[${String(Number(ms) + byMs).padStart(5)}]`);
}

test.each(Object.entries(MUTATIONS))('a recording with %s is refused', async (_what, mutate) => {
  const accepted: string[] = [];
  let refused = 0;
  for (const [number, file] of FILES.entries()) {
    const lines = readFileSync(file, 'utf8').split('\n');
    const events = lines.flatMap((line, index) => (EVENT.test(line) ? [index] : []));
    const at = events[(number * 7) % Math.max(events.length, 1)];
    const mutated = at === undefined ? undefined : mutate(lines, at);
    if (mutated === undefined) continue;
    const problems = await checkText(file, mutated.join('\n'));
    if (problems.length > 0) refused += 1;
    else accepted.push(`${file}:${(at ?? 0) + 1}`);
  }
  expect(accepted).toEqual([]);
  expect(refused).toBeGreaterThan(50);
});

const OTHER_LINES: Readonly<Record<string, readonly [RegExp, (line: string) => string]>> = {
  'the text of a reload result': [/ReloadConfig took .* -> /, (line) => `${line} indeed`],
  'the code of a reload result': [/ReloadConfig took .* -> OK/, (line) => line.replace('OK', 'UNKNOWN: no')],
  'how long a reload took': [/ReloadConfig took ([0-9]+)ms/, (line) => line.replace(/took ([0-9]+)ms/, (_all, ms: string) => `took ${Number(ms) + 300}ms`)],
  'the text of an error': [/log E: Servable/, (line) => line.replace('cannot be loaded', 'could not be loaded')],
  'a status': [/status\(.*state: (AVAILABLE|END|LOADING|START)/, (line) => line.replace(/state: (AVAILABLE|END|LOADING|START)/, 'state: UNLOADING')],
  'what a handle answers': [/handle\(.*OK v/, (line) => line.replace('OK v', 'OK v9')],
  'what was taken': [/take .* -> OK v/, (line) => line.replace('OK v', 'OK v9')],
  'a loader attempt': [/loader attempt 1 /, (line) => line.replace('attempt 1', 'attempt 2')],
};

test.each(Object.entries(OTHER_LINES))('a recording in which %s differs is refused', async (_what, [pattern, change]) => {
  let refused = 0;
  for (const file of FILES) {
    const lines = readFileSync(file, 'utf8').split('\n');
    const at = lines.findLastIndex((line) => pattern.test(line));
    if (at < 0) continue;
    expect([file, (await checkText(file, lines.with(at, change(lines[at] ?? '')).join('\n'))).length > 0]).toEqual([file, true]);
    refused += 1;
  }
  expect(refused).toBeGreaterThan(10);
});

describe('the runner', () => {
  let folder: string;
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'segue-conformance-')); });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('says which file failed and why, goes on with the others, and returns 1', async () => {
    const good = readFileSync(join(DATA, 'tfserving-core-traces', 's036.txt'), 'utf8');
    writeFileSync(join(folder, 's001.txt'), good);
    writeFileSync(join(folder, 's002.txt'), good.replace('version: 2} Available', 'version: 2} End'));
    writeFileSync(join(folder, 's003.txt'), 'not a timeline\n');
    writeFileSync(join(folder, 'grpc-wire.txt'), 'not for this runner\n');
    const lines: string[] = [];
    expect(await runConformance([folder], (line) => lines.push(line))).toBe(1);
    expect(lines[0]).toBe(`ok   ${join(folder, 's001.txt')}`);
    expect(lines[1]).toMatch(/^FAIL .*s002\.txt: line [0-9]+: m: .* End"; here .* Available"/);
    expect(lines[2]).toMatch(/^FAIL .*s003\.txt: .*not a timeline/);
    expect(lines.at(-1)).toBe('1 passed, 2 failed');
  });

  test('an empty directory is no success', async () => {
    const lines: string[] = [];
    expect(await runConformance([folder], (line) => lines.push(line))).toBe(1);
    expect(lines.at(-1)).toBe('0 passed, 0 failed');
  });
});
