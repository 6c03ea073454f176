// Signatures as a test wants them.

import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { parseTrustedKey, type TrustedKey } from '../../src/source/signature';

export const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

export interface Made { readonly privateKey: KeyObject; readonly trusted: TrustedKey }
/** A signer of the test's own. */
export function made(namedCurve = 'prime256v1'): Made {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve });
  return { privateKey, trusted: parseTrustedKey(publicKey.export({ type: 'spki', format: 'pem' }).toString(), 'made') };
}
type Statement = Record<string, unknown>;
/** A signature as the reference signer writes it, over these files; `change` makes it about something else, rightly signed all the same. */
export function signed({ privateKey, trusted }: Made, files: Readonly<Record<string, Buffer | string>>, change: (statement: Statement) => Statement = (same) => same): string {
  const resources = Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, body]) => ({ name, algorithm: 'sha256', digest: sha256(body) }));
  const whole = createHash('sha256');
  for (const { digest } of resources) whole.update(digest, 'hex');
  const payload = Buffer.from(JSON.stringify(change({ _type: 'https://in-toto.io/Statement/v1', subject: [{ name: 'm', digest: { sha256: whole.digest('hex') } }], predicateType: 'https://model_signing/signature/v1.0', predicate: { serialization: { method: 'files', hash_type: 'sha256' }, resources } })));
  const type = 'application/vnd.in-toto+json';
  const sig = sign('sha256', Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]), privateKey);
  return JSON.stringify({ verificationMaterial: { publicKey: { hint: trusted.hint } }, dsseEnvelope: { payload: payload.toString('base64'), payloadType: type, signatures: [{ sig: sig.toString('base64') }] } });
}
