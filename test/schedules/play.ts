// Plays Temporal's server and all hosts for the real workflows, in an order that a seed decides: what is delivered when, which answer is lost, what fails and how, when somebody
// wants something else. After every effect the host is held against the invariants; at the end everybody must have come to rest, and the world must be what the last wish says.

import { ApplicationFailure } from '@temporalio/common';
import type { coresdk } from '@temporalio/proto';
import { parseRequest, parseUpdate } from '../../src/activities/request';
import { SegueError, type FailureCode } from '../../src/domain/failures';
import type { Attempt, HostActivities } from '../../src/domain/host';
import { violationOf } from '../../src/domain/invariants';
import { compareTokens, formatToken, type Token, type Version } from '../../src/domain/names';
import type { RolloutRequest } from '../../src/domain/request';
import type { ServerVerdict, Verdict } from '../../src/domain/verdict';
import { digestOf, Host } from './host';
import { fromFailure, fromPayload, TaskFailed, toFailure, toPayload, toPayloads, type Command, type Execution, type Job, type Sandbox } from './vm';

export interface Options {
  readonly seed: number;
  /** Shown to be found out: a host that asks nobody, a server that forgets what it was told. */
  readonly broken?: 'no fence' | 'forgotten signals';
  /** Nothing by chance but the order: this fault at the end of that host activity, or this wish at that step. */
  readonly directed?: { readonly mode: 'availability' | 'resource'; readonly fault?: { readonly at: number; readonly how: Fault }; readonly wish?: { readonly at: number; readonly what: Wish } };
}

export interface Played {
  readonly steps: number;
  /** How many activities ended on hosts. */
  readonly ends: number;
  readonly outcomes: readonly string[];
  readonly violation?: string;
  readonly trace: readonly string[];
}

export type Wish = 'abort' | 'update' | 'rollback' | 'pause' | 'cancel' | 'newer' | 'restartServer' | 'restartAgent' | 'refresh' | 'terminate';
export const WISHES: readonly Wish[] = ['abort', 'update', 'rollback', 'pause', 'cancel', 'newer', 'newer', 'restartServer', 'restartAgent', 'refresh', 'terminate'];
export type Fault = 'lost answer' | 'not seen' | 'heartbeat' | FailureCode;
export const FAULTS: readonly Fault[] = ['lost answer', 'lost answer', 'not seen', 'heartbeat', 'SourceMissing', 'InvalidSavedModel', 'LoadFailed', 'ProbeMismatch', 'DrainTimeout', 'ServerWedged', 'Bug'];
const MAX_STEPS = 6_000;
const FLEET = 'demo';

interface Flow { readonly execution: Execution; inbox: Job[]; over?: string; readonly parent?: { readonly flow: Flow; readonly seq: number }; readonly timers: Map<number, number>; readonly children: Map<number, Flow> }
interface Activity { readonly flow: Flow; readonly seq: number; readonly type: string; readonly input: unknown; readonly host: Host | undefined; begun: boolean; stopped: boolean; cancelled: boolean; tries: number }

export async function play(sandbox: Sandbox, options: Options): Promise<Played> {
  const game = new Game(sandbox, options);
  try {
    await game.run();
    return { steps: game.steps, ends: game.ends, outcomes: game.outcomes, trace: game.trace, ...(game.violation === undefined ? {} : { violation: game.violation }) };
  } catch (error) {
    if (!(error instanceof TaskFailed)) throw error;
    return { steps: game.steps, ends: game.ends, outcomes: game.outcomes, trace: game.trace, violation: `a workflow task failed: ${error.message}` };
  } finally {
    await game.dispose();
  }
}

class Game {
  steps = 0;
  ends = 0;
  violation: string | undefined;
  readonly trace: string[] = [];
  readonly outcomes: string[] = [];
  readonly #random: () => number;
  readonly #hosts: readonly Host[];
  readonly #flows: Flow[] = [];
  readonly #activities: Activity[] = [];
  readonly #updates = new Map<string, Activity>();
  #claims = 0;
  readonly #rollouts: Flow[] = [];
  readonly #mode: 'availability' | 'resource';
  readonly #bake: boolean;
  readonly #wishes: Wish[];
  readonly #faults: Fault[];
  #nowMs = 1_800_000_000_000;
  #runs = 0;
  #version = 2;
  #paused: Flow | undefined;
  readonly #disposed: Execution[] = [];

