// What a model.sig looks like: a Sigstore bundle around an in-toto statement (OpenSSF model signing v1.0). Apart from signature.ts, because a source without one has no use for it.

import { z } from 'zod';

export const PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PREDICATE_TYPE = 'https://model_signing/signature/v1.0';

const base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/, 'want base64');
const hex256 = z.string().regex(/^[0-9a-f]{64}$/, 'want 64 lower-case hex digits');
// Fields that v1.0 does not know are to be ignored, by its own rule.
export const BUNDLE = z.object({
  verificationMaterial: z.object({ publicKey: z.object({ hint: z.string().min(1) }) }),
  dsseEnvelope: z.object({ payload: base64, payloadType: z.literal(PAYLOAD_TYPE), signatures: z.array(z.object({ sig: base64 })).length(1) }),
});
export const STATEMENT = z.object({
  _type: z.literal(STATEMENT_TYPE),
  predicateType: z.literal(PREDICATE_TYPE),
  subject: z.array(z.object({ digest: z.object({ sha256: hex256 }) })).length(1),
  predicate: z.object({
    serialization: z.object({ method: z.literal('files', 'want the serialization by files'), hash_type: z.literal('sha256', 'want files hashed with sha256') }),
    resources: z.array(z.object({ name: z.string().min(1), algorithm: z.literal('sha256'), digest: hex256 })).min(1),
  }),
});
