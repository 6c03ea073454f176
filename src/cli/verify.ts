import { Command } from 'commander';
import { commaSeparated, durationMs, httpUrl } from './arguments';
import { EXIT } from './exit';
import { verifying } from './heavy';
import { outputOption, type OutputFlags } from './output-flag';
import { withSignatureFlags, type SignatureFlags } from './signature-flags';
import type { Terminal } from './terminal';
import type { Verb } from './verb';
import type { Verified } from './verify-files';

export interface VerifyFlags extends OutputFlags, SignatureFlags {
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: string;
  readonly tags?: readonly string[];
  readonly signature?: string;
  readonly serverVersion?: string;
  readonly ops?: string;
  readonly timeout?: number;
}

export function verifyCommand({ terminal, endWith }: Verb): Command {
  return withSignatureFlags(new Command('verify')
    .description('would a model server load this version, and answer from it? Reads every byte of a SavedModel, without TensorFlow, and changes nothing')
    .argument('<where>', 'a directory, an archive (.zip, .tar, .tar.gz), or s3://BUCKET/PREFIX/, which is fetched into a temporary directory')
    .option('--endpoint <url>', "S3 endpoint (default: AWS's own for the region)", httpUrl)
    .option('--region <name>', 'region (default: us-east-1)')
    .option('--credentials <reference>', 'env, anonymous, or profile:NAME (default: env)'))
    .option('--tags <list>', "the tags the server asks for (default: serve)", commaSeparated)
    .option('--signature <name>', 'a signature that must be there')
    .option('--server-version <version>', "the server's TensorFlow, such as 2.19: warns of a graph that is newer")
    .option('--ops <file>', 'names of the ops the server has, one a line: any other is refused')
    .option('--timeout <duration>', 'for the whole of it, such as 10m', durationMs)
    .addOption(outputOption())
    .action(async (where: string, flags: VerifyFlags) => endWith(report(await verifying().verify(where, flags), flags, terminal)))
    .addHelpText('after', `
Exit codes: 0 sound (warnings may be told), 1 usage, 3 not to be had: no such directory, an unreachable bucket, a damaged archive; 8 problems found.

It looks at layout, graph, tags, signatures, ops, the checkpoint's index, every tensor's checksum, assets and warm-up requests. Of a directory it cannot tell a sound
older copy from the one that was meant, nor a constant in the graph with another value: checksums of the source and a manifest can.

Examples:
  $ segue verify ./export/1700000000
  $ segue verify s3://models/ranker/43/ --endpoint http://127.0.0.1:9000 -o json | jq .findings`);
}

function report({ where, report: found, files, bytes, seconds }: Verified, { output }: OutputFlags, terminal: Terminal): number {
  const findings = found.ok ? [] : found.findings;
  if (output === 'json') terminal.out(JSON.stringify({ ok: found.ok, where, files, bytes, seconds: Number(seconds.toFixed(3)), findings, warnings: found.warnings }));
  else {
    for (const { check, path, message } of findings) terminal.out(`PROBLEM ${check} ${path}: ${message}`);
    for (const { check, path, message } of found.warnings) terminal.out(`warning ${check} ${path}: ${message}`);
    terminal.out(`${found.ok ? 'sound' : 'not servable'}: ${where}, ${files} files, ${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s`);
  }
  return found.ok ? EXIT.ok : EXIT.verification;
}
