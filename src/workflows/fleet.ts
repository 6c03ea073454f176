// What is true of a fleet for ever: its members, what is stable, who holds which model. It plans, tells those it replaces, and rests.

import { allHandlersFinished, ApplicationFailure, condition, continueAsNew, getExternalWorkflowHandle, setCurrentDetails, setHandler, workflowInfo } from '@temporalio/workflow';
import { EMPTY_FLEET_SECONDS, FLEET_HISTORY_EVENTS } from '../domain/bounds';
import { unreachable } from '../domain/failures';
import * as happened from '../domain/fleet';
import { planFleet, type FleetAction, type FleetState } from '../domain/fleet';
import type { FleetName } from '../domain/names';
import { announceSignal, claimUpdate, fleetStatusQuery, leaveSignal, refreshSignal, settleSignal, supersedeSignal } from './messages';

/** A first start gives only the name; continue-as-new carries the whole state. */
export async function fleet(input: { readonly fleet: FleetName; readonly state?: FleetState }): Promise<void> {
  let state = input.state ?? happened.emptyFleet(input.fleet);
  let changes = 0;
  let refresh = false;
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
  setHandler(settleSignal, (last) => apply(happened.settle(state, last)), { description: 'From a rollout: its verdict' });
  setHandler(announceSignal, (announcement) => apply(happened.announced(state, announcement, Date.now())), { description: 'From an agent: I am a member' });
  setHandler(leaveSignal, ({ server }) => apply(happened.left(state, server)), { description: 'A server leaves the fleet for good: {"server": "…"}' });
  setHandler(refreshSignal, () => { refresh = true; changes += 1; }, { description: 'Continue as new, on the newest workflow code' });
  setHandler(fleetStatusQuery, () => state, { description: 'Members, stable versions, holders' });

  for (;;) {
    setCurrentDetails(details(state));
    const plan = planFleet(state);
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
    await condition(() => changes !== seen);
  }

  async function perform(action: FleetAction): Promise<void> {
    switch (action.do) {
      case 'supersede':
        // "Not found" counts as settled: who is not there does nothing, and the hosts are fenced anyway.
        await getExternalWorkflowHandle(action.holder.workflowId, action.holder.runId).signal(supersedeSignal, { by: action.by }).catch(() => undefined);
        apply(happened.supersededTold(state, action.holder));
        return;
      case 'complete': return;
      default: unreachable(action);
    }
  }
}

/** Markdown for the Temporal UI. */
function details(state: FleetState): string {
  const members = Object.keys(state.members).sort();
  const models = Object.entries<happened.ModelState>(state.models);
  return [
    `**${state.fleet}** · ${members.length} servers: ${members.slice(0, 20).join(', ')}${members.length > 20 ? ' …' : ''}`, '',
    '| model | stable | held by |', '| --- | --- | --- |',
    ...models.slice(0, 30).map(([model, { stable, holder }]) => `| ${model} | ${stable?.version ?? '-'} | ${holder?.workflowId ?? '-'} |`),
    ...(models.length > 30 ? [`| … and ${models.length - 30} more | | |`] : []),
  ].join('\n');
}
