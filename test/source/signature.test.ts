// Signed versions: what the reference signer signed is taken, and nothing else. The fixtures are its own; variants are signed here with keys of the test.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseTrustedKey, SIGNATURE_NAME, signaturesOf, UNSIGNED, verifySignature, type SignaturePolicy, type TrustedKey } from '../../src/source/signature';
import { filesBelow } from '../../src/agent/tree';
import { failureOf } from './failing';
import { kit, type Kit } from './kit';
import { made, sha256, signed } from './signed';

const SIGNED = join(__dirname, '../data/signed');
const SAMPLE = join(__dirname, '../data/savedmodels/saved_model_half_plus_two_cpu/00000123');
const fixture = (name: string): string => readFileSync(join(SIGNED, name), 'utf8');
const key = (name: string): TrustedKey => parseTrustedKey(fixture(`${name}.pub.pem`), name);

test.each(['p256', 'p384', 'p521'])('what the reference signer signed with %s is what the files are', async (name) => {
  const { sha256: files, hint } = verifySignature(fixture(`${name}.sig`), [key('p384'), key('p521'), key('p256')], '');
  expect(Object.fromEntries(files)).toEqual(Object.fromEntries((await filesBelow(SAMPLE)).map((path) => [path, sha256(readFileSync(join(SAMPLE, path)))])));
  expect(hint).toBe(key(name).hint);
});

describe('is refused, with the reason', () => {
  const rejected = (text: string, keys: readonly TrustedKey[] = [key('p256')]): Promise<string> => failureOf(() => verifySignature(text, keys, 's3://b/')).then(({ code, message }) => `${code}: ${message}`);
  const bundle = JSON.parse(fixture('p256.sig')) as { dsseEnvelope: { payload: string; signatures: { sig: string }[] }; verificationMaterial: object };
  const flipped = (base64: string, at: number): string => { const bytes = Buffer.from(base64, 'base64'); bytes[at]! ^= 1; return bytes.toString('base64'); };
  test.each<[string, string, readonly TrustedKey[], RegExp]>([
    ['a key that nobody trusts', fixture('p256.sig'), [key('p384')], /made by the key 0a26c39e\w+, which is none of the 1 trusted/],
    ['another key under its name', fixture('p256.sig'), [{ ...made().trusted, hint: key('p256').hint }], /not made by the key 0a26c39e/],
    ['a changed digest', JSON.stringify({ ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, payload: flipped(bundle.dsseEnvelope.payload, 500) } }), [key('p256')], /or changed since/],
    ['a changed signature', JSON.stringify({ ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, signatures: [{ sig: flipped(bundle.dsseEnvelope.signatures[0]!.sig, 12) }] } }), [key('p256')], /or changed since/],
    ['two signatures', JSON.stringify({ ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, signatures: [...bundle.dsseEnvelope.signatures, ...bundle.dsseEnvelope.signatures] } }), [key('p256')], /dsseEnvelope.signatures/],
    ['a certificate instead of a key', JSON.stringify({ ...bundle, verificationMaterial: { certificate: {} } }), [key('p256')], /verificationMaterial.publicKey/],
    ['no JSON', 'PK', [key('p256')], /not JSON/],
    ['nothing in it', '{}', [key('p256')], /verificationMaterial/],
    ['files by shards', fixture('shards.sig'), [key('p256')], /serialization by files/],
    ['another hash', fixture('blake2.sig'), [key('p256')], /hashed with sha256/],
  ])('%s', async (_what, text, keys, why) => expect(await rejected(text, keys)).toMatch(new RegExp(`^SignatureRejected: s3://b/model.sig: .*${why.source}`)));

  test('a statement that is not about a model, although rightly signed', async () => {
    const mine = made();
    expect(await rejected(signed(mine, { a: '1' }, (statement) => ({ ...statement, predicateType: 'https://slsa.dev/provenance/v1' })), [mine.trusted])).toMatch(/predicateType/);
    expect(await rejected(signed(mine, { a: '1' }, (statement) => ({ ...statement, subject: [{ digest: { sha256: '0'.repeat(64) } }] })), [mine.trusted])).toMatch(/its files come to/);
  });
});

