// A version out of one archive: what may become a file does, and nothing else.

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fail, SegueError } from '../../src/domain/failures';
import { checkSavedModel } from '../../src/savedmodel/check';
import { isArchive } from '../../src/domain/source';
import { unpackArchive } from '../../src/source/archive';
import type { UnpackOptions } from '../../src/source/archive';
import { crc32ByTable } from '../../src/source/archive-zip';
import { tar, tarGz, zip } from './archive-writer';
import type { TarEntry, ZipEntry } from './archive-writer';

const SAMPLES = join(__dirname, '../data/savedmodels');
const HALF = 'saved_model_half_plus_two_cpu/00000123';
const FORMATS = [
  ['0002.zip', async (entries: readonly TarEntry[]) => zip(entries as readonly ZipEntry[])],
  ['2.tar', tar],
  ['2.tar.gz', tarGz],
] as const;

let root: string;
let made = 0;
beforeAll(() => { root = mkdtempSync(join(tmpdir(), 'segue-archive-')); });
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Files by path, with their bytes. */
function tree(dir: string): Record<string, string> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(files.map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort().map((path) => [path.slice(dir.length + 1), readFileSync(path).toString('base64')]));
}

function entriesOf(dir: string, prefix: string): TarEntry[] {
  return [{ name: prefix }, ...readdirSync(dir, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const name = `${prefix}${path.slice(dir.length + 1)}`;
    return entry.isDirectory() ? { name: `${name}/` } : { name, data: readFileSync(path) };
  })].filter(({ name }) => name !== '');
}

