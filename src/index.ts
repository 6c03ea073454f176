// The library surface: what a program that embeds Segue uses. Everything else is internal.

export { FAILURES, SegueError, type Disposition, type Failure, type FailureCode, type FailureRow } from './domain/failures';
export type { HostActivities, Step } from './domain/host';
export { violationOf, type Violation } from './domain/invariants';
export { agentQueue, CONTROL_QUEUE, fleetWorkflowId, parseVersion, type Digest, type FleetName, type ModelName, type Pin, type ServerName, type Token, type Version } from './domain/names';
export type { Probe, RolloutRequest, Strategy } from './domain/request';
export type { Phase, Waiting } from './domain/rollout';
export type { ServerStatus, Status } from './domain/status';
export { nextStep, type Goal, type Next } from './domain/transition';
export type { Outcome, ServerVerdict, Verdict } from './domain/verdict';
export type { ModelView, Proof, ServableState } from './domain/view';
export { parseRequest, parseUpdate } from './activities/request';
