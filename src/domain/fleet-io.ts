// What a rollout asks of its fleet, and its last word to it.

import type { ClaimRequest, RolloutRef, Settlement } from './fleet-facts';
import type { ServerName, Version } from './names';
import type { RolloutRequest } from './request';
import { names, serverOf, type Claim, type RolloutState } from './rollout-facts';
import { isServed, knownBadOf, type Verdict } from './verdict';

export function claimRequest(request: RolloutRequest, self: RolloutRef): ClaimRequest {
  const { model, version, source, repair, allowDowngrade, preferDisk } = request;
  return {
    model, version, ...self,
    ...(source === undefined || preferDisk ? { fetches: false } : {}),
    ...(source?.endpoint === undefined ? {} : { endpoint: source.endpoint }),
    ...(repair === undefined ? {} : { repair: repair.servers }),
    ...(allowDowngrade === undefined && !request.retire ? {} : { allowDowngrade: true }),
  };
}

/** Served versions by server, so that the fleet need not wait for each agent to say so. */
export function settlement(state: RolloutState, claim: Claim, verdict: Verdict, self: RolloutRef, nowMs: number): Settlement {
  const { request, digest } = state;
  const knownBad = knownBadOf(state, verdict, nowMs);
  const serving = Object.fromEntries(names(state).flatMap((name): (readonly [ServerName, Version])[] => {
    const { serving: version, end } = serverOf(state, name);
    return end?.kind === 'served' && version !== undefined ? [[name, version]] : [];
  })) as Record<ServerName, Version>;
  return {
    model: request.model, version: request.version, ...self, epoch: claim.epoch, outcome: verdict.outcome,
    ...(verdict.code === undefined ? {} : { code: verdict.code }),
    ...(digest === undefined ? {} : { digest }),
    ...(knownBad === undefined ? {} : { knownBad }),
    ...(isServed(verdict.outcome) && request.source !== undefined ? { source: request.source } : {}),
    ...(isServed(verdict.outcome) && request.probe !== undefined ? { probe: request.probe } : {}),
    ...(isServed(verdict.outcome) ? { serving } : {}),
  };
}
