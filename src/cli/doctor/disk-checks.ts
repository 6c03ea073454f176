// The disk under an agent's root: whether a version can become visible by one rename, whether it would last, and whether there is room for the next.

import { constants } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../../agent/durable-file';
import type { ModelEntry } from '../../agent/journal-format';
import { Journal } from '../../agent/journal';
import { SegueError } from '../../domain/failures';
import type { ModelName } from '../../domain/names';
import { SPACE_FACTOR } from '../../domain/room';
import { note, ok, problem, type Finding } from './finding';

export interface DiskReport {
  readonly findings: readonly Finding[];
  /** What the agent journalled. */
  readonly models: ReadonlyMap<ModelName, ModelEntry>;
}

/** Two clocks on one host differ by less; more comes from a file system on another. */
const CLOCK_SKEW_MS = 2_000;

export async function checkDisk(root: string): Promise<DiskReport> {
  const exists = await access(root, constants.R_OK | constants.W_OK | constants.X_OK).then(() => true, () => false);
  if (!exists) return { findings: [problem('disk', `${root}: not there, or this user may not write it`, `ls -ld ${root}`)], models: new Map() };
  const { models, findings } = await checkJournal(root);
  return { models, findings: [...findings, ...await checkRename(root), ...await checkSpace(root)] };
}

/** Only read: the agent, if it runs, goes on. */
async function checkJournal(root: string): Promise<DiskReport> {
  try {
    const journal = await Journal.open(root);
    if (journal.isNew) return { findings: [note('agent', `${root}: no journal: no agent has run here`, 'segue agent --help')], models: journal.models };
    const ahead = Math.max(0, ...[...journal.models.values()].map(newestMs)) - Date.now();
    const models = [...journal.models].map(([model, entry]) => `${model} ${entry.promoted ?? '-'}`).join(', ');
    return {
      models: journal.models,
      findings: [
        journal.seeded ? ok('agent', `journal read; promoted: ${models === '' ? 'nothing yet' : models}`) : problem('agent', 'the boot file names models and there was no journal: the agent changes nothing', `mv ${join(root, 'journal.json')} ${join(root, 'journal.json.bak')}`),
        ...(ahead > CLOCK_SKEW_MS ? [problem('clock', `the journal was written ${Math.round(ahead / 1000)} s in the future: this host's clock went back`, 'timedatectl')] : []),
      ],
    };
  } catch (error) {
    if (!(error instanceof SegueError)) throw error;
    return { findings: [problem('agent', error.message, `ls -l ${join(root, 'journal.json')}`)], models: new Map() };
  }
}

function newestMs(entry: ModelEntry): number {
  return Math.max(entry.candidate?.sinceMs ?? 0, ...Object.values(entry.leaving).flatMap((one) => [one.drainSinceMs ?? 0, one.unlistedSinceMs ?? 0]));
}

/** What staging a version does, with one small file under a name no server reads. */
async function checkRename(root: string): Promise<readonly Finding[]> {
  const from = join(root, `.doctor-${process.pid}`);
  const models = await stat(join(root, 'models')).then(() => join(root, 'models'), () => root);
  const to = join(models, `.doctor-${process.pid}-renamed`);
  try {
    await mkdir(from, { recursive: true });
    const startedMs = performance.now();
    await writeDurably(join(from, 'file'));
    await rename(from, to);
    await syncDirectory(models);
    const ms = performance.now() - startedMs;
    const skewMs = Math.abs((await stat(join(to, 'file'))).mtimeMs - Date.now()) - ms;
    return [
      ok('disk', `${root}: a file is written, fsynced and renamed into ${models} in ${ms.toFixed(1)} ms`),
      skewMs > CLOCK_SKEW_MS ? problem('clock', `files under ${root} are dated ${Math.round(skewMs / 1000)} s away from this host's clock`, 'timedatectl') : ok('clock', "the file system's clock is this host's"),
    ];
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'no code';
    const why = code === 'EXDEV' ? 'models is another file system, so a version cannot become visible by one rename' : (error as Error).message;
    return [problem('disk', `${root}: write, fsync, rename into models: ${code}: ${why}`, `df ${root} ${join(root, 'models')}`)];
  } finally {
    for (const path of [from, to]) await rm(path, { recursive: true, force: true });
  }
}

async function writeDurably(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile('segue doctor');
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The next version lies beside the one that is served. */
async function checkSpace(root: string): Promise<readonly Finding[]> {
  const { bavail, bsize } = await statfs(root);
  const free = bavail * bsize;
  const largest = await largestVersion(join(root, 'models'));
  const want = Math.ceil(largest * SPACE_FACTOR);
  const what = `${root}: ${mib(free)} free, the largest version here has ${mib(largest)}`;
  return [free < want ? problem('disk', `${what}: another one does not fit`, `du -sh ${root}/models/*/*`) : ok('disk', what)];
}

async function largestVersion(models: string): Promise<number> {
  let largest = 0;
  for (const model of await readdir(models).catch(() => [])) {
    for (const version of await readdir(join(models, model)).catch(() => [])) largest = Math.max(largest, await sizeBelow(join(models, model, version)));
  }
  return largest;
}

/** Versions come and go while we look. */
async function sizeBelow(path: string): Promise<number> {
  let size = 0;
  for (const name of await readdir(path, { recursive: true }).catch(() => [])) {
    const one = await stat(join(path, name)).catch(() => undefined);
    if (one?.isFile() === true) size += one.size;
  }
  return size;
}

function mib(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(bytes < 10 << 20 ? 1 : 0)} MiB`;
}
