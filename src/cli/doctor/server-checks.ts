// What the model server shows of itself: its answers, its command line where we may read it, and what the agent beside it journalled. Nothing is changed.

import { readFile } from 'node:fs/promises';
import { fromText } from '@bufbuild/protobuf/txtpb';
import { nowMs } from '../../agent/clock';
import { gatherFacts, type ForeignModel, type Gathering } from '../../agent/facts';
import type { ModelEntry } from '../../agent/journal-format';
import { Observer } from '../../agent/observe';
import { findServerProcess, type ServerProcess } from '../../agent/server-process';
import { diagnose, REQUIRED_FLAGS_TEXT, UNNOTICED_AFTER_MS, type ReloadFacts, type ServerFacts } from '../../domain/diagnosis';
import type { ModelName, Version } from '../../domain/names';
import { flagFindings } from '../../domain/server-flags';
import { ModelServerConfigSchema } from '../../proto/gen/tensorflow_serving/config/model_server_config_pb';
import { ServingClient } from '../../serving/client';
import { note, ok, problem, type Finding } from './finding';

export interface ServerQuestion {
  readonly address: string;
  readonly root?: string | undefined;
  /** What the agent journalled; empty where there is no root. */
  readonly models: ReadonlyMap<ModelName, ModelEntry>;
  /** Names to ask for beside those. */
  readonly names: readonly string[];
  readonly pollSeconds?: number | undefined;
}

/** Between two looks. */
const LOOK_EVERY_MS = 200;
/** Files are read whole; what takes longer is not looked at to its end. */
const INSPECT_MS = 20_000;

export async function checkServer(question: ServerQuestion): Promise<readonly Finding[]> {
  const process = await findServerProcess(question.address);
  const file = process?.flags.modelConfigFile ?? (question.root === undefined ? undefined : `${question.root}/boot.config`);
  const boot = file === undefined ? undefined : await readList(file);
  const facts = await observe(question, process, boot instanceof Map ? boot : new Map());
  const diagnoses = diagnose(facts);
  return [
    ...(diagnoses.length === 0 ? [ok('server', `${question.address} answers, and nothing keeps it from moving (${facts.models.length === 0 ? 'no model to ask for' : facts.models.map((one) => one.model).join(', ')})`)] : []),
    ...diagnoses.map((one): Finding => ({ check: 'server', level: one.severity === 'stuck' ? 'problem' : 'note', cause: one.cause, what: one.meaning, evidence: one.evidence, next: one.next })),
    ...flagChecks(question, process),
    ...(typeof boot === 'string' ? [problem('flags', `--model_config_file ${file}: ${boot}`, `printf 'model_config_list {}' > ${file}`)] : []),
  ];
}

/** Long enough to tell a list that was not noticed from one the next poll will notice; at once where nothing is in motion. */
export async function observe(question: ServerQuestion, process: ServerProcess | undefined, boot: ReadonlyMap<ModelName, ForeignModel>): Promise<ServerFacts> {
  const client = new ServingClient(question.address);
  const pollMs = (question.pollSeconds ?? process?.flags.pollSeconds ?? 1) * 1000;
  const lookingSinceMs = nowMs();
  const foreign = new Map([...[...boot].filter(([model]) => !question.models.has(model)), ...question.names.map((name) => [name as ModelName, { basePath: undefined, versions: [] }] as const)]);
  const about: Omit<Gathering, 'reload'> = {
    client, observer: new Observer(pollMs / 1000), pollMs, models: question.models, foreign, root: question.root, flags: process?.flags,
    lookingSinceMs, inspectFiles: false, signal: AbortSignal.timeout(pollMs + INSPECT_MS),
  };
  try {
    let facts = await gatherFacts({ ...about, reload: { kind: 'unknown' } });
    if (facts.answer !== 'answers') return facts;
    const lock = askForLock(client);
    // From the first answer: on a busy host that alone takes a while, and how long a state has lasted is counted from there.
    const until = nowMs() + pollMs + UNNOTICED_AFTER_MS + LOOK_EVERY_MS;
    do {
      await new Promise((resolve) => { setTimeout(resolve, LOOK_EVERY_MS); });
      facts = await gatherFacts({ ...about, reload: lock.seen() });
    } while (nowMs() < until && facts.answer === 'answers' && isInMotion(facts));
    return await gatherFacts({ ...about, reload: lock.seen(), inspectFiles: true });
  } finally {
    client.close();
  }
}

function isInMotion({ reload, models }: ServerFacts): boolean {
  return reload.kind === 'held' || models.some((model) => model.versions.some((one) => (one.listed && one.state === undefined) || one.state === 'START' || one.state === 'LOADING' || one.state === 'UNLOADING'));
}

/**
 * A list with a relative base path is refused with nothing changed, but only once the config lock is had (TF Serving reference §2, steps 1 and 3): so its answer
 * says whether somebody holds it. Where somebody does, the call keeps one of the server's threads until they let go; it is asked once.
 */
function askForLock(client: ServingClient): { seen: () => ReloadFacts } {
  const sinceMs = nowMs();
  let answer: ReloadFacts | undefined;
  void client.reload([{ name: 'segue-doctor', basePath: 'is-the-lock-free', platform: 'tensorflow', versions: [], labels: {} }]).then((said) => {
    answer = said === 'OK' || said.code === 'INVALID_ARGUMENT' ? { kind: 'free' } : said.unanswered ? { kind: 'unknown' } : { kind: 'refused', text: said.details };
  });
  return { seen: () => answer ?? { kind: 'held', forMs: nowMs() - sinceMs } };
}

function flagChecks(question: ServerQuestion, process: ServerProcess | undefined): readonly Finding[] {
  if (process === undefined) return [note('flags', `no process on this host that we may look at listens on ${question.address}: its flags are judged by what it does only. It must have ${REQUIRED_FLAGS_TEXT}`)];
  const findings = flagFindings(process.flags, question.root === undefined ? undefined : `${question.root}/boot.config`);
  if (findings.length === 0) return [ok('flags', `pid ${process.pid} was started with the flags Segue needs`)];
  return findings.map((one) => problem('flags', `${one.flag} is ${one.found}, want ${one.want}: ${one.why}`, `tensorflow_model_server … ${one.flag}=${one.want}`));
}

/** Names, base paths and versions of a config file; or why a server must not be started from it. */
async function readList(file: string): Promise<ReadonlyMap<ModelName, ForeignModel> | string> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return new Map(); // Not on this host, or the agent has not written it yet.
  }
  try {
    const { config } = fromText(ModelServerConfigSchema, text);
    if (config.case !== 'modelConfigList') return 'no model_config_list in it; a server that starts so blocks with its first failing model';
    return new Map(config.value.config.map((model) => {
      const policy = model.modelVersionPolicy?.policyChoice;
      return [model.name as ModelName, { basePath: model.basePath, versions: policy?.case === 'specific' ? policy.value.versions.map((one) => String(one) as Version) : [] }];
    }));
  } catch (error) {
    return `not a ModelServerConfig: ${(error as Error).message}`;
  }
}
