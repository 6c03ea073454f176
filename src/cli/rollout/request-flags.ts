// From flags to the JSON that starts or updates a rollout: the same JSON that CI gives to the temporal command line.

import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { Option } from 'commander';
import { commaSeparated, wholeNumber } from '../arguments';
import { EXIT, Exit } from '../exit';
import type { Terminal } from '../terminal';

export interface SourceFlags {
  readonly source?: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: string;
  readonly input?: string;
}

export interface RequestFlags extends SourceFlags {
  readonly fleet?: string;
  readonly model?: string;
  readonly version?: string;
  readonly waves?: readonly string[];
  readonly maxUnavailable?: number;
  readonly mode?: string;
  readonly bakeSeconds?: number;
  readonly drainSeconds?: number;
  readonly probe?: string;
  readonly onFailure?: string;
  readonly holdSeconds?: number;
  readonly reason?: string;
  readonly requestedBy?: string;
  readonly ciUrl?: string;
  readonly digest?: string;
  readonly allowKnownBad?: boolean;
  readonly allowDowngrade?: boolean;
  readonly allowReuse?: boolean;
}

/** What `--input` and the flags say together; flags win. Only shapes are known here: what is allowed is decided in one place, by the rollout. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function withSourceFlags(command: Command): Command {
  return command
    .option('--source <s3-uri>', 's3://BUCKET/PREFIX/ with saved_model.pb in it')
    .option('--endpoint <url>', "S3 endpoint (default: AWS's own for the region)")
    .option('--region <name>', 'region (default: us-east-1)')
    .option('--credentials <reference>', 'env, anonymous, profile:NAME or file:NAME, known to the agents; never a secret (default: env)')
    .option('--input <json>', 'the request as JSON, a file with it, or - for stdin; flags win over it');
}

export function withRequestFlags(command: Command): Command {
  return withSourceFlags(command
    .option('--fleet <name>', 'fleet of servers')
    .option('--model <name>', 'model')
    .option('--version <number>', 'version to serve'))
    .option('--waves <list>', 'cumulative: servers or shares, such as 1,50%,100% (default: 100%)', commaSeparated)
    .option('--max-unavailable <count>', 'servers that may change at once (default: 1)', wholeNumber)
    .addOption(new Option('--mode <mode>', 'keep the old version until the new one is AVAILABLE, or free its memory first (default: availability)').choices(['availability', 'resource']))
    .option('--bake-seconds <seconds>', 'how long each wave is watched before the next (default: 0)', wholeNumber)
    .option('--drain-seconds <seconds>', 'how long the old version stays listed after labels left it (default: 0)', wholeNumber)
    .option('--probe <json>', 'a Predict whose answer is known: {"inputs": {"x": [1]}, "expect": {"y": [2.5]}, "tolerance": 1e-6}')
    .addOption(new Option('--on-failure <what>', 'after lists changed (default: rollback)').choices(['rollback', 'hold']))
    .option('--hold-seconds <seconds>', 'how long a hold waits for a person (default: 3600)', wholeNumber)
    .option('--digest <sha256>', 'what the version must be: sha256: and 64 hex digits; without --source its bytes must be on the disks')
    .option('--allow-known-bad', 'serve content that was rolled back before')
    .option('--allow-downgrade', 'serve a version older than the stable one')
    .option('--allow-reuse', 'other content under a number that was served before, and is not now')
    .option('--reason <text>', 'why')
    .option('--requested-by <who>', 'who')
    .option('--ci-url <url>', 'link to the CI run');
}

export async function requestJson(flags: RequestFlags, terminal: Terminal): Promise<JsonObject> {
  const input = flags.input === undefined ? {} : await readInput(flags.input, terminal);
  const strategy = given({ waves: flags.waves, maxUnavailable: flags.maxUnavailable, mode: flags.mode, bakeSeconds: flags.bakeSeconds, drainSeconds: flags.drainSeconds });
  const { fleet, model, version, onFailure, holdSeconds, reason, requestedBy, ciUrl, digest, allowKnownBad, allowDowngrade, allowReuse } = flags;
  return {
    ...input,
    ...given({ fleet, model, version, onFailure, holdSeconds, reason, requestedBy, ciUrl, digest, allowKnownBad, allowDowngrade, allowReuse, probe: flags.probe === undefined ? undefined : parseObject(flags.probe, '--probe') }),
    ...over(input, 'source', sourceOf(flags)),
    ...over(input, 'strategy', strategy),
  };
}

/** The JSON of `update`: a new source, or whatever `--input` says. */
export async function updateJson(flags: SourceFlags, terminal: Terminal): Promise<JsonObject> {
  const input = flags.input === undefined ? {} : await readInput(flags.input, terminal);
  return { ...input, ...over(input, 'source', sourceOf(flags)) };
}

function sourceOf({ source, endpoint, region, credentials }: SourceFlags): JsonObject {
  return given({ uri: source, endpoint, region, credentials });
}

function over(input: JsonObject, key: string, flags: JsonObject): JsonObject {
  if (Object.keys(flags).length === 0) return {};
  const below = input[key];
  return { [key]: { ...(isObject(below) ? below : {}), ...flags } };
}

async function readInput(input: string, terminal: Terminal): Promise<JsonObject> {
  if (input.trimStart().startsWith('{')) return parseObject(input, '--input');
  if (input === '-') return parseObject(await terminal.readStdin(), 'stdin');
  const text = await readFile(input, 'utf8').catch((error: unknown) => {
    throw new Exit(EXIT.usage, `error: --input ${input} is neither JSON nor a file that can be read: ${String((error as { message?: string }).message ?? error)}`);
  });
  return parseObject(text, input);
}

function parseObject(text: string, where: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Exit(EXIT.usage, `error: ${where} is not JSON: ${String((error as { message?: string }).message ?? error)}`);
  }
  if (!isObject(value)) throw new Exit(EXIT.usage, `error: ${where} is not a JSON object`);
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function given(values: Record<string, unknown>): JsonObject {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
