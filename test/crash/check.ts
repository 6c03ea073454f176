// What must be true of a root at every instant, also just after a kill or a power cut: an independent reader of what the writer left (DESIGN §7, §11).

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parseJournal, type ModelEntry } from '../../src/agent/journal-format';
import { composeBoot } from '../../src/domain/list';
import { toBootText } from '../../src/serving/model-list';
import { contentOf, entriesAfter, MODEL, STEPS, versionOf } from './life';

/** How far a writer had surely come: steps of the version it was about that it acknowledged. The next step may have happened, in part or whole. */
export interface Acknowledged {
  readonly version: number;
  readonly steps: number;
  /** The whole start of the process was acknowledged: from then on there is a journal and a boot file. */
  readonly ready: boolean;
  /** An agent has started since: bytes on their way that are of no use may be gone, and the journal's word of them. */
  readonly tidied?: true;
}

/** @param said lines of a writer that began with `from`; a last line that is not whole was not said. */
export function acknowledged(said: string, from: number, readyBefore: boolean): Acknowledged {
  const lines = said.slice(0, said.lastIndexOf('\n') + 1).split('\n');
  const last = lines.findLast((line) => line.startsWith('done '))?.split(' ');
  const ready = readyBefore || lines.includes('ready');
  if (last === undefined) return { version: from, steps: 0, ready };
  const steps = STEPS.findIndex((step) => step === last[2]) + 1;
  return steps === STEPS.length ? { version: Number(last[1]) + 1, steps: 0, ready } : { version: Number(last[1]), steps, ready };
}

/** @param writtenFor the root as its writer knew it, which the boot file names. Every violation in one sentence; none where all is well. */
export function violations(root: string, acked: Acknowledged, writtenFor = root): readonly string[] {
  const { entry, problems } = readEntry(root, acked);
  return [
    ...problems,
    ...entry === undefined ? [] : journalViolations(entry, acked),
    ...bootViolations(root, acked, writtenFor),
    ...directoryViolations(root, acked),
  ];
}

function readEntry(root: string, { ready, version }: Acknowledged): { readonly entry?: ModelEntry | undefined; readonly problems: readonly string[] } {
  const path = join(root, 'journal.json');
  if (!existsSync(path)) return { problems: ready ? ['journal.json is gone'] : [] };
  const text = readFileSync(path, 'utf8');
  const parsed = parseJournal(text);
  if ('why' in parsed) return { problems: [`journal.json is no journal: ${parsed.why}; ${text.length} bytes`] };
  const entry = parsed.ok.models.get(MODEL);
  return { entry, problems: entry === undefined && version > 1 ? ['journal.json has forgotten the model'] : [] };
}

/** Old or new, and never older than what was acknowledged. */
function journalViolations(entry: ModelEntry, { version, steps, tidied }: Acknowledged): readonly string[] {
  const legal = entriesAfter(version, steps).flatMap((one) => (tidied ? [one, { ...one, partial: undefined }] : [one]));
  if (legal.some((one) => isDeepStrictEqual(plain(one), plain(entry)))) return [];
  return [`journal.json is none of the ${legal.length} states that can follow step ${steps} of version ${version}: ${JSON.stringify(entry)}`];
}

function bootViolations(root: string, { version, steps, ready }: Acknowledged, writtenFor: string): readonly string[] {
  const path = join(root, 'boot.config');
  const promoted = STEPS.indexOf('promote');
  const legal = [...steps <= promoted ? [version - 1] : [], ...steps >= promoted ? [version] : []];
  if (!existsSync(path)) return ready ? ['boot.config is gone'] : [];
  const text = readFileSync(path, 'utf8');
  if (!legal.some((one) => text === bootText(writtenFor, one))) return [`boot.config is not that of version ${legal.join(' or ')} after step ${steps} of version ${version}: ${JSON.stringify(text)}`];
  const named = [...text.matchAll(/versions: (\d+)/g)].map((match) => match[1] ?? '');
  return named.filter((one) => !existsSync(join(root, 'models', MODEL, one))).map((one) => `boot.config names version ${one}, which is not on the disk`);
}

export function bootText(root: string, promoted: number): string {
  return toBootText(composeBoot(promoted === 0 ? [] : [{ model: MODEL, registered: 'yes', aspired: [], labels: {}, promoted: versionOf(promoted) }], root));
}

/** What a server can see is whole, byte for byte; what was acknowledged is there; and nothing else. */
function directoryViolations(root: string, { version, steps }: Acknowledged): readonly string[] {
  const base = join(root, 'models', MODEL);
  const found = existsSync(base) ? readdirSync(base) : [];
  const [stage, remove] = [STEPS.indexOf('stage'), STEPS.indexOf('remove')];
  const must = [...version > 1 && steps < remove ? [version - 1] : [], ...steps > stage ? [version] : []].map(String);
  const may = [...version > 1 && steps <= remove ? [version - 1] : [], ...steps >= stage ? [version] : []].map(String);
  return [
    ...must.filter((one) => !found.includes(one)).map((one) => `version ${one} is gone after step ${steps} of version ${version}`),
    ...found.filter((one) => !may.includes(one)).map((one) => `${one} is below the base path after step ${steps} of version ${version}`),
    ...found.flatMap((one) => contentViolations(join(base, one), Number(one))),
  ];
}

export function contentViolations(path: string, number: number): readonly string[] {
  const wanted = contentOf(number);
  const found = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1));
  return [
    ...[...wanted.keys()].filter((file) => !found.includes(file)).map((file) => `version ${number} lacks ${file}`),
    ...found.flatMap((file) => {
      const [want, bytes] = [wanted.get(file), readFileSync(join(path, file))];
      if (want === undefined) return [`version ${number} has ${file}, which nobody wrote`];
      return want.equals(bytes) ? [] : [`version ${number}: ${file} differs: want ${want.length} bytes, found ${bytes.length}, equal until ${firstDifference(want, bytes)}`];
    }),
  ];
}

function firstDifference(a: Buffer, b: Buffer): number {
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return at === -1 ? a.length : at;
}

/** As JSON has it: what is undefined is absent. Which attempt it was does not matter. */
function plain({ token, ...entry }: ModelEntry): unknown {
  return JSON.parse(JSON.stringify({ ...entry, epoch: token[0] }));
}