  constructor(private readonly sandbox: Sandbox, private readonly options: Options) {
    this.#random = mulberry(options.seed);
    const { directed } = options;
    const servers = directed === undefined ? this.#pick([1, 1, 2, 2, 3]) : 2;
    this.#mode = directed?.mode ?? this.#pick(['availability', 'availability', 'resource']);
    this.#bake = directed !== undefined || this.#random() < 0.5;
    const first = directed === undefined && this.#random() < 0.15;
    const broken = new Set<Version>(directed === undefined && this.#random() < 0.25 ? ['2' as Version] : []);
    this.#hosts = Array.from({ length: servers }, (_, at) => new Host(String.fromCharCode(97 + at), at === servers - 1 ? broken : new Set(), options.broken !== 'no fence'));
    if (!first) for (const host of this.#hosts) host.serve('1' as Version);
    this.#wishes = directed !== undefined ? [] : Array.from({ length: this.#pick([0, 1, 1, 2, 3]) }, () => this.#pick(WISHES));
    this.#faults = directed !== undefined ? [] : Array.from({ length: this.#pick([0, 0, 1, 2]) }, () => this.#pick(FAULTS));
  }

  async run(): Promise<void> {
    const fleet = await this.#start('fleet', `fleet/${FLEET}`, [{ fleet: FLEET, ...(this.#hosts[0]?.promoted === undefined ? {} : { state: this.#fleetState() }) }]);
    for (const host of this.#hosts) fleet.inbox.push(signal('announce', { server: host.name, incarnation: 'i' }));
    await this.#deliver(fleet);
    await this.#startRollout();
    while (this.violation === undefined && this.steps < MAX_STEPS) {
      this.steps += 1;
      this.#nowMs += 1;
      if (!await this.#step()) break;
    }
    if (this.violation === undefined) this.violation = this.#wrongAtRest();
  }

  /** One thing happens. False: nothing more can. */
  async #step(): Promise<boolean> {
    const ready = this.#flows.filter((flow) => flow.over === undefined && flow.inbox.length > 0);
    const mayBegin = this.#activities.filter((one) => !one.begun);
    const mayEnd = this.#activities.filter((one) => one.begun && this.#mayEnd(one));
    const choices: (() => Promise<void> | void)[] = [
      ...ready.map((flow) => () => this.#deliver(flow)),
      ...mayBegin.map((one) => () => this.#begin(one)),
      ...mayEnd.map((one) => () => this.#end(one)),
    ];
    const { wish } = this.options.directed ?? {};
    if (wish?.at === this.steps) {
      await this.#wish(wish.what);
      return true;
    }
    if (this.#wishes.length > 0 && this.#random() < 0.04) {
      await this.#wish(this.#wishes.pop()!);
      return true;
    }
    const chosen = choices.length === 0 ? undefined : this.#pick(choices);
    if (chosen !== undefined) {
      await chosen();
      return true;
    }
    if (this.#paused !== undefined) {
      this.#say('resume');
      this.#tell(this.#paused, signal('resume', {}));
      this.#paused = undefined;
      return true;
    }
    return this.#passTime();
  }

  // ---- activities ----

  #begin(activity: Activity): void {
    activity.begun = true;
    const { host } = activity;
    if (activity.type === 'claimModel') { this.#claim(activity); return; }
    if (host === undefined) return;
    // Whoever may not act stops nobody: it is refused when its turn comes.
    if (this.options.broken === 'no fence' || (activity.type !== 'resolveSource' && !host.mayBegin(activity.type as keyof HostActivities, activity.input))) return;
    // A newer call stops the older one of the same host, and begins when that has ended.
    for (const older of this.#activities) if (older !== activity && older.host === host && older.begun && older.type !== 'resolveSource' && activity.type !== 'resolveSource') older.stopped = true;
  }

  #mayEnd(activity: Activity): boolean {
    if (activity.type === 'claimModel') return false;
    return activity.host === undefined || activity.type === 'resolveSource' || !this.#activities.some((older) => older !== activity && older.host === activity.host && older.begun && older.stopped && !activity.stopped);
  }

  #end(activity: Activity): void {
    if (activity.host !== undefined) this.ends += 1;
    const fault = activity.host === undefined || activity.stopped || activity.cancelled ? undefined : this.#fault();
    if (fault === 'lost answer') {
      this.#say(`${name(activity)}: its answer is lost`);
      this.#effect(activity);
      activity.tries += 1;
      activity.begun = false;
      return;
    }
    this.#remove(activity);
    if (fault === 'not seen') return this.#answer(activity, { failed: { failure: activityFailure(activity, { message: 'schedule to start', timeoutFailureInfo: { timeoutType: 3 } }) } }, 'not seen');
    if (fault === 'heartbeat') return this.#answer(activity, { failed: { failure: activityFailure(activity, { message: 'heartbeat', timeoutFailureInfo: { timeoutType: 4 } }) } }, 'heartbeat time-out');
    if (fault !== undefined) return this.#answer(activity, { failed: { failure: activityFailure(activity, toFailure(ApplicationFailure.nonRetryable(`injected ${fault}`, fault))) } }, fault);
    // An abort that a newer call overtakes still takes its proof.
    if ((activity.stopped && activity.type !== 'abortAttempt') || (activity.cancelled && this.#random() < 0.7)) return this.#answer(activity, activity.cancelled ? cancelled(activity) : { failed: { failure: failureOf(activity, staleOf(activity)) } }, activity.cancelled ? 'cancelled' : 'stopped');
    const result = this.#effect(activity);
    if (result instanceof Error) this.#answer(activity, { failed: { failure: failureOf(activity, result) } }, `fails: ${result.message}`);
    else this.#answer(activity, { completed: { result: toPayload(result) } }, activity.cancelled ? 'completes late' : 'completes');
  }

  #effect({ type, input, host, flow }: Activity): unknown {
    if (host === undefined) return this.#control(type, input, flow);
    const attempt = (input as { attempt?: { token: Token } }).attempt ?? (input as { token?: Token });
    const before = host.effects.length;
    try {
      return host.run(type as keyof HostActivities, input, this.#nowMs);
    } catch (error) {
      if (!(error instanceof SegueError)) throw error;
      return error;
    } finally {
      const [last, now] = [host.effects[before - 1], host.effects[before]];
      if (last !== undefined && now !== undefined && compareTokens(now, last) < 0) this.violation ??= `${host.name}: No going back: an effect of ${formatToken(now)} after one of ${formatToken(last)}`;
      // Going back from a first version ends in nothing, as it was.
      if (host.promoted === undefined) this.#served.delete(host);
      const what = host.wrong ?? violationOf(this.#mode, this.#served.has(host), host.view());
      if (what !== undefined) this.violation ??= `${host.name}: ${what}, after ${type} at ${attempt.token?.join('.') ?? '-'}`;
      if (host.promoted !== undefined) this.#served.add(host);
    }
  }
  readonly #served = new Set<Host>();

  #control(type: string, input: unknown, flow: Flow): unknown {
    switch (type) {
      case 'settleClaim': {
        const { fleet: _fleet, ...last } = input as Record<string, unknown>;
        this.#tellFleet(signal('settle', last));
        return undefined;
      }
      case 'startOwnRollout': {
        const { workflowId, input: request } = input as { workflowId: string; input: unknown };
        if (!this.#flows.some((one) => one.execution.started.workflowId === workflowId)) this.#later.push(async () => { this.#rollouts.push(await this.#start('rollout', workflowId, [request])); });
        return undefined;
      }
      case 'checkPollers': return [];
      case 'checkRuns': return (input as { runs: readonly { workflowId: string; runId: string }[] }).runs.filter(({ workflowId }) => !this.#flows.some((one) => one.execution.started.workflowId === workflowId && one.over === undefined)).map(({ runId }) => ({ runId }));
      default: throw new Error(`${flow.execution.started.workflowId} wants an activity that this stage does not play: ${type}`);
    }
  }
  readonly #later: (() => Promise<void>)[] = [];

  #claim(activity: Activity): void {
    const { fleet: _fleet, ...request } = activity.input as Record<string, unknown>;
    this.#claims += 1;
    const id = `claim-${this.#claims}`;
    this.#updates.set(id, activity);
    this.#tellFleet({ doUpdate: { id, protocolInstanceId: id, name: 'claim', input: toPayloads(request), headers: {}, meta: { identity: 'x', updateId: id }, runValidator: true } });
  }

  #fault(): Fault | undefined {
    const { fault } = this.options.directed ?? {};
    if (fault !== undefined) return fault.at === this.ends ? fault.how : undefined;
    return this.#faults.length > 0 && this.#random() < 0.08 ? this.#faults.pop() : undefined;
  }

  #answer(activity: Activity, result: object, how: string): void {
    this.#say(`${name(activity)} ${how}`);
    if (activity.flow.over === undefined) activity.flow.inbox.push({ resolveActivity: { seq: activity.seq, result, isLocal: false } });
  }

  #remove(activity: Activity): void {
    const at = this.#activities.indexOf(activity);
    if (at >= 0) this.#activities.splice(at, 1);
  }

  // ---- workflows ----

  async #start(type: string, workflowId: string, args: readonly unknown[], parent?: Flow['parent']): Promise<Flow> {
    this.#runs += 1;
    const execution = await this.sandbox.start({ type, workflowId, runId: `run-${this.options.seed}-${this.#runs}`, args, nowMs: this.#nowMs, seed: this.#runs, ...(parent === undefined ? {} : { parent: parent.flow.execution.started }) });
    const flow: Flow = { execution, inbox: [], timers: new Map(), children: new Map(), ...(parent === undefined ? {} : { parent }) };
    this.#flows.push(flow);
    this.#disposed.push(execution);
    flow.inbox.push();
    // A fleet is started by what it is told first; every other begins by itself.
    if (type !== 'fleet' || args[0] !== undefined && 'state' in (args[0] as object)) await this.#deliver(flow);
    return flow;
  }

  async #startRollout(): Promise<void> {
    const version = this.#version;
    this.#version += 1;
    const id = `rollout/${FLEET}/half/${version}`;
    this.#say(`somebody wants ${version}`);
    this.#rollouts.push(await this.#start('rollout', id, [{
      fleet: FLEET, model: 'half', version: String(version), source: { uri: `s3://models/half/${version}/`, endpoint: 'http://good', credentials: 'anonymous' },
      strategy: { mode: this.#mode, bakeSeconds: this.#bake ? 5 : 0, waves: ['1', '100%'], maxUnavailable: this.#pick([1, 2]) }, onFailure: this.#pick(['rollback', 'rollback', 'hold']), holdSeconds: 60,
    }]));
  }

  /** A task: some or all of what is there, in its order. */
  async #deliver(flow: Flow): Promise<void> {
    const count = flow.inbox.length === 0 ? 0 : 1 + Math.floor(this.#random() * flow.inbox.length);
    const jobs = flow.inbox.splice(0, count);
    for (const { fireTimer } of jobs) if (fireTimer?.seq != null) flow.timers.delete(fireTimer.seq);
    const commands = await flow.execution.activate(jobs, this.#nowMs);
    for (const command of commands) await this.#obey(flow, command);
    for (const later of this.#later.splice(0)) await later();
  }

  async #obey(flow: Flow, command: Command): Promise<void> {
    const { startTimer, cancelTimer, scheduleActivity, requestCancelActivity, scheduleLocalActivity, startChildWorkflowExecution, cancelChildWorkflowExecution, signalExternalWorkflowExecution, requestCancelExternalWorkflowExecution, updateResponse } = command;
    if (startTimer) flow.timers.set(startTimer.seq!, this.#nowMs + Number(startTimer.startToFireTimeout?.seconds ?? 0) * 1000 + Number(startTimer.startToFireTimeout?.nanos ?? 0) / 1e6);
    else if (cancelTimer) flow.timers.delete(cancelTimer.seq!);
    else if (scheduleActivity) this.#schedule(flow, scheduleActivity.seq!, scheduleActivity.activityType!, scheduleActivity.taskQueue!, fromPayload(scheduleActivity.arguments?.[0]));
    else if (requestCancelActivity) this.#cancelActivity(flow, requestCancelActivity.seq!);
    else if (scheduleLocalActivity) this.#local(flow, scheduleLocalActivity.seq!, scheduleLocalActivity.activityType!, (scheduleLocalActivity.arguments ?? []).map(fromPayload));
    else if (startChildWorkflowExecution) await this.#child(flow, startChildWorkflowExecution);
    else if (cancelChildWorkflowExecution) this.#tell(flow.children.get(cancelChildWorkflowExecution.childWorkflowSeq!), { cancelWorkflow: { reason: 'parent' } });
    else if (signalExternalWorkflowExecution) this.#external(flow, signalExternalWorkflowExecution);
    else if (requestCancelExternalWorkflowExecution) this.#cancelled(flow, requestCancelExternalWorkflowExecution);
    else if (updateResponse) this.#updated(updateResponse);
    else await this.#close(flow, command);
  }

  async #close(flow: Flow, command: Command): Promise<void> {
    const { completeWorkflowExecution, failWorkflowExecution, cancelWorkflowExecution, continueAsNewWorkflowExecution } = command;
    if (continueAsNewWorkflowExecution) {
      this.#say(`${flow.execution.started.workflowId} continues as new`);
      flow.over = 'continued';
      const next = await this.#start(flow.execution.started.type, flow.execution.started.workflowId, (continueAsNewWorkflowExecution.arguments ?? []).map(fromPayload));
      next.inbox.push(...flow.inbox.filter(({ signalWorkflow, doUpdate }) => signalWorkflow != null || doUpdate != null));
      return;
    }
    if (!completeWorkflowExecution && !failWorkflowExecution && !cancelWorkflowExecution) return; // Attributes, properties, patches: nothing that this stage plays.
    const error = failWorkflowExecution ? fromFailure(failWorkflowExecution.failure) : undefined;
    flow.over = completeWorkflowExecution ? `completed ${(fromPayload(completeWorkflowExecution.result) as { outcome?: string } | undefined)?.outcome ?? ''}`.trim() : cancelWorkflowExecution ? 'cancelled' : `failed ${(error as ApplicationFailure).type ?? error?.message ?? ''}`;
    this.#unproven(flow, error);
    this.#ended(flow);
    const { parent } = flow;
    if (parent === undefined) return;
    const info = { childWorkflowExecutionFailureInfo: { workflowExecution: { workflowId: flow.execution.started.workflowId, runId: flow.execution.started.runId }, workflowType: { name: 'transition' } } };
    const result = completeWorkflowExecution ? { completed: { result: completeWorkflowExecution.result } }
      : cancelWorkflowExecution ? { cancelled: { failure: { message: 'child cancelled', ...info, cause: { canceledFailureInfo: {} } } } } : { failed: { failure: { message: 'child failed', ...info, cause: failWorkflowExecution!.failure } } };
    this.#tell(parent.flow, { resolveChildWorkflowExecution: { seq: parent.seq, result: result as coresdk.child_workflow.IChildWorkflowResult } });
  }

  /** A server that was stopped was proven stopped; where the abort itself had no answer, it is told as not seen. */
  #unproven(flow: Flow, error: Error | undefined): void {
    const verdict = (error as ApplicationFailure | undefined)?.details?.[0] as Verdict | undefined;
    if (flow.execution.started.type !== 'rollout' || verdict === undefined) return;
    for (const [server, { end, proof }] of Object.entries<ServerVerdict>(verdict.servers)) if (end === 'stopped' && proof === undefined) this.violation ??= `Clean abort: ${flow.execution.started.workflowId} says that ${server} was stopped, without a proof`;
  }

  #ended(flow: Flow): void {
    this.#say(`${flow.execution.started.workflowId} ${flow.over}`);
    if (flow.execution.started.type === 'rollout') this.outcomes.push(flow.over ?? '');
    // Nobody waits for what it had under way; its children are asked to end.
    for (const activity of [...this.#activities]) if (activity.flow === flow) activity.cancelled = true;
    for (const child of flow.children.values()) if (child.over === undefined) this.#tell(child, { cancelWorkflow: { reason: 'parent closed' } });
  }

  #schedule(flow: Flow, seq: number, type: string, queue: string, input: unknown): void {
    const host = this.#hosts.find((one) => queue === `segue/${FLEET}/${one.name}`);
    if (host === undefined && queue !== 'segue') throw new Error(`nobody polls ${queue}`);
    this.#activities.push({ flow, seq, type, input, host, begun: false, stopped: false, cancelled: false, tries: 0 });
  }

  #cancelActivity(flow: Flow, seq: number): void {
    const activity = this.#activities.find((one) => one.flow === flow && one.seq === seq);
    if (activity === undefined) return;
    activity.cancelled = true;
    if (activity.begun) return;
    this.#remove(activity);
    this.#answer(activity, cancelled(activity), 'cancelled before it began');
  }

  #local(flow: Flow, seq: number, type: string, args: readonly unknown[]): void {
    const result = (() => {
      try {
        return { completed: { result: toPayload(type === 'parseRequest' ? parseRequest(args[0]) : parseUpdate(args[0] as RolloutRequest, args[1])) } };
      } catch (error) {
        return { failed: { failure: { message: 'local activity failed', activityFailureInfo: { activityType: { name: type }, activityId: String(seq) }, cause: toFailure(ApplicationFailure.nonRetryable((error as Error).message, (error as SegueError).code)) } } };
      }
    })();
    flow.inbox.push({ resolveActivity: { seq, result, isLocal: true } });
  }

