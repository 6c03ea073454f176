// What a version is, and what a listing said.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { ManifestFile } from '../../src/domain/source';
import { digestOf, parseManifest, pinOf } from '../../src/source/manifest';
import { failureOf } from './failing';

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
const A: ManifestFile = { path: 'a', size: 1, sha256: sha('a') };
const B: ManifestFile = { path: 'b/c', size: 2, sha256: sha('b') };

test('the digest is the SHA-256 of the lines path, size and hash, sorted by UTF-8 bytes', () => {
  const [tilde, emoji] = [{ ...A, path: '\uff5e' }, { ...A, path: '\u{1F600}' }];
  const lines = `a\0${1}\0${sha('a')}\nb/c\0${2}\0${sha('b')}\n\uff5e\0${1}\0${sha('a')}\n\u{1F600}\0${1}\0${sha('a')}\n`;
  // UTF-16 order would put the emoji before U+FF5E.
  expect(digestOf([emoji, B, tilde, A])).toBe(`sha256:${sha(lines)}`);
});

test('no order of the files changes the digest, and every change of a file does', () => {
  const file = fc.record({ path: fc.stringMatching(/^[a-z]{1,8}$/), size: fc.nat(), sha256: fc.constant(sha('x')) });
  fc.assert(
    fc.property(fc.uniqueArray(file, { minLength: 1, selector: (one) => one.path }), (files) => {
      const first = files[0]!;
      expect(digestOf(files.toReversed())).toBe(digestOf(files));
      expect(digestOf([{ ...first, size: first.size + 1 }, ...files.slice(1)])).not.toBe(digestOf(files));
      expect(digestOf([{ ...first, sha256: sha('y') }, ...files.slice(1)])).not.toBe(digestOf(files));
    }),
  );
});

test('the pin changes with place, key, size, ETag and VersionId, and not with the slash at the end', () => {
  const ref = { uri: 's3://m/half/1', endpoint: 'http://h:1', region: 'r', credentials: 'env' };
  const file = { path: 'x', key: 'half/1/x', size: 3, etag: '"e"', versionId: 'v' };
  const pin = pinOf(ref, [file]);
  expect(pin).toMatch(/^pin:[0-9a-f]{64}$/);
  expect(pinOf({ ...ref, uri: 's3://m/half/1/', credentials: 'anonymous' }, [file])).toBe(pin);
  const others = [
    pinOf({ ...ref, endpoint: 'http://h:2' }, [file]), pinOf({ ...ref, uri: 's3://m/half/2' }, [file]), pinOf(ref, [{ ...file, key: 'half/1/y' }]),
    pinOf(ref, [{ ...file, size: 4 }]), pinOf(ref, [{ ...file, etag: '"f"' }]), pinOf(ref, [{ ...file, versionId: 'w' }]), pinOf(ref, []),
  ];
  expect(new Set([pin, ...others]).size).toBe(8);
});

test('a manifest is read as it is meant', () => {
  expect(parseManifest(JSON.stringify({ files: [A, B] }), 's3://m/')).toEqual([A, B]);
});

test.each([
  ['no JSON', '{', '$', 'not JSON'],
  ['no files', '{}', '$.files', ''],
  ['none at all', '{"files": []}', '$.files', ''],
  ['an unknown key', JSON.stringify({ files: [A], signed: true }), '$', 'signed'],
  ['an unknown key of a file', JSON.stringify({ files: [{ ...A, md5: 'x' }] }), '$.files[0]', 'md5'],
  ['upper-case hex', JSON.stringify({ files: [A, { ...B, sha256: B.sha256.toUpperCase() }] }), '$.files[1].sha256', 'lower-case'],
  ['a negative size', JSON.stringify({ files: [{ ...A, size: -1 }] }), '$.files[0].size', ''],
  ['a size beyond exact numbers', JSON.stringify({ files: [{ ...A, size: 1e300 }] }), '$.files[0].size', ''],
  ['a path that leaves', JSON.stringify({ files: [{ ...A, path: '../a' }] }), '"../a"', 'component'],
  ['a path twice', JSON.stringify({ files: [A, A] }), '"a"', 'twice'],
  ['itself', JSON.stringify({ files: [{ ...A, path: 'manifest.json' }] }), '$.files', 'itself'],
  ['too many files', JSON.stringify({ files: Array.from({ length: 10_001 }, (_, i) => ({ ...A, path: `f${i}` })) }), '$.files', ''],
])('a manifest with %s is refused at its place', async (_, text, place, why) => {
  const failure = await failureOf(() => parseManifest(text, 's3://m/'));
  expect(failure.code).toBe('IntegrityMismatch');
  expect(failure.message).toContain(`s3://m/manifest.json $`);
  expect(failure.message).toContain(place);
  expect(failure.message).toContain(why);
});
