// `npm run -s conformance -- DIR…`: every recorded timeline of the directories against the simulator; one line a file.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { check } from './check';
import { parseTimeline } from './timeline';

/** Resolves with the exit code: 0 only if there were timelines and all of them passed. */
export async function runConformance(paths: readonly string[], print: (line: string) => void = (line) => console.log(line)): Promise<number> {
  const startedMs = performance.now();
  const files = paths.flatMap(timelinesIn);
  let failed = 0;
  for (const file of files) {
    const problems = await problemsOf(file);
    if (problems.length > 0) failed += 1;
    print(problems.length === 0 ? `ok   ${file}` : `FAIL ${file}: ${problems[0]}${problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''}`);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  print(files.length === 0 ? 'no timelines (s*.txt, f*.txt) there' : `${files.length} timelines in ${seconds.toFixed(2)} s, ${(files.length / seconds).toFixed(0)} a second`);
  print(`${files.length - failed} passed, ${failed} failed`);
  return files.length > 0 && failed === 0 ? 0 : 1;
}

function timelinesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).filter((name) => /^[sf][0-9].*\.txt$/.test(name)).toSorted().map((name) => join(path, name));
}

async function problemsOf(file: string): Promise<string[]> {
  try {
    return await check(parseTimeline(file, readFileSync(file, 'utf8')));
  } catch (error) {
    // Whatever goes wrong with a file is that file's result; the others are still checked.
    return [error instanceof Error ? error.message : String(error)];
  }
}