  async #child(flow: Flow, { seq, workflowId, workflowType, input }: NonNullable<Command['startChildWorkflowExecution']>): Promise<void> {
    if (this.#flows.some((one) => one.execution.started.workflowId === workflowId)) throw new Error(`a second child ${workflowId}`);
    const child = await this.#start(workflowType!, workflowId!, (input ?? []).map(fromPayload), { flow, seq: seq! });
    flow.children.set(seq!, child);
    flow.inbox.push({ resolveChildWorkflowExecutionStart: { seq: seq!, succeeded: { runId: child.execution.started.runId } } });
  }

  #external(flow: Flow, { seq, workflowExecution, childWorkflowId, signalName, args }: NonNullable<Command['signalExternalWorkflowExecution']>): void {
    const id = childWorkflowId ?? workflowExecution?.workflowId;
    const target = this.#flows.find((one) => one.execution.started.workflowId === id && one.over === undefined && (!workflowExecution?.runId || one.execution.started.runId === workflowExecution.runId));
    if (target !== undefined && this.options.broken !== 'forgotten signals') target.inbox.push({ signalWorkflow: { signalName: signalName!, input: args ?? [], identity: 'x', headers: {} } });
    flow.inbox.push({ resolveSignalExternalWorkflow: { seq: seq!, ...(target === undefined ? { failure: { message: 'not found', applicationFailureInfo: { type: 'NotFound', nonRetryable: true } } } : {}) } });
  }

  #cancelled(flow: Flow, { seq, workflowExecution }: NonNullable<Command['requestCancelExternalWorkflowExecution']>): void {
    const target = this.#flows.find((one) => one.execution.started.workflowId === workflowExecution?.workflowId && one.over === undefined);
    this.#tell(target, { cancelWorkflow: { reason: 'asked from outside' } });
    flow.inbox.push({ resolveRequestCancelExternalWorkflow: { seq: seq!, ...(target === undefined ? { failure: { message: 'not found', applicationFailureInfo: { type: 'NotFound', nonRetryable: true } } } : {}) } });
  }

  #updated({ protocolInstanceId, completed, rejected }: NonNullable<Command['updateResponse']>): void {
    const activity = this.#updates.get(protocolInstanceId ?? '');
    if (activity === undefined || (!completed && !rejected)) return;
    this.#updates.delete(protocolInstanceId!);
    this.#remove(activity);
    this.#answer(activity, completed ? { completed: { result: completed } } : { failed: { failure: activityFailure(activity, rejected!) } }, completed ? 'completes' : 'is refused');
  }

  // ---- wishes, and time ----

  async #wish(wish: Wish): Promise<void> {
    const last = this.#rollouts.at(-1);
    if (wish === 'newer') return this.#startRollout();
    this.#say(`somebody: ${wish}`);
    const source = { uri: 's3://models/half/2/', endpoint: `http://other-${this.steps}` };
    switch (wish) {
      case 'abort': case 'rollback': return this.#tell(last, signal(wish, { reason: 'r' }));
      case 'pause': this.#tell(last, signal('pause', {})); this.#paused = last; return;
      case 'update': return this.#tell(last, signal('update', { source: { endpoint: source.endpoint } }));
      case 'cancel': return this.#tell(last, { cancelWorkflow: { reason: 'by hand' } });
      case 'refresh': return this.#tellFleet(signal('refresh', {}));
      case 'restartServer': return this.#pick(this.#hosts).restartServer();
      case 'restartAgent': {
        const host = this.#pick(this.#hosts);
        for (const activity of this.#activities) if (activity.host === host) activity.begun = false;
        return;
      }
      case 'terminate':
        if (last === undefined || last.over !== undefined) return;
        last.over = 'terminated';
        return this.#ended(last);
    }
  }

  #passTime(): boolean {
    const due = this.#flows.filter((flow) => flow.over === undefined).flatMap((flow) => [...flow.timers].map(([seq, atMs]) => ({ flow, seq, atMs }))).sort((a, b) => a.atMs - b.atMs)[0];
    // The fleet's own ten minutes go on for ever; when nothing else is left to wait for, the play is over.
    if (due === undefined || (due.flow.execution.started.type === 'fleet' && this.#rollouts.every((flow) => flow.over !== undefined))) return false;
    this.#nowMs = Math.max(this.#nowMs, due.atMs);
    due.flow.timers.delete(due.seq);
    due.flow.inbox.push({ fireTimer: { seq: due.seq } });
    return true;
  }

  #tell(flow: Flow | undefined, job: Job): void {
    if (flow !== undefined && flow.over === undefined) flow.inbox.push(job);
  }

  #tellFleet(job: Job): void {
    const fleet = this.#flows.find((flow) => flow.execution.started.type === 'fleet' && flow.over === undefined);
    if (fleet === undefined) throw new Error('the fleet ended, although it has members');
    fleet.inbox.push(job);
  }

  // ---- the end ----

  #wrongAtRest(): string | undefined {
    if (this.steps >= MAX_STEPS) return 'Convergence: it does not come to rest';
    const open = this.#rollouts.find((flow) => flow.over === undefined);
    if (open !== undefined) return `Intent: ${open.execution.started.workflowId} neither ended nor waits for anything that could come`;
    const child = this.#flows.find((flow) => flow.execution.started.type === 'transition' && flow.over === undefined);
    if (child !== undefined) return `Intent: ${child.execution.started.workflowId} outlives its rollout`;
    const last = this.#rollouts.at(-1);
    if (last?.over === 'completed served' || last?.over === 'completed alreadyServed') {
      const version = last.execution.started.workflowId.split('/').at(-1) as Version;
      const seen = this.#hosts.filter((host) => host.promoted === version);
      if (seen.length === 0) return `${last.execution.started.workflowId} is served by nobody`;
      for (const host of seen) if (host.staged.get(version)?.digest !== digestOf(version)) return `Verified only: ${host.name} serves ${version} from other bytes`;
    }
    return undefined;
  }

  #fleetState(): unknown {
    return { fleet: FLEET, epoch: 0, members: {}, superseded: [], models: { half: { stable: { version: '1', digest: digestOf('1' as Version) } } } };
  }

  #say(what: string): void {
    this.trace.push(what);
  }

  #pick<T>(all: readonly T[]): T {
    return all[Math.floor(this.#random() * all.length)]!;
  }

  async dispose(): Promise<void> {
    for (const execution of this.#disposed) await execution.dispose();
  }
}

function signal(signalName: string, payload: unknown): Job {
  return { signalWorkflow: { signalName, input: toPayloads(payload), identity: 'x', headers: {} } };
}

function name({ flow, type, host }: Activity): string {
  return `${flow.execution.started.workflowId}: ${type}${host === undefined ? '' : ` on ${host.name}`}`;
}

function failureOf(activity: Activity, error: Error): object {
  const known = error instanceof SegueError;
  return activityFailure(activity, toFailure(ApplicationFailure.create({ message: error.message, type: known ? error.code : 'Bug', nonRetryable: true, details: known ? [error.detail] : [] })));
}

/** What stopped it closed its token, or brought a greater one. */
function staleOf({ host, input, type }: Activity): Error {
  const { token } = ((input as { attempt?: Attempt }).attempt ?? input) as Attempt;
  if (host === undefined) throw new Error(`${type} has no host that could stop it`);
  return host.stale(token);
}

function activityFailure({ type, seq }: Activity, cause: object): object {
  return { message: 'Activity task failed', activityFailureInfo: { activityType: { name: type }, activityId: String(seq), retryState: 0 }, cause };
}

function cancelled(activity: Activity): object {
  return { cancelled: { failure: activityFailure(activity, { message: 'cancelled', canceledFailureInfo: {} }) } };
}

/** Mulberry32: the same seed, the same play. */
function mulberry(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
