import { resolve } from 'node:path';
import { Command } from 'commander';
import { eachOf, name, servingAddress } from '../arguments';
import { EXIT } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import { withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import type { Verb } from '../verb';
import { doctorChecks } from '../heavy';
import type { Finding } from './finding';
import type { DoctorFlags } from './flags';

export function doctorCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(new Command('doctor'))
    .description('why nothing moves on a model server, with evidence and the next command; then its flags, disk, clock and Temporal. Changes nothing')
    .argument('<server>', 'the model server: HOST:PORT or unix:PATH', servingAddress)
    .option('--root <directory>', "the agent's root: what its journal knows, the models on the disk, the boot file", (path) => resolve(path))
    .option('--model <name>', 'a model to ask the server for, beside those the root or its boot file name; repeat for more', eachOf((text) => text))
    .option('--fleet <name>', 'look whether this fleet runs', name)
    .option('--server <name>', "with --fleet: look whether this server's agent is connected", name)
    .option('--poll-seconds <seconds>', "the server's --file_system_poll_wait_seconds, where its command line cannot be read (default: 1)", Number)
    .option('--no-temporal', 'leave Temporal out')
    .addOption(outputOption())
    .action(async (address: string, flags: DoctorFlags) => endWith(report(await doctorChecks().examine(address, flags), flags, terminal)))
    .addHelpText('after', `
Exit codes: 0 nothing found, 1 usage, 8 problems found.

The causes it tells apart: serverGone, threadsExhausted, poisonedList, configLock, badBasePath, heldHandle, inlineLoads, retrySleep, reserving, fetchStall,
and loadRunning, which ends by itself. To learn whether the server's config lock is held it sends one list that every server refuses before it changes anything.

Examples:
  $ segue doctor 127.0.0.1:8500 --root /srv/edge-a
  $ segue doctor unix:/run/serving.sock --root /srv/models --fleet prod --server eu-1 -o json | jq '.findings[] | select(.level == "problem")'`);
}

function report(findings: readonly Finding[], { output }: OutputFlags, terminal: Terminal): number {
  const problems = findings.filter((one) => one.level === 'problem');
  if (output === 'json') terminal.out(JSON.stringify({ ok: problems.length === 0, findings }));
  else for (const one of findings) for (const line of linesOf(one)) terminal.out(line);
  return problems.length === 0 ? EXIT.ok : EXIT.verification;
}

const MARK = { ok: 'ok     ', note: 'note   ', problem: 'PROBLEM' } as const;

function linesOf(finding: Finding): readonly string[] {
  return [
    `${MARK[finding.level]} ${finding.check}${finding.cause === undefined ? '' : ` ${finding.cause}`}: ${finding.what}`,
    ...(finding.evidence ?? []).map((line) => `          ${line}`),
    ...(finding.next === undefined ? [] : [`          next: ${finding.next}`]),
  ];
}