test.each<[string, string, RegExp]>([
  ['a private key', generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), /belongs to the signer alone/],
  ['no key', 'hello', /not a public key/],
  ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' }).toString(), /of the kind rsa/],
  ['another curve', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ type: 'spki', format: 'pem' }).toString(), /of the kind secp256k1/],
])('%s is no trusted key', async (_what, pem, why) => {
  const { code, message } = await failureOf(() => parseTrustedKey(pem, 'maker.pem'));
  expect([code, message]).toEqual(['InvalidInput', expect.stringMatching(why)]);
  expect(message).not.toContain('BEGIN');
});

test('a model without a rule of its own has the one for all', () => {
  const rules = { keys: [], otherwise: 'prefer', byModel: new Map<string, SignaturePolicy>([['ranker', 'require']]) } as const;
  expect([signaturesOf(rules, 'ranker').policy, signaturesOf(rules, 'half').policy, signaturesOf(UNSIGNED, 'half').policy]).toEqual(['require', 'prefer', 'off']);
});

describe('listing a signed source', () => {
  const FILES = { 'saved_model.pb': 'graph', 'variables/variables.index': 'index' };
  const mine = made();
  let k: Kit;
  beforeEach(async () => { k = await kit(); for (const [path, body] of Object.entries(FILES)) await k.put(path, body); });
  afterEach(() => k.s3.stop());
  const listed = (policy: SignaturePolicy): ReturnType<Kit['list']> => k.list({ signatures: { policy, keys: [mine.trusted] } });
  const failure = (policy: SignaturePolicy): Promise<string> => failureOf(() => listed(policy)).then(({ code, message }) => `${code}: ${message}`);

  test('the signature says what the files are, and so what the version is; it is none of them', async () => {
    await k.put(SIGNATURE_NAME, signed(mine, FILES));
    const { files, manifest, signedBy, resolved } = await listed('require');
    expect(files.map(({ path }) => path)).toEqual(Object.keys(FILES));
    expect(manifest?.map(({ path, sha256: hash }) => [path, hash])).toEqual(Object.entries(FILES).map(([path, body]) => [path, sha256(body)]));
    expect(signedBy).toBe(mine.trusted.hint);
    expect(resolved.digest).toMatch(/^sha256:/);
    expect((await listed('off')).files.map(({ path }) => path)).toEqual(Object.keys(FILES));
  });
  test('unsigned: refused where it is required, taken where it is preferred', async () => {
    expect(await failure('require')).toMatch(/^SignatureRejected: s3:.*model.sig: there is none/);
    expect((await listed('prefer')).signedBy).toBeUndefined();
  });
  test.each(['require', 'prefer'] as const)('wrongly signed: refused (%s)', async (policy) => {
    await k.put(SIGNATURE_NAME, signed(made(), FILES));
    expect(await failure(policy)).toMatch(/^SignatureRejected/);
  });
  test('a file that is not signed, and one that is signed and gone', async () => {
    await k.put(SIGNATURE_NAME, signed(mine, { 'saved_model.pb': 'graph', gone: 'x' }));
    expect(await failure('prefer')).toMatch(/^IntegrityMismatch: .*does not match its model.sig: missing: gone; not in model.sig: variables\/variables.index/);
  });
  test('a manifest.json that says something else', async () => {
    await k.put(SIGNATURE_NAME, signed(mine, FILES));
    await k.manifest({ ...FILES, 'saved_model.pb': 'grapX' });
    expect(await failure('prefer')).toMatch(/^IntegrityMismatch: .*manifest.json and model.sig differ in saved_model.pb/);
    await k.manifest(FILES);
    expect((await listed('require')).signedBy).toBe(mine.trusted.hint);
    await k.put(SIGNATURE_NAME, signed(mine, { ...FILES, 'manifest.json': 'another' }));
    expect(await failure('prefer')).toMatch(/differ in manifest.json/);
  });
});
