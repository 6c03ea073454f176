// One wish, from claim to verdict: plan, start what the plan says, wait until something happened, plan again. Every decision is in domain/rollout.ts.

import {
  allHandlersFinished, CancellationScope, CancelledFailure, condition, getExternalWorkflowHandle, setCurrentDetails, setHandler, sleep,
  startChild, workflowInfo, type ChildWorkflowHandle,
} from '@temporalio/workflow';
import { ABORT_SECONDS, LONGEST_UNTOLD_SECONDS, MAX_SERVERS_TOLD_STEP_BY_STEP, RESOLVE_SECONDS, TOLD_WITHIN_SECONDS, UNTOLD_SECONDS } from '../domain/bounds';
import { unreachable, type Failure } from '../domain/failures';
import { formatToken, type ServerName, type Version } from '../domain/names';
import { claimRequest, settlement } from '../domain/fleet-io';
import { planRollout, type Action, type Pinned, type Plan, type StartGoal } from '../domain/rollout';
import * as happened from '../domain/rollout-state';
import { serverOf, type RolloutState, type Wish } from '../domain/rollout-facts';
import { detailsOf, statusOf, type Status } from '../domain/status';
import { transitionInput } from '../domain/transition-io';
import { isServed, verdictOf, type Verdict } from '../domain/verdict';
import { attributes } from './attributes';
import { checkRuns, claimModel, parseRequest, settleClaim } from './control-calls';
import { failureFrom, hostCalls } from './host-calls';
import { gateSignal, pinSignal, progressSignal, releaseSignal, statusQuery } from './messages';
import { isProgress, isReport, senseless } from './payload';
import { endOf, failedWith, isTaken, messageOf, startedBefore } from './rollout-ends';
import { handleVerbs } from './rollout-verbs';
import { transition } from './transition';

/** One transition of one server: by server and attempt, because the next may begin while the one before is being stopped. */
interface Child { readonly server: ServerName; readonly attempt: number; readonly version: Version | undefined; readonly scope: CancellationScope; handle?: ChildWorkflowHandle<typeof transition>; over?: true }

function keyOf(server: ServerName, attempt: number): string {
  return `${server}/${attempt}`;
}

