// A million keys against an oracle that shares no code with the rules; and the rules with one missing, which the same million must find.

import { posix } from 'node:path';
import { reasonNotFileSet, reasonNotPath } from '../../src/source/key-path';

const SETS = 250_000;
const KEYS_PER_SET = 4;
/** Printed, so that what one run finds another can find again: SEGUE_FUZZ_SEED=… */
const SEED = Number(process.env['SEGUE_FUZZ_SEED'] ?? Date.now() % 2 ** 31);

type Decide = typeof reasonNotPath;
type DecideSet = typeof reasonNotFileSet;

test(`${SETS * KEYS_PER_SET} keys are decided as the oracle decides them, alone and as sets`, () => {
  process.stderr.write(`keys: SEGUE_FUZZ_SEED=${SEED}\n`);
  const tally = { accepted: 0, refused: 0, setsAccepted: 0, twins: 0, clashes: 0 };
  expect(disagreement(reasonNotPath, reasonNotFileSet, SETS, SEED, tally)).toBeUndefined();
  // Neither side of any rule was left out by chance.
  for (const [what, count] of Object.entries(tally)) if (count < 1000) throw new Error(`only ${count} ${what}`);
});

test('each letter there is has its other case for a twin', () => {
  const missed: string[] = [];
  for (let code = 0x21; code < 0x20000; code++) {
    const letter = String.fromCodePoint(code);
    for (const other of [letter.toUpperCase(), letter.toLowerCase()]) {
      if (other !== letter && isFile(letter) && isFile(other) && reasonNotFileSet([letter, other]) === undefined) missed.push(`${letter} ${other}`);
    }
  }
  expect(missed).toEqual([]);
});

/** What each rule says: with any one of them gone the oracle must object. */
const RULES = ['is empty', 'absolute', 'control', 'backslash', 'well-formed', 'U+FFFD', 'normal form', 'longer than 1024', 'empty component', 'the component "."', 'the component ".."', 'ends in a dot', 'longer than 255'];

test.each(RULES)('a rule that is missing is found: %s', (said) => {
  const without: Decide = (key) => {
    const why = reasonNotPath(key);
    // Another rule may refuse the same key: then nothing is wrong with it.
    return why === undefined || !rule(why, said) || others(key, said) ? why : undefined;
  };
  expect(disagreement(without, reasonNotFileSet, 100_000, SEED)).toBeDefined();
});

test.each<[string, DecideSet]>([
  ['twins by case', (paths) => unlessSaid(paths, /only by case/)],
  ['the same path twice', (paths) => unlessSaid(paths, /appears twice/)],
  ['a file that is a directory too', (paths) => unlessSaid(paths, /a directory too/)],
  ['twins only where both are ASCII', (paths) => (paths.some((path) => NOT_ASCII.test(path)) ? unlessSaid(paths, /only by case/) : reasonNotFileSet(paths))],
])('a rule on sets that is missing is found: %s', (_, decideSet) => {
  expect(disagreement(reasonNotPath, decideSet, 100_000, SEED)).toBeDefined();
});

test('a rule too many is found', () => {
  expect(disagreement((key) => (key.includes('~') ? 'a tilde' : reasonNotPath(key)), reasonNotFileSet, 100_000, SEED)).toBeDefined();
});

/** The first key or set on which the rules and the oracle differ. */
function disagreement(decide: Decide, decideSet: DecideSet, sets: number, seed: number, tally: Record<string, number> = {}): string | undefined {
  const chance = mulberry32(seed);
  const count = (what: string): void => void (tally[what] = (tally[what] ?? 0) + 1);
  for (let n = 0; n < sets; n++) {
    const keys = Array.from({ length: KEYS_PER_SET }, () => randomKey(chance));
    const good: string[] = [];
    for (const key of keys) {
      const wanted = isFile(key);
      if (wanted) good.push(key);
      const refused = decide(key) !== undefined;
      count(refused ? 'refused' : 'accepted');
      if (refused === wanted) return `${JSON.stringify(key)}: ${refused ? 'refused' : 'accepted'}, the oracle says otherwise`;
    }
    const found = decideSet(good);
    const want = conflict(good);
    count(want === undefined ? 'setsAccepted' : want);
    if ((found === undefined) !== (want === undefined)) return `${JSON.stringify(good)}: ${found?.why ?? 'accepted'}, the oracle says ${want ?? 'fine'}`;
  }
  return undefined;
}

