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
  child(request: RolloutRequest): TypedSearchAttributes {
    return new TypedSearchAttributes([{ key: fleet, value: request.fleet }, { key: model, value: request.model }, { key: version, value: request.version }]);
  },

  show(request: RolloutRequest, status: Status): void {
    const wanted: [typeof fleet, string | undefined][] = [[fleet, request.fleet], [model, request.model], [version, request.version], [phase, status.phase], [outcome, status.verdict?.outcome]];
    const now = workflowInfo().typedSearchAttributes;
    const changed = wanted.flatMap(([key, value]): SearchAttributeUpdatePair[] => (value === undefined || now.get(key) === value ? [] : [{ key, value }]));
    if (changed.length > 0) upsertSearchAttributes(changed);
  },
} as const;
