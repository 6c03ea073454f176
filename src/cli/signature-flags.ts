// Whose signatures count, and for which models they are asked.

import { readFileSync } from 'node:fs';
import { InvalidArgumentError, type Command } from 'commander';
import { parseTrustedKey, SIGNATURE_POLICIES, type SignaturePolicy, type SignatureRules, type TrustedKey } from '../source/signature';
import { eachOf } from './arguments';
import { EXIT, Exit } from './exit';

interface Rule { readonly model?: string; readonly policy: SignaturePolicy }

export interface SignatureFlags {
  readonly trustedKey?: readonly TrustedKey[];
  readonly signatures?: readonly Rule[];
}

export function withSignatureFlags(command: Command): Command {
  return command
    .option('--trusted-key <file>', 'a public key (PEM, P-256, P-384 or P-521) whose signatures count; repeat for more', eachOf(trustedKey))
    .option('--signatures <[model=]policy>', 'require, prefer or off: is model.sig of a version looked at; repeat for single models (default: off, with a trusted key: prefer)', eachOf(rule));
}

/** Nothing where no flag was given. Throws where a policy needs a key and there is none. */
export function signatureRules({ trustedKey: keys = [], signatures = [] }: SignatureFlags): SignatureRules | undefined {
  if (keys.length === 0 && signatures.length === 0) return undefined;
  const otherwise = signatures.findLast(({ model }) => model === undefined)?.policy ?? (keys.length === 0 ? 'off' : 'prefer');
  const byModel = new Map(signatures.flatMap(({ model, policy }) => (model === undefined ? [] : [[model, policy] as const])));
  if (keys.length === 0 && [otherwise, ...byModel.values()].some((policy) => policy !== 'off')) throw new Exit(EXIT.usage, '--signatures require and prefer need a --trusted-key FILE');
  return { keys, otherwise, byModel };
}

function trustedKey(file: string): TrustedKey {
  try {
    return parseTrustedKey(readFileSync(file, 'utf8'), file);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function rule(text: string): Rule {
  const at = text.lastIndexOf('=');
  const policy = SIGNATURE_POLICIES.find((one) => one === text.slice(at + 1));
  if (policy === undefined || at === 0) throw new InvalidArgumentError(`want require, prefer or off, or MODEL= and one of them; found ${JSON.stringify(text)}`);
  return { policy, ...(at === -1 ? {} : { model: text.slice(0, at) }) };
}