async function unpack(name: string, bytes: Buffer, options: Partial<UnpackOptions> = {}): Promise<{ readonly files: Record<string, string>; readonly failure?: unknown }> {
  const dir = join(root, String(made++));
  mkdirSync(join(dir, 'into'), { recursive: true });
  writeFileSync(join(dir, name), bytes);
  try {
    const written = await unpackArchive(join(dir, name), join(dir, 'into'), { signal: new AbortController().signal, ...options });
    const files = tree(join(dir, 'into'));
    expect(written.map(({ path }) => path).sort()).toEqual(Object.keys(files));
    return { files };
  } catch (failure) {
    return { files: tree(join(dir, 'into')), failure };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test('room is asked for once, with what the archive says it unpacks to, and before the first byte', async () => {
  const asked: number[] = [];
  const full = fail('InsufficientDisk', 'no room');
  const { files, failure } = await unpack('0002.zip', zip([{ name: 'a', data: Buffer.alloc(1000) }, { name: 'b', data: Buffer.alloc(24) }]), { room: async (bytes) => { asked.push(bytes); throw full; }, onProgress: () => asked.push(-1) });
  expect({ files, failure, asked }).toEqual({ files: {}, failure: full, asked: [1024] });
});

/** `CODE: message` of a refusal that left no file behind. */
async function refusal(name: string, bytes: Buffer, options: Partial<UnpackOptions> = {}): Promise<string> {
  const { files, failure } = await unpack(name, bytes, options);
  expect(files).toEqual({});
  if (!(failure instanceof SegueError)) throw new Error(`not refused as a row: ${String(failure)}`);
  return `${failure.code}: ${failure.message}`;
}

const samples = readdirSync(SAMPLES).filter((name) => name.startsWith('saved_model_') || name.startsWith('matrix')).flatMap((name) => readdirSync(join(SAMPLES, name)).map((version) => `${name}/${version}`))
  .filter((sample) => readdirSync(join(SAMPLES, sample)).includes('saved_model.pb'));

test.each(FORMATS)('%s: every sample comes out byte for byte, from the root, from ./ and from one folder', async (name, write) => {
  expect(samples.length).toBe(13);
  for (const sample of samples) {
    const dir = join(SAMPLES, sample);
    for (const prefix of ['', './', '0002/', './0002/']) expect(await unpack(name, await write(entriesOf(dir, prefix)))).toEqual({ files: tree(dir) });
  }
});

test('what comes out of an archive passes the check of a SavedModel', async () => {
  const dir = join(root, 'checked');
  mkdirSync(dir);
  writeFileSync(join(root, '0002.zip'), zip(entriesOf(join(SAMPLES, HALF), '0002/') as ZipEntry[]));
  const progress: number[] = [];
  await unpackArchive(join(root, '0002.zip'), dir, { signal: new AbortController().signal, onProgress: (bytes) => progress.push(bytes) });
  expect(await checkSavedModel(dir)).toMatchObject({ ok: true });
  expect(progress.at(-1)).toBe(Object.values(tree(dir)).reduce((sum, text) => sum + Buffer.from(text, 'base64').length, 0));
});

test('one folder around everything is left out only where the graph lies directly in it', async () => {
  const one = Buffer.from('x');
  expect(Object.keys((await unpack('1.zip', zip([{ name: 'a/saved_model.pb', data: one }, { name: 'b/x', data: one }]))).files)).toEqual(['a/saved_model.pb', 'b/x']);
  expect(Object.keys((await unpack('1.zip', zip([{ name: 'variables/x', data: one }]))).files)).toEqual(['variables/x']);
});

const X = Buffer.from('x');
/** Names that no archive may bring, whatever its format; what is said of them. */
const NAMES: readonly (readonly [names: readonly string[], why: RegExp])[] = [
  [['../x'], /"\.\.\/x".*relative path|component "\.\."/],
  [['ok/../../x'], /relative path|component "\.\."/],
  [['/etc/x'], /"\/etc\/x".*absolute/],
  [['a\\b'], /"a\\\\b".*(invalid characters|backslash)/],
  [['C:\\x'], /absolute|backslash|invalid characters/],
  [['a\nb'], /"a\\nb": .*control/],
  [['a//b'], /empty component/],
  [['e\u0301'], /normal form C/],
  [['a.'], /ends in a dot/],
  [['a', 'a'], /"a": .*twice/],
  [['Model', 'model'], /"model": .*only by case/],
  [['./a', 'a'], /"a": .*twice/],
  [['a', 'a/b'], /"a\/b": .*"a" is a file/],
  [['a', 'A/b'], /"A\/b": .*"a" is a file/],
  [['a', 'a/'], /is a file/],
  [['a', 'A/'], /is a file/],
  [['ok', '../d/'], /relative path|component "\.\."/],
  [['x'.repeat(256)], /longer than 255/],
];

test.each(FORMATS.flatMap(([name, write]) => NAMES.map(([names, why]) => [name, names, why, write] as const)))('%s with %j is refused by name', async (name, names, why, write) => {
  const said = await refusal(name, await write([{ name: 'first', data: X }, ...names.map((one) => (one.endsWith('/') ? { name: one } : { name: one, data: X }))]));
  expect(said).toMatch(/^InvalidSavedModel: unpack /);
  expect(said).toMatch(why);
});

test.each([
  ['2.tar', async () => tar([{ name: 'ok', data: X }, { name: 'l', type: 'symlink' }]), /entry "l": it is a link/],
  ['2.tar', async () => tar([{ name: 'ok', data: X }, { name: 'l', type: 'link' }]), /entry "l": it is a link/],
  ['2.tar', async () => tar([{ name: 'ok', data: X }, { name: 'd', type: 'character-device' }]), /entry "d": it is neither/],
  ['2.tgz', async () => tarGz([{ name: 'ok', data: X }, { name: 'd', type: 'fifo' }]), /entry "d": it is neither/],
  ['2.zip', async () => zip([{ name: 'ok', data: X }, { name: 'l', data: X, mode: 0o120777 }]), /entry "l": it is a link/],
  ['2.zip', async () => zip([{ name: 'ok', data: X }, { name: 'l/', mode: 0o120777 }]), /entry "l\/": it is a link/],
  ['2.zip', async () => zip([{ name: 'ok', data: X }, { name: 'd', data: X, mode: 0o020644 }]), /entry "d": it is neither/],
  ['2.zip', async () => zip([{ name: 'd/', data: X }]), /entry "d\/": it is neither/],
  ['2.zip', async () => zip([{ name: 'ok', data: X }, { name: 'e', data: X, flags: 0x801 }]), /entry "e": it is encrypted/],
  ['2.zip', async () => zip([{ name: 'ok', data: X }, { name: 'm', data: X, method: 12 }]), /entry "m": it is packed by method 12/],
  ['2.zip', async () => zip([{ name: 'a', data: X }, { name: 'b', data: X, sharing: 0 }]), /entry "b": its packed bytes are another entry's too/],
  ['2.zip', async () => zip([]), /want 1 to 10000 files, found 0/],
  ['2.tar', async () => tar([{ name: 'only/' }]), /want 1 to 10000 files, found 0/],
] as const)('%s: what is no file is refused by name (%#)', async (name, write, why) => {
  const said = await refusal(name, await write());
  expect(said).toMatch(/^InvalidSavedModel: /);
  expect(said).toMatch(why);
});

test.each([
  ['a declared size below the real one', zip([{ name: 'a', data: Buffer.alloc(100), size: 99 }])],
  ['a declared size above the real one', zip([{ name: 'a', data: Buffer.alloc(100), size: 101 }])],
  ['another checksum', zip([{ name: 'a', data: X, crc: 1 }])],
  ['another name in its own header', zip([{ name: 'a', data: X, localName: 'b' }])],
  ['bytes that are no zip', Buffer.alloc(1000, 7)],
  ['no bytes', Buffer.alloc(0)],
])('a zip with %s is damaged', async (_, bytes) => {
  expect(await refusal('2.zip', bytes)).toMatch(/^IntegrityMismatch: unpack 2\.zip: /);
});

test.each(FORMATS)('%s: caps on entries, bytes and density are kept, and named', async (name, write) => {
  const three = await write([{ name: 'a', data: Buffer.alloc(1000) }, { name: 'b', data: Buffer.alloc(1000) }, { name: 'c', data: X }]);
  expect(await refusal(name, three, { limits: { maxEntries: 2 } })).toMatch(/more than 2 entries|has 3 entries, at most 2/);
  expect(await refusal(name, three, { limits: { maxBytes: 1500 } })).toMatch(/entry "b": it unpacks to more than 1500 bytes/);
  if (name.endsWith('.tar')) return;
  const bomb = await write([{ name: 'zeros', data: Buffer.alloc(80 * 2 ** 20) }]);
  expect(await refusal(name, bomb)).toMatch(/entry "zeros": it unpacks to more than 200 times its \d+ bytes/);
});

test('a gzip that unpacks to nothing but padding is stopped too', async () => {
  expect(await refusal('2.tar.gz', gzipSync(Buffer.alloc(130 * 2 ** 20)))).toMatch(/unpacks to more than 200 times/);
});

test.each(FORMATS)('%s cut off anywhere is refused, and leaves nothing', async (name, write) => {
  const bytes = await write([{ name: 'saved_model.pb', data: Buffer.from('abcdefgh'.repeat(50)) }, { name: 'b', data: X }]);
  // A tar's end is two empty blocks, of which one says it; the rest is padding.
  const needed = name === '2.tar' ? bytes.length - 512 : bytes.length;
  for (let length = 0; length < needed; length += name === '2.tar' ? 64 : 1) expect(await refusal(name, bytes.subarray(0, length))).toMatch(/^(IntegrityMismatch|InvalidSavedModel): /);
});

test.each([FORMATS[0], FORMATS[2]])('%s with any bit flipped is refused, or comes out as it was', async (name, write) => {
  const bytes = await write([{ name: 'saved_model.pb', data: Buffer.from('abcdefgh'.repeat(50)) }, { name: 'b', data: X }]);
  const { files: want } = await unpack(name, bytes);
  const missed: string[] = [];
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const at = bit >> 3;
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 1 << (bit & 7);
    const { files, failure } = await unpack(name, flipped);
    if (failure === undefined ? JSON.stringify(files) !== JSON.stringify(want) : !(failure instanceof SegueError) || Object.keys(files).length > 0) missed.push(`bit ${bit & 7} of byte ${at}: ${String(failure)}`);
  }
  expect(missed).toEqual([]);
});

test('an abort ends it with its reason, and nothing is left', async () => {
  const stop = new AbortController();
  const reason = new Error('a newer attempt');
  const { files, failure } = await unpack('2.zip', zip([{ name: 'a', data: X }, { name: 'b', data: Buffer.alloc(3_000_000, 1) }]), { signal: stop.signal, onProgress: () => stop.abort(reason) });
  expect({ files, failure }).toEqual({ files: {}, failure: reason });
});

test('a link in the staging directory is not followed', async () => {
  const dir = join(root, 'linked');
  mkdirSync(join(dir, 'into'), { recursive: true });
  mkdirSync(join(dir, 'outside'));
  symlinkSync(join(dir, 'outside'), join(dir, 'into', 'variables'));
  writeFileSync(join(dir, '2.zip'), zip([{ name: 'variables/x', data: X }]));
  await expect(unpackArchive(join(dir, '2.zip'), join(dir, 'into'), { signal: new AbortController().signal })).rejects.toThrow('want a directory, found something else');
  expect(readdirSync(join(dir, 'outside'))).toEqual([]);
});

test('the sum that older Nodes lack', () => {
  expect(crc32ByTable(Buffer.from('123456789'), 0)).toBe(0xcbf43926);
  expect(crc32ByTable(Buffer.from('6789'), crc32ByTable(Buffer.from('12345'), 0))).toBe(0xcbf43926);
});

test.each([['2.zip', true], ['0002.ZIP', true], ['2.tar', true], ['2.tar.gz', true], ['2.tgz', true], ['2', false], ['zip', false], ['2.gz', false], ['2.zip/x', false]])('%s is an archive: %s', (name, yes) => {
  expect(isArchive(name)).toBe(yes);
});
