// What came with a signal, from whoever could send one. A handler that throws would fail the workflow task again and again, and nobody would be served any more.

import { log } from '@temporalio/workflow';
import type { Settlement } from '../domain/fleet-facts';
import type { Announcement, Progress } from '../domain/host';
import { isName } from '../domain/names';
import type { Pinned } from '../domain/rollout';
import type { ServerReport } from '../domain/rollout-facts';

/** An object in which each of these is text that is not empty. */
export function isRecordOf<T extends object>(payload: T | undefined | null, ...texts: readonly (keyof T & string)[]): payload is T {
  if (typeof payload !== 'object' || payload === null) return false;
  return texts.every((key) => { const value: unknown = payload[key]; return typeof value === 'string' && value !== ''; });
}

export function isAnnouncement(payload: Announcement | undefined): payload is Announcement {
  return isRecordOf(payload, 'server', 'incarnation') && isName(payload.server) && isAbsentOr(Array.isArray, payload.allowEndpoints) && isAbsentOr(isObject, payload.models);
}

export function isSettlement(payload: Settlement | undefined): payload is Settlement {
  return isRecordOf(payload, 'model', 'version', 'workflowId', 'runId', 'outcome') && Number.isFinite(payload.epoch) && isAbsentOr(isObject, payload.serving) && isAbsentOr(isObject, payload.knownBad);
}

export function isReport(payload: ServerReport | undefined): payload is ServerReport {
  return isRecordOf(payload, 'server') && isToken(payload.token) && Array.isArray(payload.aspired) && Array.isArray(payload.lingering);
}

export function isPinned(payload: Pinned | undefined): payload is Pinned {
  return isRecordOf(payload, 'pin') && Number.isFinite(payload.bytes) && isAbsentOr((value) => typeof value === 'string', payload.digest);
}

export function isProgress(payload: Progress | undefined): payload is Progress {
  return isRecordOf(payload, 'server', 'step') && isToken(payload.token) && Number.isFinite(payload.sinceMs);
}

function isToken(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAbsentOr(is: (value: unknown) => boolean, value: unknown): boolean {
  return value === undefined || is(value);
}

/** Text below this key, cut to what a person reads; anything else is not there. */
export function textOf(payload: unknown, key: string): string | undefined {
  const value = typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>)[key] : undefined;
  return typeof value === 'string' ? value.slice(0, 500) : undefined;
}

/** Nobody is there to be answered, and nothing is changed. */
export function senseless(signal: string): void {
  log.warn('a signal without what it needs was ignored', { signal });
}
