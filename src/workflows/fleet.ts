// What is true of a fleet for ever: its members, what is stable, who holds which model. It plans, tells those it replaces, and rests.

import { allHandlersFinished, ApplicationFailure, condition, continueAsNew, getExternalWorkflowHandle, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { EMPTY_FLEET_SECONDS, FLEET_HISTORY_EVENTS } from '../domain/bounds';
import { unreachable, type SegueError } from '../domain/failures';
import * as happened from '../domain/fleet';
import type { FleetState, RolloutRef } from '../domain/fleet-facts';
import { planFleet, type FleetAction, type FleetPlan } from '../domain/fleet-plan';
import { fleetDetails } from '../domain/fleet-status';
import type { FleetName, ModelName, ServerName, Version } from '../domain/names';
import { checkPollers, checkRuns, startOwnRollout } from './control-calls';
import { failureFrom } from './host-calls';
import { isAnnouncement, isRecordOf, isSettlement, senseless, textOf } from './payload';
import {
  announceSignal, checkSignal, claimUpdate, fleetRollbackSignal, fleetRollbackUpdate, fleetStatusQuery, leaveSignal, refreshSignal, retireSignal, retireUpdate, settleSignal, supersedeSignal,
  type OwnAccepted,
} from './messages';

/** A first start gives only the name; continue-as-new carries the whole state. */
export async function fleet(input: { readonly fleet: FleetName; readonly state?: FleetState }): Promise<void> {
  let state = input.state ?? happened.emptyFleet(input.fleet);
  let changes = 0;
  let refresh = false;
  let checkNow = false;
  const apply = (next: FleetState): void => { state = next; changes += 1; };

  setHandler(claimUpdate, (request) => {
    const claim = happened.claim(state, request, Date.now());
    if ('refused' in claim) throw ApplicationFailure.nonRetryable(claim.refused.message, claim.refused.code, claim.refused.detail);
    apply(claim.state);
    return claim.answer;
  }, {
    description: 'From a rollout: this model is mine now. Newest wins',
    // A refusal writes no history: a typo in CI leaves no trace here.
    validator: (request) => {
      const claim = happened.claim(state, request, Date.now());
      if ('refused' in claim) throw ApplicationFailure.nonRetryable(claim.refused.message, claim.refused.code, claim.refused.detail);
    },
  });
  setHandler(settleSignal, (last) => { if (isSettlement(last)) apply(happened.settle(state, last, Date.now())); else senseless('settle'); }, { description: 'From a rollout: its verdict' });
  setHandler(announceSignal, (announcement) => { if (isAnnouncement(announcement)) apply(happened.announced(state, announcement, Date.now())); else senseless('announce'); }, { description: 'From an agent: I am a member' });
  setHandler(leaveSignal, (payload) => { if (isRecordOf(payload, 'server')) apply(happened.left(state, payload.server)); else senseless('leave'); }, { description: 'A server leaves the fleet for good: {"server": "…"}' });
  const rollback = (payload: unknown): OwnAccepted => {
    const asked = askedOf(payload);
    const refused = happened.reasonNotRollback(state, asked.model, versionOf(payload));
    if (refused !== undefined) throw refusal(refused);
    apply(happened.rollbackAsked(happened.verbTaken(state), asked, Date.now()));
    return own(asked.model, 'going back from the disks; the content is remembered as known bad');
  };
  const retire = (payload: unknown): OwnAccepted => {
    const asked = askedOf(payload);
    const refused = happened.reasonNotRetirable(state, asked.model);
    if (refused !== undefined) throw refusal(refused);
    apply(happened.retireAsked(happened.verbTaken(state), asked, Date.now()));
    return own(asked.model, 'nothing of the model will be served');
  };
  const own = (model: ModelName, message: string): OwnAccepted => ({ accepted: true, workflowId: happened.modelOf(state, model).own?.workflowId ?? '', message });
  // A signal has nobody to answer: its refusal is shown in status.
  const bySignal = (name: string, verb: (payload: unknown) => unknown) => (payload: unknown): void => { try { verb(payload); } catch (error) { apply(happened.verbRefused(state, name, error instanceof Error ? error.message : String(error), Date.now())); } };
  setHandler(fleetRollbackUpdate, rollback, { description: 'Go back from what is stable: {"model": "…", "reason": "…"}' });
  setHandler(fleetRollbackSignal, bySignal('rollback', rollback), { description: 'Go back from what is stable: {"model": "…", "reason": "…"}' });
  setHandler(retireUpdate, retire, { description: 'Serve nothing of a model any more: {"model": "…", "reason": "…"}' });
  setHandler(retireSignal, bySignal('retire', retire), { description: 'Serve nothing of a model any more: {"model": "…", "reason": "…"}' });
  setHandler(checkSignal, () => { checkNow = true; changes += 1; }, { description: 'Look now which agents still poll' });
  setHandler(refreshSignal, (payload) => {
    refresh = true;
    const checkSeconds = secondsOf(payload);
    apply(checkSeconds === undefined ? state : { ...state, checkSeconds });
  }, { description: 'Continue as new, on the newest workflow code: {"checkSeconds": 600} also says how often to look who polls' });
  setHandler(fleetStatusQuery, () => state, { description: 'Members, stable versions, holders' });

  for (;;) {
    const plan = planned();
    setCurrentDetails(fleetDetails(state, plan));
    if (plan.actions.some((action) => action.do === 'complete')) {
      // An announcement or a claim may be on its way to the very workflow it started.
      const seen = changes;
      if (!await condition(() => changes !== seen, EMPTY_FLEET_SECONDS * 1000)) return;
      continue;
    }
    if (plan.actions.length > 0) {
      for (const action of plan.actions) await perform(action);
      continue;
    }
    if ((refresh || workflowInfo().historyLength > FLEET_HISTORY_EVENTS || workflowInfo().continueAsNewSuggested) && allHandlersFinished()) await continueAsNew<typeof fleet>({ fleet: input.fleet, state });
    const seen = changes;
    const something = (): boolean => changes !== seen;
    if (plan.wakeAtMs === undefined) await condition(something);
    else await condition(something, Math.max(1, plan.wakeAtMs - Date.now()));
  }

  function planned(): FleetPlan {
    if (!checkNow) return planFleet(state, Date.now());
    checkNow = false;
    return planFleet({ ...state, checkedMs: 0 }, Date.now());
  }

  async function perform(action: FleetAction): Promise<void> {
    switch (action.do) {
      case 'supersede':
        // "Not found" counts as settled: who is not there does nothing, and the hosts are fenced anyway. Whoever runs under this id now knows by the epoch whether it is meant.
        await getExternalWorkflowHandle(action.holder.workflowId).signal(supersedeSignal, { by: action.holder.by, epoch: action.holder.epoch }).catch(() => undefined);
        apply(happened.supersededTold(state, action.holder));
        return;
      case 'repair': apply(happened.repairing(state, action.model, action.servers, Date.now())); return;
      case 'start': return start(action);
      case 'giveUp': apply(happened.ownLost(state, action.model, action.workflowId, 'never claimed the model', Date.now())); return;
      case 'check': return check(action.servers, action.holders);
      case 'complete': return;
      default: unreachable(action);
    }
  }

  async function start({ model, own: { workflowId, why }, input: request }: Extract<FleetAction, { do: 'start' }>): Promise<void> {
    try {
      await startOwnRollout(`start ${why} of ${model}`)({ workflowId, input: request });
      apply(happened.ownStarted(state, model, workflowId, Date.now()));
    } catch (error) {
      apply(happened.ownLost(state, model, workflowId, messageOf(error), Date.now()));
    }
  }

  /** No answer is no fact: it is asked again at the next check. */
  async function check(servers: readonly ServerName[], holders: readonly RolloutRef[]): Promise<void> {
    if (holders.length > 0) {
      const closed = await checkRuns({ runs: holders }).catch(() => []);
      apply(happened.holdersGone(state, closed, Date.now()));
    }
    const silent = await checkPollers({ fleet: input.fleet, servers }).catch(() => undefined);
    apply(silent === undefined ? { ...state, checkedMs: Date.now() } : happened.checked(state, servers, silent, Date.now()));
  }
}

function messageOf(error: unknown): string {
  const failure = failureFrom(error, 'beginAttempt', 'control' as ServerName);
  return failure === 'notSeen' ? 'no control worker took it' : failure.message;
}

function refusal({ message, code, detail }: SegueError): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, code, detail);
}

/** What is not text is not there: the model's name is then refused as unknown. */
function askedOf(payload: unknown): happened.Asked {
  const text = (key: string): string | undefined => textOf(payload, key);
  const [reason, by] = [text('reason'), text('by')];
  return { model: (text('model') ?? '') as ModelName, ...(reason === undefined ? {} : { reason }), ...(by === undefined ? {} : { by }) };
}

function versionOf(payload: unknown): Version | undefined {
  return textOf(payload, 'version') as Version | undefined;
}

function secondsOf(payload: unknown): number | undefined {
  const value = typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>)['checkSeconds'] : undefined;
  return typeof value === 'number' && value >= 1 && value <= 86_400 ? value : undefined;
}
