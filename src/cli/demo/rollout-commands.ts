// A rollout as a person or CI drives it: with the temporal command line and nothing else.

import type { FleetName, Version } from '../../domain/names';
import type { Verdict } from '../../domain/verdict';
import type { RolloutEnd } from './facts';
import { BUCKET, MODEL, prefixOf, REGION, type DemoModel } from './models';
import type { CommandResult, TemporalCommand } from './temporal-command';

export interface Wanted {
  readonly fleet: FleetName;
  readonly model: DemoModel;
  readonly endpoint: string;
  readonly strategy: Readonly<Record<string, unknown>>;
  readonly reason: string;
}

/** By convention `rollout/<fleet>/<model>/<version>/<ci run>`. */
export function rolloutId(fleet: FleetName, version: Version): string {
  return `rollout/${fleet}/${MODEL}/${version}/demo`;
}

export interface Rollouts {
  /** Throws when Temporal does not take it. Returns the workflow's id. */
  start(wanted: Wanted): Promise<string>;
  /** Waits for the end. */
  result(workflowId: string): Promise<RolloutEnd>;
  /** Throws when Temporal does not take it. Returns when the command was started, epoch milliseconds. */
  update(workflowId: string, change: object): Promise<number>;
  /** How many rollouts Temporal knows of, in any state. */
  count(): Promise<number>;
}

export function rolloutsBy(temporal: TemporalCommand): Rollouts {
  const startedAtMs = new Map<string, number>();
  return {
    start: async (wanted) => {
      const workflowId = rolloutId(wanted.fleet, wanted.model.version);
      const done = taken(await temporal.run(['workflow', 'start', '--type', 'rollout', '--task-queue', 'segue', '--workflow-id', workflowId, '--input', JSON.stringify(requestOf(wanted))]));
      startedAtMs.set(workflowId, done.startedAtMs);
      return workflowId;
    },
    result: async (workflowId) => {
      const done = await temporal.run(['workflow', 'result', '--workflow-id', workflowId, '--output', 'json']);
      return { workflowId, exitCode: done.exitCode, ...endOf(done.stdout), seconds: (done.endedAtMs - (startedAtMs.get(workflowId) ?? done.startedAtMs)) / 1000 };
    },
    update: async (workflowId, change) => taken(await temporal.run(['workflow', 'signal', '--workflow-id', workflowId, '--name', 'update', '--input', JSON.stringify(change)])).startedAtMs,
    count: async () => {
      const { count } = JSON.parse(taken(await temporal.run(['workflow', 'count', '--query', 'WorkflowType = "rollout"', '--output', 'json'])).stdout) as { readonly count: string };
      return Number(count);
    },
  };
}

function requestOf({ fleet, model, endpoint, strategy, reason }: Wanted): object {
  const { version, constant } = model;
  return {
    fleet, model: MODEL, version,
    source: { uri: `s3://${BUCKET}/${prefixOf(version)}`, endpoint, region: REGION, credentials: 'env' },
    strategy,
    probe: { inputs: { x: [1, 2, 5] }, expect: { y: [1, 2, 5].map((x) => x / 2 + constant) }, tolerance: 1e-6 },
    reason, requestedBy: 'segue demo',
  };
}

function taken(done: CommandResult): CommandResult {
  if (done.exitCode !== 0) throw new Error(`temporal ended with exit code ${done.exitCode}: ${done.stderr.trim()}`);
  return done;
}

/** What `temporal workflow result --output json` prints: the result of a completed workflow, or the event that closed it; payloads as the JSON they hold. */
interface Printed {
  readonly result?: unknown;
  readonly closeEvent?: { readonly workflowExecutionFailedEventAttributes?: { readonly failure?: { readonly applicationFailureInfo?: { readonly type?: string; readonly details?: readonly unknown[] } } } };
}

export function endOf(stdout: string): Pick<RolloutEnd, 'verdict' | 'failureType'> {
  const printed = JSON.parse(stdout) as Printed;
  const info = printed.closeEvent?.workflowExecutionFailedEventAttributes?.failure?.applicationFailureInfo;
  const verdict = printed.result ?? info?.details?.[0];
  return { ...(isVerdict(verdict) ? { verdict } : {}), ...(info?.type === undefined ? {} : { failureType: info.type }) };
}

function isVerdict(value: unknown): value is Verdict {
  return typeof value === 'object' && value !== null && 'outcome' in value && 'servers' in value;
}