export async function rollout(input: unknown): Promise<Verdict> {
  const { workflowId, runId } = workflowInfo();
  const self = { workflowId, runId };
  let state: RolloutState | undefined;
  let verdict: Verdict | undefined;
  let plan: Plan = { phase: 'claiming', actions: [], waits: {} };
  let changes = 0;
  // Verbs may come before the request is parsed; they are kept for then.
  let earlyWish: Wish | undefined;
  const children: Record<string, Child> = {};
  let resolveScope: CancellationScope | undefined;

  const apply = (change: (current: RolloutState) => RolloutState): void => {
    if (state !== undefined) state = change(state);
    changes += 1;
  };
  const wish = (wanted: Wish): void => {
    if (state === undefined) earlyWish ??= wanted;
    apply((current) => happened.wished(current, wanted));
  };
  const status = (): Status => (state === undefined ? { phase: verdict === undefined ? 'claiming' : 'done', generation: [0, 1], servers: {}, ...(verdict === undefined ? {} : { verdict }) } : statusOf(state, plan, verdict));

  const early = handleVerbs({ state: () => state, verdict: () => verdict, status, apply, wish });
  setHandler(gateSignal, (report) => { if (isReport(report)) apply((current) => happened.atGate(current, report, Date.now())); else senseless('gate'); });
  setHandler(progressSignal, (progress) => { if (isProgress(progress)) apply((current) => happened.progressed(current, progress)); else senseless('progress'); });
  setHandler(statusQuery, status, { description: 'Phase, generation, and where each server stands' });

  CancellationScope.current().cancelRequested.catch(() => wish({ kind: 'cancel' }));
  return CancellationScope.nonCancellable(async () => {
    try {
      state = happened.begin(await parseRequest(input));
    } catch (error) {
      throw failedWith(refusalOf(error));
    }
    if (earlyWish !== undefined) wish(earlyWish);
    const pausedEarly = early.pause();
    void watchForUntold();
    if (pausedEarly !== undefined) apply((current) => happened.paused(current, pausedEarly));
    for (;;) {
      plan = planRollout(state, Date.now());
      show();
      const last = plan.actions.find((action) => action.do === 'finish');
      if (last !== undefined) return finish(last.verdict);
      if (plan.actions.length > 0) {
        for (const action of plan.actions) await perform(action);
        continue;
      }
      const seen = changes;
      const something = (): boolean => changes !== seen;
      if (plan.wakeAtMs === undefined) await condition(something);
      else await condition(something, Math.max(1, plan.wakeAtMs - Date.now()));
    }
  });

  // ---- acting: each action marks its beginning in the state at once, and its end when it comes ----
  async function perform(action: Action): Promise<void> {
    switch (action.do) {
      case 'claim': return claimFirst();
      case 'fence': apply((current) => happened.fencing(current, action.server, Date.now())); void fence(action.server); return;
      case 'resolve': apply((current) => happened.resolving(current, action.server)); void resolve(action.server); return;
      case 'stopResolve': apply(happened.stoppingResolve); resolveScope?.cancel(); return;
      case 'start': apply((current) => happened.started(current, action.server, action.goal.direction, action.attempt, Date.now(), action.goal.overtakes === true && current.resolved === undefined)); void start(action.server, action.attempt, action.goal); return;
      case 'release': apply((current) => happened.releasing(current, action.server)); release(action.server); return;
      case 'pin': apply((current) => happened.pinned(current, action.server)); void pin(action.server, action.pinned); return;
      case 'stop': apply((current) => happened.stopping(current, action.server, Date.now())); stop(action.server); return;
      case 'finish': return;
      default: unreachable(action);
    }
  }

  async function claimFirst(): Promise<void> {
    const { request } = known();
    const scope = new CancellationScope();
    let answered = false;
    // Whoever ends the rollout does not wait for a fleet that does not answer; what that fleet still takes is fenced by the next claim.
    void condition(() => answered || known().wish.kind !== 'serve').then(() => scope.cancel());
    try {
      const claim = await scope.run(() => claimModel({ fleet: request.fleet, ...claimRequest(request, self) }));
      apply((current) => happened.claimed(current, claim, Date.now()));
      const by = early.replacedBy(claim.epoch);
      if (by !== undefined) wish({ kind: 'supersede', by });
    } catch (error) {
      const by = startedBefore(error);
      // A rollout that was started later claimed first: this one is superseded, and touched nothing.
      if (by !== undefined) wish({ kind: 'supersede', by });
      if (known().wish.kind === 'serve') throw failedWith(refusalOf(error));
    } finally {
      answered = true;
    }
  }

  async function fence(server: ServerName): Promise<void> {
    const { request } = known();
    const token = happened.tokenOf(known(), 0);
    try {
      const { proof, view } = await hostCalls({ fleet: request.fleet, server }, `fence ${request.model} below ${formatToken(token)}`, ABORT_SECONDS)
        .abortAttempt({ fleet: request.fleet, server, model: request.model, token, retain: [] });
      apply((current) => happened.fenced(current, server, { proof, aspired: view.aspired, ...(view.promoted === undefined ? {} : { serving: view.promoted }) }));
    } catch (error) {
      const failure = failureFrom(error, 'beginAttempt', server);
      apply((current) => (failure === 'notSeen' ? happened.fenced(current, server, 'notSeen') : happened.failed(happened.fenced(current, server, 'notSeen'), failure, server, Date.now())));
    }
  }

  async function resolve(server: ServerName): Promise<void> {
    const { request, attempt } = known();
    const { source } = request;
    if (source === undefined) throw new Error('only a source is resolved');
    resolveScope = new CancellationScope();
    try {
      const answer = await resolveScope.run(() => hostCalls({ fleet: request.fleet, server }, `resolve ${source.uri}`, RESOLVE_SECONDS)
        .resolveSource({ fleet: request.fleet, server, model: request.model, version: request.version, source }));
      apply((current) => happened.resolved(current, attempt, server, answer, Date.now()));
    } catch (error) {
      apply((current) => happened.resolved(current, attempt, server, failureFrom(error, 'downloadVersion', server), Date.now()));
    }
  }

  async function start(server: ServerName, attempt: number, goal: StartGoal): Promise<void> {
    const current = known();
    const { fleet, model, reason, requestedBy, ciUrl } = current.request;
    const reportTo = (current.claim?.servers.length ?? 0) <= MAX_SERVERS_TOLD_STEP_BY_STEP ? self : undefined;
    const token = happened.tokenOf(current, attempt);
    const scope = new CancellationScope();
    const key = keyOf(server, attempt);
    const child: Child = { server, attempt, version: goal.version, scope };
    children[key] = child;
    try {
      const { end, report } = await told(child, scope.run(async () => {
        child.handle = await startChild(transition, {
          workflowId: `${workflowId}/${server}/${formatToken(token)}`,
          args: [transitionInput(current, server, attempt, goal, reportTo)],
          parentClosePolicy: 'REQUEST_CANCEL',
          typedSearchAttributes: attributes.child(current.request),
          staticSummary: `${server}: ${model} → ${goal.version ?? 'nothing'}${goal.direction === 'back' ? ' (going back)' : ''}`.slice(0, 200),
          staticDetails: [`fleet ${fleet}, token ${formatToken(token)}`, requestedBy && `requested by ${requestedBy}`, reason, ciUrl].filter(Boolean).join('\n\n'),
        });
        return child.handle.result();
      }));
      if (children[key] !== child) return;
      apply((now) => happened.ended(now, server, end, report, Date.now(), attempt));
    } catch (error) {
      if (children[key] !== child) return;
      if (!isTaken(error)) return apply((now) => happened.ended(now, server, endOf(error, server), undefined, Date.now(), attempt));
      // Reset to before its start: the transition of the run before has this very id, and nobody here to tell its end to.
      await getExternalWorkflowHandle(`${workflowId}/${server}/${formatToken(token)}`).cancel().catch(() => undefined);
      apply((now) => happened.attemptTaken(now, server, Date.now(), attempt));
    }
  }

  /** The transition of a server's newest attempt. */
  function childOf(server: ServerName): Child | undefined {
    return children[keyOf(server, serverOf(known(), server).attempt)];
  }

  // By its id and not as a child: after a reset the transitions are those of the run before, and Temporal takes them for nobody's children.
  // One that has closed meanwhile is not there any more; its end is told anyway.
  function release(server: ServerName): void {
    const { handle } = childOf(server) ?? {};
    if (handle !== undefined) void getExternalWorkflowHandle(handle.workflowId).signal(releaseSignal).catch(() => undefined);
  }

  /** It may be known before its transition has started. */
  async function pin(server: ServerName, pinned: Pinned): Promise<void> {
    const child = childOf(server);
    if (child === undefined) return;
    await condition(() => child.handle !== undefined || child.over === true);
    if (child.handle !== undefined) await getExternalWorkflowHandle(child.handle.workflowId).signal(pinSignal, pinned).catch(() => undefined);
  }

  /** From here and from its transition at once: its host hears of it a workflow task earlier, and the transition brings the proof. */
  function stop(server: ServerName): void {
    const child = childOf(server);
    if (child?.handle === undefined) return child?.scope.cancel();
    void closeToken(child).catch(() => undefined);
    void getExternalWorkflowHandle(child.handle.workflowId).cancel().catch(() => undefined);
  }

  /** Names the version as the transition does: whether that is off the list is part of the proof. */
  async function closeToken({ server, attempt, version }: Child): Promise<void> {
    const { request: { fleet, model } } = known();
    const token = happened.tokenOf(known(), attempt);
    await hostCalls({ fleet, server }, `stop ${model} at ${formatToken(token)}`, ABORT_SECONDS).abortAttempt({ fleet, server, model, token, retain: [], ...(version === undefined ? {} : { version }) });
  }

  async function told<T>(child: Child, result: Promise<T>): Promise<T> {
    try { return await result; } finally { child.over = true; }
  }

  /** A run that was reset never hears of a transition that ended after the point it was reset to. Those are looked for, rarely, and done again at a greater attempt. */
  async function watchForUntold(): Promise<void> {
    for (let seconds = UNTOLD_SECONDS; ; seconds = Math.min(2 * seconds, LONGEST_UNTOLD_SECONDS)) {
      await sleep(seconds * 1000);
      if (verdict !== undefined) return;
      const open = Object.entries(children).filter(([, { handle, over }]) => handle !== undefined && over === undefined);
      if (open.length === 0) continue;
      const closed = await checkRuns({ runs: open.map(([, { handle }]) => ({ workflowId: handle?.workflowId ?? '', runId: handle?.firstExecutionRunId ?? '' })) }).catch(() => []);
      if (closed.length === 0) continue;
      // Its end may be on its way just now.
      await sleep(TOLD_WITHIN_SECONDS * 1000);
      for (const [key, child] of open) {
        if (child.over === true || children[key] !== child || !closed.some(({ runId }) => runId === child.handle?.firstExecutionRunId)) continue;
        delete children[key];
        apply((now) => happened.attemptTaken(now, child.server, Date.now(), child.attempt));
      }
    }
  }

  async function finish(last: Verdict): Promise<Verdict> {
    const { request, claim } = known();
    verdict = last;
    show();
    if (claim !== undefined) {
      // The fleet hears it as soon as it can; a fleet that never does fences the hosts before their next use.
      await settleClaim({ fleet: request.fleet, ...settlement(known(), claim, last, self, Date.now()) }).catch(() => undefined);
    }
    await condition(allHandlersFinished);
    if (isServed(last.outcome)) return last;
    if (last.outcome === 'cancelled') throw new CancelledFailure(last.message, [last]);
    throw failedWith(last);
  }

  function show(): void {
    if (state === undefined) return;
    const now = status();
    setCurrentDetails(detailsOf(state, now));
    attributes.show(state.request, now);
  }

  function known(): RolloutState {
    if (state === undefined) throw new Error('the request is parsed first');
    return state;
  }

  function refusalOf(error: unknown): Verdict {
    const failure = failureFrom(error, 'beginAttempt', 'control' as ServerName);
    const said: Failure = failure === 'notSeen' ? { code: 'Bug', message: messageOf(error) } : failure;
    const message = `${said.code}: ${said.message}`;
    verdict = state === undefined ? { outcome: 'rejected', code: said.code, message, servers: {}, notSeen: [] } : { ...verdictOf(state, 'rejected', said), message };
    show();
    return verdict;
  }
}
