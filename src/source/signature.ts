// A version signed by its maker: model.sig beside its files, as OpenSSF model signing v1.0 writes it with a key (a Sigstore bundle with a DSSE envelope around an
// in-toto statement). What it says of each file stands above every other authority. No I/O.

import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import type { ZodType } from 'zod';
import { fail, type SegueError } from '../domain/failures';
import type * as Shape from './signature-shape';

/** Beside the files of a version; itself neither staged nor digested. */
export const SIGNATURE_NAME = 'model.sig';

/** require: unsigned is refused. prefer: unsigned is taken, a signature that is there has to be right. off: not looked at. */
export type SignaturePolicy = 'require' | 'prefer' | 'off';
export const SIGNATURE_POLICIES: readonly SignaturePolicy[] = ['require', 'prefer', 'off'];

export interface TrustedKey {
  /** Hex SHA-256 of the key as PEM: how signatures name the key that made them. */
  readonly hint: string;
  readonly key: KeyObject;
}

/** The policy for one model, and whose signatures count. */
export interface Signatures {
  readonly policy: SignaturePolicy;
  readonly keys: readonly TrustedKey[];
}

/** What one agent asks of its models. */
export interface SignatureRules {
  readonly keys: readonly TrustedKey[];
  readonly otherwise: SignaturePolicy;
  readonly byModel: ReadonlyMap<string, SignaturePolicy>;
}

export const UNSIGNED: SignatureRules = { keys: [], otherwise: 'off', byModel: new Map() };

export function signaturesOf({ keys, otherwise, byModel }: SignatureRules, model: string): Signatures {
  return { keys, policy: byModel.get(model) ?? otherwise };
}

/** What a right signature says. */
export interface SignedFiles {
  /** Hex SHA-256 by path, relative to the version. */
  readonly sha256: ReadonlyMap<string, string>;
  /** The key that made it. */
  readonly hint: string;
}

/** The digest each curve signs with, as the signer chooses it. */
const HASH_OF: Readonly<Record<string, string>> = { prime256v1: 'sha256', secp384r1: 'sha384', secp521r1: 'sha512' };

/** A public key in PEM, of the curves P-256, P-384 or P-521. Throws InvalidInput; `where` is for messages. */
export function parseTrustedKey(pem: string, where: string): TrustedKey {
  const refuse = (why: string): SegueError => fail('InvalidInput', `trusted key ${where}: ${why}; want a PEM public key of the curve P-256, P-384 or P-521`, { path: where, found: why });
  // A private key would do for verifying; that it lies on a model server is worth a refusal.
  if (pem.includes('PRIVATE KEY')) throw refuse('it is a private key, which belongs to the signer alone');
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw refuse('not a public key');
  }
  if (hashOf(key) === undefined) throw refuse(`a key of the kind ${key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType}`);
  return { hint: createHash('sha256').update(key.export({ type: 'spki', format: 'pem' })).digest('hex'), key };
}

/** What the signature says of the files. Throws SignatureRejected: not a signature we can read, made by no trusted key, or not right. */
export function verifySignature(text: string, keys: readonly TrustedKey[], where: string): SignedFiles {
  const { BUNDLE, STATEMENT } = require('./signature-shape') as typeof Shape; // When there is one: see manifest.ts.
  const bundle = parse(BUNDLE, text, where);
  const { hint } = bundle.verificationMaterial.publicKey;
  const trusted = keys.find((one) => one.hint === hint);
  if (trusted === undefined) throw rejected(where, `made by the key ${hint}, which is none of the ${keys.length} trusted ones`, { found: hint, want: keys.map((one) => one.hint) });
  const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64');
  const signature = Buffer.from(bundle.dsseEnvelope.signatures[0]?.sig ?? '', 'base64');
  if (!verify(hashOf(trusted.key), authenticated(bundle.dsseEnvelope.payloadType, payload), trusted.key, signature)) throw rejected(where, `not made by the key ${hint} that it names, or changed since`, { found: hint });
  const { predicate, subject } = parse(STATEMENT, payload.toString('utf8'), where);
  const whole = createHash('sha256');
  for (const { digest } of predicate.resources) whole.update(digest, 'hex');
  const found = whole.digest('hex');
  if (subject[0]?.digest.sha256 !== found) throw rejected(where, `its files come to ${found}, it says ${subject[0]?.digest.sha256}`, { found, want: subject[0]?.digest.sha256 });
  const sha256 = new Map(predicate.resources.map(({ name, digest }) => [name, digest]));
  if (sha256.size !== predicate.resources.length) throw rejected(where, 'it names a file twice', {});
  return { sha256, hint };
}

/** Why files are refused although nothing is wrong with a signature: there is none. */
export function unsigned(where: string): SegueError {
  return rejected(where, `there is none, and this model takes signed versions only`, { want: SIGNATURE_NAME });
}

/** DSSE's pre-authentication encoding, version 1: what is really signed. */
function authenticated(type: string, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
}

function hashOf(key: KeyObject): string | undefined {
  return HASH_OF[key.asymmetricKeyDetails?.namedCurve ?? ''];
}

function parse<T>(shape: ZodType<T>, text: string, where: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw rejected(where, 'not JSON', {});
  }
  const parsed = shape.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw rejected(where, `${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'not a signature'}`, { path: issue?.path.map(String).join('.') });
}

export function rejected(where: string, why: string, detail: Readonly<Record<string, unknown>>): SegueError {
  return fail('SignatureRejected', `${where}${SIGNATURE_NAME}: ${why}; sign with model signing v1.0 in key mode, over files with sha256`, { file: SIGNATURE_NAME, ...detail });
}
