// Search attributes: the little that is seen without a worker. Upserted only when they change, because each upsert is an event.

import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes, type SearchAttributeUpdatePair } from '@temporalio/common';
import { upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { RolloutRequest } from '../domain/request';
import type { Status } from '../domain/status';

const fleet = defineSearchAttributeKey('SegueFleet', SearchAttributeType.KEYWORD);
const model = defineSearchAttributeKey('SegueModel', SearchAttributeType.KEYWORD);
const version = defineSearchAttributeKey('SegueVersion', SearchAttributeType.KEYWORD);
const phase = defineSearchAttributeKey('SeguePhase', SearchAttributeType.KEYWORD);
const outcome = defineSearchAttributeKey('SegueOutcome', SearchAttributeType.KEYWORD);

export const attributes = {
  request(request: RolloutRequest): SearchAttributeUpdatePair[] {
    return [{ key: fleet, value: request.fleet }, { key: model, value: request.model }, { key: version, value: request.version }];
  },

  child(request: RolloutRequest): TypedSearchAttributes {
    return new TypedSearchAttributes([{ key: fleet, value: request.fleet }, { key: model, value: request.model }, { key: version, value: request.version }]);
  },

  show(status: Status): void {
    const now = workflowInfo().typedSearchAttributes;
    const pairs: SearchAttributeUpdatePair[] = [];
    if (now.get(phase) !== status.phase) pairs.push({ key: phase, value: status.phase });
    if (status.verdict !== undefined && now.get(outcome) !== status.verdict.outcome) pairs.push({ key: outcome, value: status.verdict.outcome });
    if (pairs.length > 0) upsertSearchAttributes(pairs);
  },
} as const;
