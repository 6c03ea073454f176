// A credentials reference becomes credentials, on this host only. No message ever repeats what a file or a provider held.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromIni } from '@aws-sdk/credential-provider-ini';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { fail } from '../domain/failures';

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** One component, so that a request can never name a file outside the credentials directory. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/**
 * What the S3 client needs to sign with this reference. A reference nobody can understand is InvalidInput at once; one this host does not
 * know, or whose provider fails, is SourceUnreachable when it is first used, because the operator may still put it there.
 */
export function credentialsFor(reference: string, credentialsDir?: string): Pick<S3ClientConfig, 'credentials' | 'signer'> {
  const [kind, ...rest] = reference.split(':');
  const name = rest.join(':');
  if (reference === 'env') return {}; // The SDK's own default chain.
  if (reference === 'anonymous') return { credentials: { accessKeyId: '', secretAccessKey: '' }, signer: { sign: (request) => Promise.resolve(request) } };
  if ((kind !== 'profile' && kind !== 'file') || !NAME.test(name)) {
    throw fail('InvalidInput', `source.credentials ${JSON.stringify(reference)}: want env, anonymous, profile:NAME or file:NAME`, {
      path: '$.source.credentials',
      found: reference,
    });
  }
  // Not the default chain with a profile: where the profile has no keys, the chain would go on and sign as the host itself.
  // Read anew for each client: the SDK keeps the file as this process first saw it, without the profile the operator has added since.
  if (kind === 'profile') return { credentials: fromIni({ profile: name, ignoreCache: true }) };
  if (credentialsDir === undefined) throw fail('SourceUnreachable', `source.credentials ${reference}: this agent has no credentials directory`, { found: reference });
  return { credentials: () => readKeys(join(credentialsDir, name), reference) };
}

async function readKeys(file: string, reference: string): Promise<Keys> {
  const unusable = (why: string, cause?: unknown): Error => fail('SourceUnreachable', `source.credentials ${reference}: ${why}`, { found: reference }, cause);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw unusable(code === 'ENOENT' ? 'no such file in the credentials directory' : `cannot be read (${code})`);
  }
  const found = text.trimStart().startsWith('{') ? keysOfJson(text) : keysOfIni(text);
  if (!found) throw unusable('the file holds no access key; want JSON {"accessKeyId", "secretAccessKey", "sessionToken"?} or lines aws_access_key_id = …');
  return found;
}

function keysOfJson(text: string): Keys | undefined {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined; // The parser's message would quote the file.
  }
  return keysOf(json['accessKeyId'] ?? json['AccessKeyId'], json['secretAccessKey'] ?? json['SecretAccessKey'], json['sessionToken'] ?? json['SessionToken']);
}

function keysOfIni(text: string): Keys | undefined {
  const value = (key: string): string | undefined => new RegExp(`^\\s*${key}\\s*=\\s*(\\S+)\\s*$`, 'm').exec(text)?.[1];
  return keysOf(value('aws_access_key_id'), value('aws_secret_access_key'), value('aws_session_token'));
}

function keysOf(accessKeyId: unknown, secretAccessKey: unknown, sessionToken: unknown): Keys | undefined {
  if (typeof accessKeyId !== 'string' || typeof secretAccessKey !== 'string' || accessKeyId === '' || secretAccessKey === '') return undefined;
  return { accessKeyId, secretAccessKey, ...(typeof sessionToken === 'string' && sessionToken !== '' ? { sessionToken } : {}) };
}
