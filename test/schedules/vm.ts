// The real workflow code in the SDK's own sandbox, fed by hand: one activation in, its commands out. The only file that knows the SDK's inner modules; they are pinned with the SDK's version.

import { readFileSync } from 'node:fs';
import { defaultFailureConverter, defaultPayloadConverter, type TypedSearchAttributes } from '@temporalio/common';
import { coresdk } from '@temporalio/proto';
import { ReusableVMWorkflowCreator } from '@temporalio/worker/lib/workflow/reusable-vm';
import { globalHandlers } from '@temporalio/worker/lib/workflow/vm-shared';
import { parseWorkflowCode } from '@temporalio/worker/lib/worker';
import Long from 'long';

export type Job = coresdk.workflow_activation.IWorkflowActivationJob;
export type Command = coresdk.workflow_commands.IWorkflowCommand;
type Payload = ReturnType<typeof defaultPayloadConverter.toPayload>;

export const toPayload = (value: unknown): NonNullable<Payload> => defaultPayloadConverter.toPayload(value === undefined ? null : value) as NonNullable<Payload>;
export const toPayloads = (...values: unknown[]): NonNullable<Payload>[] => values.map(toPayload);
export const fromPayload = (payload: unknown): unknown => (payload === undefined || payload === null ? undefined : defaultPayloadConverter.fromPayload(payload as never));
export const toFailure = (error: unknown): object => defaultFailureConverter.errorToFailure(error, defaultPayloadConverter) as object;
export const fromFailure = (failure: unknown): Error => defaultFailureConverter.failureToError(failure as never, defaultPayloadConverter);

export interface Started {
  readonly type: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly args: readonly unknown[];
  readonly parent?: { readonly workflowId: string; readonly runId: string };
  readonly nowMs: number;
  readonly seed: number;
}

export class Sandbox {
  private constructor(private readonly creator: ReusableVMWorkflowCreator) {}

  static async load(codePath: string, activities: readonly string[]): Promise<Sandbox> {
    const bundle = parseWorkflowCode(readFileSync(codePath, 'utf8'), codePath);
    const creator = await ReusableVMWorkflowCreator.create(bundle, undefined as never, new Set(activities)); // With a time limit each call starts a thread to watch it: half of all time.
    // Stack traces of every promise, for the `__stack_trace` query, which nobody asks here: they cost twenty times all else.
    globalHandlers.uninstall();
    globalHandlers.promiseHookInstalled = false;
    return new Sandbox(creator);
  }

  async start(started: Started): Promise<Execution> {
    const startTime = new Date(started.nowMs);
    const workflow = await this.creator.createWorkflow({
      info: {
        workflowId: started.workflowId, runId: started.runId, workflowType: started.type, searchAttributes: {}, typedSearchAttributes: {} as TypedSearchAttributes,
        parent: started.parent === undefined ? undefined : { ...started.parent, namespace: 'default' }, root: undefined, taskQueue: 'segue', namespace: 'default', firstExecutionRunId: started.runId,
        startTime, runStartTime: startTime, taskTimeoutMs: 10_000, attempt: 1, historyLength: 3, historySize: 0, continueAsNewSuggested: false, currentBuildId: '',
        unsafe: { now: () => started.nowMs, isReplaying: false, isReplayingHistoryEvents: false }, originalExecutionRunId: started.runId,
      } as never,
      randomnessSeed: Array.from(Long.fromNumber(started.seed).toBytes()), now: started.nowMs, showStackTraceSources: false, failureExceptionTypeNames: [],
    } as never);
    const init: Job = {
      initializeWorkflow: {
        workflowType: started.type, workflowId: started.workflowId, arguments: toPayloads(...started.args), randomnessSeed: Long.fromNumber(started.seed), headers: {}, attempt: 1, firstExecutionRunId: started.runId,
        startTime: timestamp(started.nowMs),
      },
    } as Job;
    return new Execution(workflow as never, started, [init]);
  }

  destroy(): Promise<void> {
    return this.creator.destroy();
  }
}

interface VmWorkflow {
  activate(activation: unknown): Promise<coresdk.workflow_completion.IWorkflowActivationCompletion>;
  getAndResetSinkCalls(): Promise<unknown>;
  dispose(): Promise<void>;
}

/** A workflow task that failed: Temporal would try it again for ever, so here it is the end. */
export class TaskFailed extends Error {}

export class Execution {
  /** As a worker would have counted it: what continue-as-new is decided by. */
  events = 3;

  constructor(private readonly workflow: VmWorkflow, readonly started: Started, private readonly init: readonly Job[]) {}

  #first = true;

  async activate(jobs: readonly Job[], nowMs: number): Promise<readonly Command[]> {
    const all = this.#first ? [...this.init, ...jobs] : jobs;
    this.#first = false;
    this.events += 3 + all.length;
    const completion = await this.workflow.activate(coresdk.workflow_activation.WorkflowActivation.fromObject({
      runId: this.started.runId, timestamp: timestamp(nowMs), isReplaying: false, historyLength: this.events, historySizeBytes: Long.ZERO, continueAsNewSuggested: false, jobs: all, availableInternalFlags: [1, 2, 3, 4],
    }));
    await this.workflow.getAndResetSinkCalls();
    if (completion.failed) throw new TaskFailed(`${this.started.workflowId}: ${completion.failed.failure?.message ?? 'the task failed'}\n${completion.failed.failure?.stackTrace ?? ''}`);
    const commands = completion.successful?.commands ?? [];
    this.events += commands.length;
    return commands;
  }

  dispose(): Promise<void> {
    return this.workflow.dispose();
  }
}

function timestamp(ms: number): { readonly seconds: Long; readonly nanos: number } {
  return { seconds: Long.fromNumber(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}
