import { Command, InvalidArgumentError, Option } from 'commander';
import { eachOf, httpUrl, wholeNumber } from '../arguments';
import { fetching } from '../heavy';
import { outputOption, type OutputFlags } from '../output-flag';
import type { Verb } from '../verb';

export interface FetchFlags extends OutputFlags {
  readonly endpoint?: string;
  readonly region?: string;
  readonly profile?: string;
  readonly credentials?: string;
  readonly lanes?: number;
  readonly partSize?: number;
  readonly limitRate?: number;
  readonly verify: 'sha256' | 'checksum' | 'none';
  readonly ifDigest?: string;
  readonly reuse?: readonly string[];
}

export function fetchCommand({ terminal, endWith }: Verb): Command {
  return new Command('fetch')
    .description('one version from a bucket into a directory: whole, checked and durable before it is there at all, or not there')
    .argument('<uri>', 's3://BUCKET/PREFIX/')
    .argument('<dest>', 'the directory to make; an empty one may be there. An interrupted fetch goes on where it was')
    .option('--endpoint <url>', "S3 endpoint (default: AWS's own for the region)", httpUrl)
    .option('--region <name>', 'region (default: AWS_REGION, else us-east-1)')
    .option('--profile <name>', 'credentials of this profile (default: the AWS default chain)')
    .option('--credentials <reference>', 'env, anonymous (a public bucket, unsigned), or profile:NAME')
    .option('--lanes <count>', 'connections at once (default: 8)', counted)
    .option('--part-size <bytes>', 'bytes of one request, such as 16MiB (default: 8MiB)', partBytes)
    .option('--limit-rate <bytes>', 'bytes a second over all lanes, such as 50MiB', byteCount)
    .addOption(new Option('--verify <how>', 'sha256: of every file, and what the bucket vouches for them by; checksum: only the latter; none: sizes alone').choices(['sha256', 'checksum', 'none']).default('sha256'))
    .option('--if-digest <digest>', 'the version must be this one: sha256:…', digest)
    .option('--reuse <dir>', 'link files that are equal in this directory, where a manifest.json tells (may be given several times)', eachOf((text) => text))
    .addOption(outputOption())
    .action(async (uri: string, dest: string, flags: FetchFlags) => endWith(await fetching().fetchInto(uri, dest, flags, terminal)))
    .addHelpText('after', `
Exit codes: 0 it is there, 1 usage, 3 refused or not to be had (nothing is there), 4 interrupted.

Each file is held against the highest of: manifest.json, the bucket's own checksum, the ETag where it is an MD5, the size. -o json names which, file by file.

Examples:
  $ segue fetch s3://models/ranker/43/ ./43 --endpoint http://127.0.0.1:9000
  $ segue fetch s3://models/ranker/44/ ./44 --reuse ./43 -o json | jq .fetchedBytes`);
}

const BYTE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30 };

function byteCount(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(|[kmg]i?)b?$/i.exec(text);
  const unit = BYTE_UNITS[(match?.[2] ?? '').toLowerCase()];
  const bytes = Math.round(Number(match?.[1]) * (unit ?? Number.NaN));
  if (!(bytes > 0)) throw new InvalidArgumentError('Bytes are a number with a unit, such as 8MiB, 50MB or 1000000.');
  return bytes;
}

function partBytes(text: string): number {
  const bytes = byteCount(text);
  if (bytes < 2 ** 20 || bytes % 4096 !== 0) throw new InvalidArgumentError('A part is at least 1MiB, and a multiple of 4KiB.');
  return bytes;
}

function counted(text: string): number {
  const count = wholeNumber(text);
  if (count < 1 || count > 64) throw new InvalidArgumentError('Lanes are 1 to 64.');
  return count;
}

function digest(text: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(text)) throw new InvalidArgumentError('A digest is sha256: and 64 lower-case hex digits.');
  return text;
}
