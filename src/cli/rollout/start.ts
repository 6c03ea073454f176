import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { Command } from 'commander';
import { isDeepStrictEqual } from 'node:util';
import { parseRequest } from '../../activities/request';
import { CONTROL_QUEUE } from '../../domain/names';
import type { ConnectedClient } from '../../worker/connection';
import { durationMs } from '../arguments';
import { EXIT, Exit } from '../exit';
import { outputOption, type OutputFlags } from '../output-flag';
import type { Verb } from '../verb';
import { type TemporalFlags, withClient, withTemporalFlags } from '../temporal-flags';
import type { Terminal } from '../terminal';
import { follow } from './follow';
import { type JsonObject, requestJson, type RequestFlags, withRequestFlags } from './request-flags';

interface StartFlags extends RequestFlags, TemporalFlags, OutputFlags {
  readonly workflowId?: string;
  readonly wait?: boolean;
  readonly timeout?: number;
}

export function rolloutStartCommand({ terminal, endWith }: Verb): Command {
  return withTemporalFlags(withRequestFlags(new Command('start')))
    .description('start a rollout; with --wait follow it to its end and end as it does; one that runs under this ID with the same request is attached to')
    .option('--workflow-id <id>', 'default: rollout/FLEET/MODEL/VERSION/ and the CI run or the time')
    .option('--wait', 'follow it; the exit code says how it ended')
    .option('--timeout <duration>', 'with --wait: how long, such as 30m (default: as long as it takes)', durationMs)
    .addOption(outputOption())
    .action(async (flags: StartFlags) => endWith(await start(flags, terminal)))
    .addHelpText('after', `
Examples:
  $ segue rollout start --fleet demo --model half --version 2 --source s3://models/half/2/ --endpoint http://127.0.0.1:9000 --wait
  $ segue rollout start --input rollout.json --version 3 --source s3://models/half/3/ --waves 1,50%,100% --bake-seconds 60

The same with the temporal command line:
  $ temporal workflow execute --type rollout --task-queue segue --workflow-id rollout/demo/half/2/ci-1 --input '{
      "fleet": "demo", "model": "half", "version": "2", "source": {"uri": "s3://models/half/2/", "endpoint": "http://127.0.0.1:9000"}}'`);
}

async function start(flags: StartFlags, terminal: Terminal): Promise<number> {
  const input = await requestJson(flags, terminal);
  // The rollout parses it again, and its word counts; but a typo should not need a workflow to be told.
  parseRequest(input);
  const workflowId = flags.workflowId ?? defaultWorkflowId(input, process.env, new Date());
  return withClient(flags, async (connected) => {
    const { runId, attached } = await startWorkflow(connected, workflowId, input);
    if (flags.output === 'json') terminal.out(JSON.stringify({ workflowId, runId, attached }));
    else terminal.out(attached ? `attached to ${workflowId} (run ${runId}), which was started with this very request and runs` : `started ${workflowId} (run ${runId})`);
    const nobody = await noWorkerPolls(connected);
    if (nobody) terminal.err(`nobody polls task queue ${CONTROL_QUEUE}: it waits for a control worker (segue worker)`);
    if (flags.wait === true) return follow(connected, { workflowId, runId, json: flags.output === 'json', ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }) }, terminal);
    if (flags.output === 'text') terminal.out(nextSteps(workflowId));
    return EXIT.ok;
  });
}

/** A CI job that is run again finds its own rollout; another request under its ID is refused. */
async function startWorkflow(connected: ConnectedClient, workflowId: string, input: JsonObject): Promise<{ readonly runId: string; readonly attached: boolean }> {
  try {
    const { firstExecutionRunId } = await connected.client.workflow.start('rollout', { taskQueue: CONTROL_QUEUE, workflowId, args: [input] });
    return { runId: firstExecutionRunId, attached: false };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const running = await inputOf(connected, workflowId);
    const different = differentKeys(running.input, input);
    if (different.length === 0) return { runId: running.runId, attached: true };
    // `temporal workflow start` would say OK here and keep the old input (DESIGN §4.6).
    throw new Exit(EXIT.rejected, `${workflowId} is running already, with another request: ${different.join(', ')} differ${different.length === 1 ? 's' : ''}.\n follow it: segue rollout watch ${workflowId}\n change it: segue rollout update ${workflowId} --source SOURCE\n another:   --workflow-id ID`);
  }
}

/** What the running one was started with: the first event of its history. */
async function inputOf({ client, connection, target: { namespace } }: ConnectedClient, workflowId: string): Promise<{ readonly runId: string; readonly input: unknown }> {
  const { runId } = await client.workflow.getHandle(workflowId).describe();
  const { history } = await connection.workflowService.getWorkflowExecutionHistory({ namespace, execution: { workflowId, runId }, maximumPageSize: 1 });
  const payload = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
  return { runId, input: payload == null ? undefined : defaultPayloadConverter.fromPayload(payload) };
}

/** These say who asked and why, which a second try may say differently. */
const NOT_COMPARED: ReadonlySet<string> = new Set(['reason', 'requestedBy', 'ciUrl']);

/** By what was written, not by what it means: a CI job that is run again writes the same. */
export function differentKeys(running: unknown, asked: JsonObject): readonly string[] {
  const theirs = typeof running === 'object' && running !== null ? (running as JsonObject) : {};
  return [...new Set([...Object.keys(theirs), ...Object.keys(asked)])].filter((key) => !NOT_COMPARED.has(key) && !isDeepStrictEqual(theirs[key], asked[key])).sort();
}

/** The CI run makes the ID repeatable: a job that is run again finds its own rollout instead of starting a second one. */
export function defaultWorkflowId(input: JsonObject, env: Readonly<Record<string, string | undefined>>, now: Date): string {
  const ciRun = env['GITHUB_RUN_ID'] ?? env['CI_PIPELINE_ID'] ?? env['BUILD_BUILDID'] ?? env['BUILDKITE_BUILD_NUMBER'] ?? env['CIRCLE_WORKFLOW_ID'] ?? env['BUILD_NUMBER'];
  const run = ciRun || now.toISOString().replaceAll(/[-:]/g, '').replace('T', '-').slice(0, 19).replace('.', '-');
  return `rollout/${String(input['fleet'])}/${String(input['model'])}/${String(input['version'])}/${run}`;
}

/** TASK_QUEUE_TYPE_WORKFLOW. */
const WORKFLOW_QUEUE = 1;

async function noWorkerPolls({ connection, target }: ConnectedClient): Promise<boolean> {
  const { pollers } = await connection.workflowService.describeTaskQueue({ namespace: target.namespace, taskQueue: { name: CONTROL_QUEUE }, taskQueueType: WORKFLOW_QUEUE });
  return (pollers ?? []).length === 0;
}

function nextSteps(workflowId: string): string {
  return ` follow:  segue rollout watch ${workflowId}\n abort:   segue rollout abort ${workflowId} --reason TEXT\n for CI:  temporal workflow result --workflow-id ${workflowId}`;
}