/** One key as a file below a directory on Linux, macOS and Windows alike: by code points and by what path resolution makes of it. */
function isFile(key: string): boolean {
  const bytes = Buffer.from(key, 'utf8');
  if (bytes.length === 0 || bytes.length > 1024 || bytes.toString('utf8') !== key || key !== key.normalize()) return false;
  let componentBytes = 0;
  let last = 0;
  for (let at = 0; at <= bytes.length; at++) {
    const byte = bytes[at] ?? 0x2f;
    if (byte === 0x2f) {
      if (componentBytes === 0 || componentBytes > 255 || last === 0x2e || last === 0x20) return false;
      componentBytes = 0;
    } else {
      if (byte < 0x20 || byte === 0x7f || byte === 0x5c) return false;
      componentBytes++;
    }
    last = byte;
  }
  // C1 controls are C2 80 to C2 9F; U+FFFD is EF BF BD.
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === 0xc2 && bytes[at + 1]! < 0xa0) return false;
    if (bytes[at] === 0xef && bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd) return false;
  }
  if (posix.resolve('/dest', key) !== `/dest/${key}`) throw new Error(`the oracle let ${JSON.stringify(key)} out`);
  return true;
}

/** Two paths that some file system takes for one, or one below the other's file. */
function conflict(paths: readonly string[]): 'twins' | 'clashes' | undefined {
  const forms = paths.map(formsOf);
  const heads = paths.map((path) => path.split('/').flatMap((_, depth, parts) => (depth === 0 ? [] : [formsOf(parts.slice(0, depth).join('/'))])));
  if (forms.some((a, at) => forms.some((b, other) => at < other && same(a, b)))) return 'twins';
  return forms.some((a) => heads.some((above) => above.some((head) => same(a, head)))) ? 'clashes' : undefined;
}

interface Forms {
  readonly path: string;
  readonly upper: string;
  readonly upperOfLower: string;
  readonly ascii: boolean;
}

function formsOf(path: string): Forms {
  return { path, upper: path.toUpperCase().normalize(), upperOfLower: path.toLowerCase().toUpperCase().normalize(), ascii: !NOT_ASCII.test(path) };
}

/** By upper case, by the upper case of lower case (ẞ and ss), or by simple case folding as regular expressions do it: file systems use one or another. */
function same(a: Forms, b: Forms): boolean {
  if (a.upper === b.upper || a.upperOfLower === b.upperOfLower) return true;
  // A pattern for each pair is slow, and ASCII has been compared.
  if (a.ascii || b.ascii || a.path.length !== b.path.length) return false;
  return new RegExp(`^${a.path.replace(/[^/\w]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`)}$`, 'iu').test(b.path);
}

const NOT_ASCII = /[^\x20-\x7e]/;

const SMALL = ['a', 'A', 'b', 'B', '/', '/', 'x', 'X'];
const ODD = ['.', '..', ' ', '\\', '\0', '\n', '\u007f', '\u0085', '~', '%2e', ':', 'é', 'É', 'e\u0301', 'ü', 'Ü', 'ß', 'ss', 'SS', 'ẞ', 'ſ', 's', 'S', 'σ', 'ς', 'Σ', 'K', 'k', '\u212a', 'Å', '\u212b', 'ﬁ', 'fi', '\ud800', '\udc00', '😀', '\ufffd', '漢', '\u200b', 'Ǆ', 'ǅ', 'ǆ'];

function randomKey(chance: () => number): string {
  const pick = (from: readonly string[]): string => from[Math.floor(chance() * from.length)]!;
  const shape = chance();
  if (shape < 0.002) return Array.from({ length: 4 + Math.floor(chance() * 3) }, () => 'y'.repeat(200 + Math.floor(chance() * 12))).join('/');
  if (shape < 0.004) return pick(['z', 'ü']).repeat(120 + Math.floor(chance() * 140));
  if (shape < 0.02) return Array.from({ length: Math.floor(chance() * 6) }, () => String.fromCharCode(Math.floor(chance() * 0x10000))).join('');
  const odd = shape < 0.5 ? 0.4 : 0;
  let key = '';
  for (let left = Math.floor(chance() * 5); left >= 0; left--) key += chance() < odd ? pick(ODD) : pick(SMALL);
  return shape > 0.999 ? '' : key;
}

/** The same keys for the same seed, on every machine. */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function rule(why: string, said: string): boolean {
  return why.includes(said);
}

/** Does any other rule refuse the key? Asked of the key with what this rule is about taken out. */
function others(key: string, said: string): boolean {
  return RULES.some((other) => other !== said && rule(reasonNotPath(without(key, said)) ?? '', other));
}

function without(key: string, said: string): string {
  switch (said) {
    case 'control': return key.replace(/\p{Cc}/gu, 'q');
    case 'backslash': return key.replaceAll('\\', 'q');
    case 'U+FFFD': return key.replaceAll('\ufffd', 'q');
    case 'absolute': return key.replace(/^\//, '');
    default: return 'q';
  }
}

function unlessSaid(paths: readonly string[], said: RegExp): ReturnType<DecideSet> {
  const found = reasonNotFileSet(paths);
  return found !== undefined && said.test(found.why) ? undefined : found;
}
